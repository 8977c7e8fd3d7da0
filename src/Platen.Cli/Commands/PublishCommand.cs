using System.CommandLine;
using System.Text.Json.Nodes;
using Platen.Kernel;
using Spectre.Console;

namespace Platen.Cli.Commands;

/// <summary><c>platen publish</c>: makes files, folders of files, or what the server already has, live.</summary>
internal static class PublishCommand
{
    /// <summary>Instances on their way at once: the server renders on a few cores, and the report stays in order.</summary>
    private const int AtOnce = 4;

    private static readonly Argument<string[]> What = new("what")
    {
        Description = "Files, folders of *.json files, or public ids of instances that the server has.",
        HelpName = "FILE|FOLDER|ID",
        Arity = ArgumentArity.ZeroOrMore,
    };

    private static readonly Option<string?> To = new("--to")
    {
        Description =
            "Publish what the server has to another stage, one way: the name of a login profile, or its address.",
        HelpName = "STAGE",
    };

    private static readonly Option<string?> ToKey = new("--to-key")
    {
        Description = "The stage's publisher key. Else $PLATEN_TO_KEY and the login profile.",
        HelpName = "KEY",
    };

    private static readonly Option<bool> All = new("--all")
    {
        Description = "With --to: every curated instance that the server has.",
    };

    private static readonly Option<bool> Changed = new("--changed")
    {
        Description = "With --to: as --all, and report only those that differ.",
    };

    private static readonly Option<bool> Overwrite = new("--overwrite")
    {
        Description = "With --to: replace also what is newer on the stage. Needs --reason.",
    };

    private static readonly Option<DateTimeOffset?> At = new("--at")
    {
        Description = "With --to: when it is shown, such as 2031-05-04T06:00:00Z; it is pushed and checked now.",
        HelpName = "TIME",
    };

    private static readonly Option<bool> Force = new("--force")
    {
        Description =
            "Publish also what the gates have something against. Needs the scope gates:force and --reason; the audit log keeps it.",
    };

    private static readonly Option<bool> DryRun = new("--dry-run")
    {
        Description = "Show what would change, and write nothing.",
    };

    private static readonly Option<string?> Reason = new("--reason")
    {
        Description = "Why, in a few words; kept with the publication.",
        HelpName = "TEXT",
    };

    public static Command Create() =>
        new Command("publish", "Make files, folders of files, or instances that the server has, live.")
        {
            What,
            To,
            ToKey,
            All,
            Changed,
            Overwrite,
            At,
            Force,
            DryRun,
            Reason,
        }.Runs(RunAsync);

    private static async Task<int> RunAsync(Invocation run, CancellationToken ct)
    {
        var reason = run.Value(Reason);
        if (reason?.Length > Limits.ReasonLength)
        {
            throw new CliException(
                ExitCode.Usage,
                "usage",
                $"The reason has {reason.Length} characters; {Limits.ReasonLength} are allowed.",
                "Shorten it."
            );
        }
        if (run.Value(Force) && string.IsNullOrWhiteSpace(reason))
            throw new CliException(ExitCode.Usage, "usage", "--force needs a --reason.", "Say why in a few words.");
        if (run.Value(To) is { } stage)
            return await PublishToStageAsync(run, stage, ct);
        if (
            Named(run).Length == 0
            || run.Value(All)
            || run.Value(Changed)
            || run.Value(Overwrite)
            || run.Value(At) is not null
        )
        {
            throw new CliException(
                ExitCode.Usage,
                "nothing-to-publish",
                Named(run).Length == 0
                    ? "Nothing to publish was named."
                    : "--all, --changed, --overwrite and --at go with --to.",
                "Name files, folders or public ids; or a stage with --to, and --all or --changed. 'platen publish --help' shows them."
            );
        }
        var sources = PublishSource.Expand(Named(run), run.Terminal.WorkingFolder);
        var items = await PublishItem.ReadAsync(sources, ct);
        var publisher = new Publisher(run, run.Value(DryRun), reason, run.Value(Force));
        // Found before the first of several fails for want of it.
        _ = run.Connection;
        var results = new PublishResult[items.Count];

        async Task PublishAllAsync(Func<PublishItem, IPublishProgress> progressOf)
        {
            var steps = new PublishStep[items.Count];
            var progress = items.Select(progressOf).ToList();
            var together = new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = ct };
            await Parallel.ForAsync(
                0,
                items.Count,
                together,
                async (at, each) => steps[at] = await publisher.WriteAsync(items[at], progress[at], each)
            );
            await Parallel.ForAsync(
                0,
                items.Count,
                together,
                async (at, each) => results[at] = await publisher.PublishAsync(items[at], steps[at], progress[at], each)
            );
        }

