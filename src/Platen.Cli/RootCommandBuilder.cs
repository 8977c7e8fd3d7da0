using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using Platen.Cli.Commands;

namespace Platen.Cli;

/// <summary>The command tree.</summary>
internal static class RootCommandBuilder
{
    public static RootCommand Build(Terminal terminal)
    {
        var root = new PlatenRootCommand(terminal);
        foreach (var option in GlobalOptions.All)
            root.Options.Add(option);

        root.Subcommands.Add(PublishCommand.Create());
        root.Subcommands.Add(RollbackCommand.Create());
        root.Subcommands.Add(StatusCommand.Create());
        root.Subcommands.Add(CutoversCommand.Create());
        root.Subcommands.Add(PreviewCommand.Create());
        root.Subcommands.Add(GetCommand.Create());
        root.Subcommands.Add(ListCommand.Create());
        root.Subcommands.Add(TypesCommand.Create());
        root.Subcommands.Add(PushCommand.Create());
        root.Subcommands.Add(PullCommand.Create());
        root.Subcommands.Add(ResolveCommand.Create());
        root.Subcommands.Add(TemplatesCommand.Create());
        root.Subcommands.Add(ImportCommand.Create());
        root.Subcommands.Add(MigrateLegacyCommand.Create());
        root.Subcommands.Add(SubmissionsCommand.Create());
        root.Subcommands.Add(EmbedCommand.Create());
        root.Subcommands.Add(UsageCommand.Create());
        root.Subcommands.Add(WebhooksCommand.Create());
        root.Subcommands.Add(EventsCommand.Create());
        root.Subcommands.Add(JobsCommand.Create());
        root.Subcommands.Add(GcCommand.Create());
        root.Subcommands.Add(WorkspacesCommand.Create());
        root.Subcommands.Add(MembersCommand.Create());
        root.Subcommands.Add(KeysCommand.Create());
        root.Subcommands.Add(PeopleCommand.Create());
        root.Subcommands.Add(AuditCommand.Create());
        foreach (var command in LoginCommand.Create())
            root.Subcommands.Add(command);
        root.Subcommands.Add(DoctorCommand.Create());
        root.Subcommands.Add(VerifyCommand.Create());
        root.Subcommands.Add(ExplainCommand.Create());
        root.Subcommands.Add(SchemaCommand.Create());
        root.Subcommands.Add(JsonCommand.Create());
        root.Subcommands.Add(VersionCommand.Create());
        root.Subcommands.Add(LanguageCommand.Create());
        root.Subcommands.Add(CompletionCommand.Create());
        root.Subcommands.Add(DocsCommand.Create());

        var help = root.Options.OfType<HelpOption>().Single();
        // Where files are completed too, these look like paths.
        help.Aliases.Remove("/h");
        help.Aliases.Remove("/?");
        if (help.Action is HelpAction plain)
            help.Action = new HelpWithExitCodes(plain);
        return root;
    }

    private sealed class HelpWithExitCodes(HelpAction plain) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            plain.Invoke(parseResult);
            var output = parseResult.InvocationConfiguration.Output;
            output.WriteLine("Exit codes:");
            foreach (var (code, meaning) in ExitCode.All)
                output.WriteLine($"  {code, -4} {meaning}");
            return ExitCode.Ok;
        }
    }
}

/// <summary>The root, which knows where the program runs.</summary>
internal sealed class PlatenRootCommand(Terminal terminal)
    : RootCommand("Publishes content to a Platen server, and shows what is live there.")
{
    public Terminal Terminal { get; } = terminal;
}
