namespace Platen.Templates;

/// <summary>Limits of the module, each with its reason. Those that clients need too are in the kernel.</summary>
internal static class TemplatesLimits
{
    /// <summary>Versions of one template: a push an hour for a year, and a resolve still sorts them in a millisecond.</summary>
    public const int Versions = 10_000;

    /// <summary>Channels of one template that operators made.</summary>
    public const int Channels = 100;

    /// <summary>Digests asked about at once: every file of a version.</summary>
    public const int Digests = 1_000;

    /// <summary>Outcomes in one request.</summary>
    public const int Outcomes = 500;

    /// <summary>Metrics of one trial: what a person compares at a glance.</summary>
    public const int Metrics = 100;

    /// <summary>Templates whose state one process keeps in memory.</summary>
    public const int Snapshots = 2_000;

    /// <summary>Moves that may wait for a second person at once.</summary>
    public const int OpenRequests = 50;

    /// <summary>Versions that one request removes; the next one goes on.</summary>
    public const int Expired = 100;

    /// <summary>Templates whose names a run of the retention reads at once.</summary>
    public const int ExpiryPage = 500;

    /// <summary>Ten years: nobody who writes more means days.</summary>
    public const int ExpiryDays = 3_650;

    /// <summary>Answers to resolves in memory, all owners together.</summary>
    public const long AnswerBytes = 64 * 1024 * 1024;

    /// <summary>Of those, one owner's: whoever asks for a thousand languages empties nobody else's.</summary>
    public const long AnswerBytesOfOwner = 8 * 1024 * 1024;

    /// <summary>Questions of one owner that are remembered.</summary>
    public const int AnswersOfOwner = 1_000;

    /// <summary>Templates whose changes are told apart; beyond it every answer is forgotten at once.</summary>
    public const int RememberedTemplates = 20_000;
}
