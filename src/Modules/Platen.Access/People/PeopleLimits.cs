namespace Platen.Access.People;

/// <summary>The limits of people and signing in, each with its reason.</summary>
internal static class PeopleLimits
{
    /// <summary>Characters of a password at least: with the refusal of common ones, what guessing under a lock-out does not reach.</summary>
    public const int PasswordMin = 10;

    /// <summary>Characters of a password at most: a sentence fits, and hashing one stays cheap.</summary>
    public const int PasswordMax = 256;

    /// <summary>Passkeys of one person: every device somebody has.</summary>
    public const int Passkeys = 20;

    /// <summary>Live sessions of one person; the next one ends the oldest.</summary>
    public const int Sessions = 50;

    /// <summary>Terminals that a list shows, the newest: each ends by itself within 90 days.</summary>
    public const int Terminals = 100;

    /// <summary>Bytes of a request body here: a passkey's answer is 2 KB.</summary>
    public const int BodyBytes = 32 * 1024;

    /// <summary>How long a session lives at most.</summary>
    public static readonly TimeSpan SessionLife = TimeSpan.FromDays(30);

    /// <summary>How long a session lives without being used.</summary>
    public static readonly TimeSpan SessionIdle = TimeSpan.FromDays(14);

    /// <summary>How old a sign-in may be for changing what proves a person.</summary>
    public static readonly TimeSpan Fresh = TimeSpan.FromMinutes(15);

    /// <summary>How long a passkey's challenge waits for its answer.</summary>
    public static readonly TimeSpan CeremonyLife = TimeSpan.FromMinutes(5);

    /// <summary>How long a link for a forgotten password works.</summary>
    public static readonly TimeSpan ResetLife = TimeSpan.FromHours(1);

    /// <summary>How long a link that welcomes a new person works.</summary>
    public static readonly TimeSpan WelcomeLife = TimeSpan.FromDays(7);

    /// <summary>How long a link that confirms an address works.</summary>
    public static readonly TimeSpan ConfirmLife = TimeSpan.FromDays(1);

    /// <summary>Between two mails of the same kind to one person.</summary>
    public static readonly TimeSpan BetweenMails = TimeSpan.FromMinutes(1);

    /// <summary>How long sending one mail may take.</summary>
    public static readonly TimeSpan MailPatience = TimeSpan.FromSeconds(30);
}
