namespace Platen.Cli;

/// <summary>Where a command runs: what it may read of its surroundings, and where it writes.</summary>
/// <param name="Out">Results.</param>
/// <param name="Error">Progress, warnings and refusals.</param>
/// <param name="OutIsTerminal">A person sees <paramref name="Out"/>; else a pipe or a file takes it.</param>
/// <param name="ErrorIsTerminal">A person sees <paramref name="Error"/>.</param>
/// <param name="Variable">An environment variable, or null.</param>
/// <param name="WorkingFolder">Where relative paths start.</param>
/// <param name="Time">Where time comes from.</param>
internal sealed record Terminal(
    TextWriter Out,
    TextWriter Error,
    bool OutIsTerminal,
    bool ErrorIsTerminal,
    Func<string, string?> Variable,
    string WorkingFolder,
    TimeProvider Time
)
{
    /// <summary>Opens standard input, as it stands behind <c>-</c>.</summary>
    public Func<Stream> OpenInput { get; init; } = Console.OpenStandardInput;

    /// <summary>A person types into standard input; else a pipe or a file feeds it.</summary>
    public bool InputIsTerminal { get; init; }

    /// <summary>The folder of a person's settings (XDG Base Directory Specification); null when there is no home.</summary>
    public string? SettingsFolder =>
        Variable("XDG_CONFIG_HOME") is { Length: > 0 } xdg ? Path.Combine(xdg, "platen")
        : Variable("HOME") is { Length: > 0 } home ? Path.Combine(home, ".config", "platen")
        : null;

    public static Terminal OfProcess() =>
        new(
            Console.Out,
            Console.Error,
            !Console.IsOutputRedirected,
            !Console.IsErrorRedirected,
            Environment.GetEnvironmentVariable,
            Environment.CurrentDirectory,
            TimeProvider.System
        )
        {
            InputIsTerminal = !Console.IsInputRedirected,
        };
}
