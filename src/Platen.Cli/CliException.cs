namespace Platen.Cli;

/// <summary>Ends a command with a refusal of its own making.</summary>
internal sealed class CliException(int exitCode, string slug, string message, string advice) : Exception(message)
{
    public int ExitCode { get; } = exitCode;

    public string Slug { get; } = slug;

    public string Advice { get; } = advice;

    public IReadOnlyList<InputFault> Faults { get; init; } = [];
}

/// <summary>Something wrong with what a person gave.</summary>
/// <param name="Place">Where, as an editor opens it: <c>file:line:column</c>; or a JSON Pointer, or empty.</param>
/// <param name="Message">What is wrong and what would be right.</param>
internal sealed record InputFault(string Place, string Message);
