using System.CommandLine;
using System.CommandLine.Parsing;

namespace Platen.Cli;

/// <summary>The program from its arguments to its exit code.</summary>
internal static class PlatenCommandLine
{
    public static async Task<int> RunAsync(IReadOnlyList<string> args, Terminal terminal, CancellationToken ct)
    {
        var root = RootCommandBuilder.Build(terminal);
        var parsed = root.Parse(args);
        if (parsed.Errors.Count > 0 && !IsSuggestion(args))
            return RefuseUsage(parsed, terminal);
        var streams = new InvocationConfiguration
        {
            Output = terminal.Out,
            Error = terminal.Error,
            EnableDefaultExceptionHandler = false,
            // Interrupt has the signals.
            ProcessTerminationTimeout = null,
        };
        var code = await parsed.InvokeAsync(streams, ct);
        return ct.IsCancellationRequested && code != ExitCode.Ok ? ExitCode.Interrupted : code;
    }

    /// <summary>A shell asks how an unfinished line could go on.</summary>
    private static bool IsSuggestion(IReadOnlyList<string> args) =>
        args.Count > 0 && args[0].StartsWith("[suggest", StringComparison.Ordinal);

    private static int RefuseUsage(ParseResult parsed, Terminal terminal)
    {
        var command = string.Join(' ', NamesOf(parsed));
        Output
            .For(parsed, terminal)
            .Refusal(
                new Refusal(
                    ExitCode.Usage,
                    "usage",
                    null,
                    string.Join(" ", parsed.Errors.Select(error => error.Message)),
                    $"'{command} --help' shows how.",
                    []
                )
            );
        return ExitCode.Usage;
    }

    private static List<string> NamesOf(ParseResult parsed)
    {
        var names = new List<string>();
        for (SymbolResult? at = parsed.CommandResult; at is CommandResult command; at = command.Parent)
        {
            names.Insert(0, command.Command is RootCommand ? "platen" : command.Command.Name);
        }
        return names;
    }
}
