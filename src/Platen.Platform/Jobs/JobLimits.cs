namespace Platen.Platform.Jobs;

/// <summary>What the job parts accept and keep at most, each with its reason.</summary>
public static class JobLimits
{
    /// <summary>Bytes of a payload: it names things, it does not carry them.</summary>
    public const int PayloadBytes = 256 * 1024;

    /// <summary>Characters of a key.</summary>
    public const int KeyLength = 300;

    /// <summary>Characters of a progress text: one line on a screen.</summary>
    public const int ProgressTextLength = 200;

    /// <summary>Characters of the last error that are kept.</summary>
    public const int ErrorLength = 2000;

    /// <summary>Attempts unless asked otherwise: with the backoff, about half an hour.</summary>
    public const int DefaultAttempts = 10;

    /// <summary>Attempts at most.</summary>
    public const int Attempts = 100;
}