        if (run.Output.ShowsBars)
        {
            await run
                .Output.Notes.Progress()
                .AutoClear(true)
                .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn())
                .StartAsync(async bars =>
                    await PublishAllAsync(item => new Bar(
                        bars.AddTask(Markup.Escape(item.Name), maxValue: Publisher.Steps)
                    ))
                );
        }
        else
        {
            await PublishAllAsync(item => new Lines(run.Output, item.Name));
        }
        Report(run, [.. results]);
        return ExitCode.Worst(results.Select(result => result.ExitCode));
    }

    private static string[] Named(Invocation run) => run.Optional(What) ?? [];

    private static async Task<int> PublishToStageAsync(Invocation run, string stage, CancellationToken ct)
    {
        var named = Named(run);
        var everything = run.Value(All) || run.Value(Changed);
        if (everything == named.Length > 0)
        {
            throw new CliException(
                ExitCode.Usage,
                "nothing-to-publish",
                "With --to, name either public ids or --all or --changed.",
                "'platen list' shows what the server has."
            );
        }
        if (run.Value(Overwrite) && string.IsNullOrWhiteSpace(run.Value(Reason)))
        {
            throw new CliException(ExitCode.Usage, "usage", "--overwrite needs a --reason.", "Say why in a few words.");
        }
        if (named.FirstOrDefault(n => !PublicId.TryParse(n, out _)) is { } other)
        {
            throw new CliException(
                ExitCode.Usage,
                "malformed-public-id",
                $"'{other}' is not a public id.",
                "A stage gets what the server has: publish files to the server first, then their ids --to the stage."
            );
        }
        var target = StageTarget.Find(stage, run.Value(ToKey), run.Terminal);
        using var client = target.Open();
        var report = await new StagePublisher(run, client, target).RunAsync(
            everything ? null : [.. named.Select(Invocation.ReadPublicId).Distinct()],
            run.Value(Changed),
            run.Value(DryRun),
            run.Value(Overwrite),
            run.Value(Force),
            run.Value(Reason),
            run.Value(At),
            ct
        );
        Report(run, report);
        return ExitCode.Ok;
    }

    private static void Report(Invocation run, StageReport report)
    {
        run.Output.Document(
            new JsonObject
            {
                ["stage"] = report.Stage,
                ["cutover"] = report.Cutover?.ToString(),
                ["at"] = report.At?.ToString("O", System.Globalization.CultureInfo.InvariantCulture),
                ["widgetTypes"] = new JsonArray([.. report.Types.Select(type => JsonValue.Create(type))]),
                ["blobs"] = report.Pushed.Blobs,
                ["bytes"] = report.Pushed.Bytes,
                ["results"] = new JsonArray([
                    .. report.Lines.Select(line => new JsonObject
                    {
                        ["publicId"] = line.PublicId,
                        ["outcome"] = line.Outcome,
                        ["release"] = line.Release,
                        ["url"] = line.Address?.ToString(),
                        ["changes"] = new JsonArray([.. line.Changes.Select(change => JsonValue.Create(change))]),
                    }),
                ]),
            }
        );
        run.Output.Table(
            ["instance", "outcome", "release"],
            [.. report.Lines.Select(line => new[] { line.PublicId, line.Outcome, line.Release ?? "" })]
        );
        foreach (var line in report.Lines.SelectMany(line => line.Changes))
            run.Output.Line(line);
        var moved = report.Lines.Count(line => line.Outcome is not ("unchanged" or "already live"));
        run.Output.Line(
            report.IsDryRun
                ? $"{moved} differ on {report.Stage}; nothing was written"
                : string.Create(
                    System.Globalization.CultureInfo.InvariantCulture,
                    $"{moved} {(report.At is null ? "published to" : "wait on")} {report.Stage}; {report.Pushed.Blobs} blobs, {report.Pushed.Bytes:N0} bytes travelled"
                )
        );
        if (report is { At: { } at, Cutover: { } cutover })
        {
            run.Output.Line(
                string.Create(
                    System.Globalization.CultureInfo.InvariantCulture,
                    $"cut-over {cutover} is due at {at:u}; 'platen cutovers preview' on {report.Stage} makes a link to it"
                )
            );
        }
    }

    private static void Report(Invocation run, List<PublishResult> results)
    {
        run.Output.Document(
            new JsonObject { ["results"] = new JsonArray([.. results.Select(result => result.ToJson())]) }
        );
        if (results.Count > 1)
        {
            run.Output.Table(
                ["instance", "outcome", "release"],
                [.. results.Select(result => new[] { result.Name, result.Outcome, result.Release ?? "" })]
            );
        }
        foreach (var result in results)
        {
            foreach (var line in result.Changes)
                run.Output.Line(line);
            if (result.Refusal is { } refusal)
                run.Output.Refusal(refusal with { About = result.Name });
            if (result.Sentence is { } sentence)
                run.Output.Line(sentence);
        }
    }

    private sealed class Bar(ProgressTask task) : IPublishProgress
    {
        public void Step(string what) => task.Increment(1);

        public void End() => task.Value = task.MaxValue;
    }

    private sealed class Lines(Output output, string name) : IPublishProgress
    {
        public void Step(string what) => output.Progress($"{name}: {what}");

        public void End() { }
    }
}

/// <summary>Hears how far a publish is.</summary>
internal interface IPublishProgress
{
    void Step(string what);

    void End();
}
