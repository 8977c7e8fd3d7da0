using System.CommandLine;
using System.Globalization;
using System.Text;

namespace Platen.Cli.Commands;

/// <summary><c>platen docs</c>, hidden: prints <c>docs/reference/cli.md</c>, made from the command tree.</summary>
internal static class DocsCommand
{
    public static Command Create()
    {
        var command = new Command("docs", "Print the reference of this program in Markdown.") { Hidden = true };
        command.SetAction(
            async (parsed, ct) =>
            {
                var reference = Render(parsed.RootCommandResult.Command);
                await parsed.InvocationConfiguration.Output.WriteAsync(reference.AsMemory(), ct);
                return ExitCode.Ok;
            }
        );
        return command;
    }

    /// <summary>The reference of a whole command tree.</summary>
    public static string Render(Command root)
    {
        var text = new StringBuilder();
        Append(text, "# The command line");
        Append(text, "");
        Append(text, "Made from the command tree by `platen docs > docs/reference/cli.md`; a test compares.");
        Append(text, "");
        Append(text, root.Description ?? "");
        Append(text, "");
        Append(text, "## Options of every command");
        Append(text, "");
        AppendOptions(text, root.Options);
        Append(text, "## Exit codes");
        Append(text, "");
        Append(text, "| code | meaning |");
        Append(text, "|---|---|");
        foreach (var (code, meaning) in ExitCode.All)
            Append(text, string.Create(CultureInfo.InvariantCulture, $"| {code} | {meaning} |"));
        Append(text, "");
        Append(text, "When several things failed, the code is that of the first of 130, 3, 4, 2, 5, 1 among them.");
        Append(text, "");
        Append(text, "## Output");
        Append(text, "");
        Append(
            text,
            "Results go to standard output; progress and problems to standard error. On a terminal, tables are drawn and"
        );
        Append(
            text,
            "progress moves; in a pipe, a table is one line a row with tabs between its cells and no headings. With `--json`,"
        );
        Append(
            text,
            "standard output is one JSON document (`events`: one a line) and a problem is one on standard error:"
        );
        Append(text, "`{ slug, detail, advice, exitCode, status?, about?, traceId?, faults?: [{ place, message }] }`.");
        Append(text, "");
        AppendCommands(text, root, "platen", 2);
        return text.ToString().TrimEnd() + "\n";
    }

    private static void AppendCommands(StringBuilder text, Command parent, string path, int level)
    {
        foreach (var command in parent.Subcommands.Where(command => !command.Hidden))
        {
            var usage = $"{path} {command.Name}";
            Append(text, $"{new string('#', Math.Min(level, 4))} {usage}");
            Append(text, "");
            Append(text, command.Description ?? "");
            Append(text, "");
            var line = usage;
            foreach (var argument in command.Arguments)
            {
                var name = argument.HelpName ?? argument.Name.ToUpperInvariant();
                var shown = argument.Arity.MaximumNumberOfValues > 1 ? name + "…" : name;
                line += argument.Arity.MinimumNumberOfValues == 0 ? $" [{shown}]" : $" {shown}";
            }
            if (command.Subcommands.Count > 0)
                line += " COMMAND";
            if (command.Options.Count > 0)
                line += " [options]";
            Append(text, "```");
            Append(text, line);
            Append(text, "```");
            Append(text, "");
            foreach (var argument in command.Arguments)
                Append(text, $"- `{argument.HelpName ?? argument.Name.ToUpperInvariant()}`: {argument.Description}");
            if (command.Arguments.Count > 0)
                Append(text, "");
            AppendOptions(text, command.Options);
            AppendCommands(text, command, usage, level + 1);
        }
    }

    private static void AppendOptions(StringBuilder text, IList<Option> options)
    {
        List<Option> shown = [.. options.Where(option => !option.Hidden)];
        if (shown.Count == 0)
            return;
        Append(text, "| option | meaning |");
        Append(text, "|---|---|");
        foreach (var option in shown)
        {
            var names = string.Join(", ", option.Aliases.Prepend(option.Name).Distinct().Select(name => $"`{name}`"));
            var value = option.HelpName is { } help ? $" `{help}`" : "";
            Append(text, $"| {names}{value} | {option.Description?.Replace("|", "\\|", StringComparison.Ordinal)} |");
        }
        Append(text, "");
    }

    private static void Append(StringBuilder text, string line) => text.Append(line).Append('\n');
}
