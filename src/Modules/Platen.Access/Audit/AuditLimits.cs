namespace Platen.Access.Audit;

/// <summary>How much an entry holds, and how much of the log is read at once.</summary>
internal static class AuditLimits
{
    /// <summary>Characters of a subject: a channel's subject (255) with a prefix and a name.</summary>
    public const int SubjectLength = 400;

    /// <summary>Bytes of an entry's detail: it says what happened, the content has its own place.</summary>
    public const int DetailBytes = 8 * 1024;

    /// <summary>Entries read in one transaction of an export: at most about 10 MB, usually 400 KB.</summary>
    public const int ExportPage = 1_000;
}
