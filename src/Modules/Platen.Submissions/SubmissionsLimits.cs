namespace Platen.Submissions;

/// <summary>The limits of the module, and why they are where they are.</summary>
internal static class SubmissionsLimits
{
    /// <summary>Bytes of a post: twenty fields of the longest text in three-byte letters do not fit, a long message in every script does.</summary>
    public const int BodyBytes = 64 * 1024;

    /// <summary>Names in a post: twenty fields, the page's own three, and as many again from a former release.</summary>
    public const int Names = 64;

    /// <summary>UTF-16 code units of a line, where the form does not say less, as the page has it.</summary>
    public const int LineLength = 500;

    /// <summary>UTF-16 code units of a text area, where the form does not say less, as the page has it.</summary>
    public const int AreaLength = 10_000;

    /// <summary>The longest address of RFC 5321.</summary>
    public const int EmailLength = 254;

    /// <summary>How long the same content is taken for the same submission: a reload, a second click, a retry.</summary>
    public static readonly TimeSpan SameContent = TimeSpan.FromMinutes(10);

    /// <summary>Nobody fills in a form faster.</summary>
    public static readonly TimeSpan FastestHand = TimeSpan.FromSeconds(2);

    /// <summary>Forms kept in memory; an owner has tens.</summary>
    public const int Forms = 2_000;

    /// <summary>Bytes of a config that is read for its form: as much as delivery takes of a file.</summary>
    public const int ConfigBytes = 8 * 1024 * 1024;

    /// <summary>Characters of a search.</summary>
    public const int SearchLength = 200;

    /// <summary>Rows of an export read at once.</summary>
    public const int ExportPage = 500;

    /// <summary>Columns of an export: the fields of ten different forms.</summary>
    public const int ExportColumns = 200;

    /// <summary>Days that submissions can be kept at most by a rule: ten years; without one they stay.</summary>
    public const int RetentionDays = 3650;

    /// <summary>Instances that a rule can name.</summary>
    public const int RetentionInstances = 1_000;

    /// <summary>Instances that the audit names of a changed rule: with the longest ids they fit an entry.</summary>
    public const int AuditedInstances = 20;

    /// <summary>Submissions that one transaction looks at for a person's address: 64 MB if each were as large as can be.</summary>
    public const int EraseStep = 1_000;

    /// <summary>Submissions removed in one transaction.</summary>
    public const int ExpireBatch = 1_000;
}
