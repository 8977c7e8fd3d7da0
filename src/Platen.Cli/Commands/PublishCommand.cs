using System.Collections.Concurrent;
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
        Arity = ArgumentArity.OneOrMore,
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
        var sources = PublishSource.Expand(run.Value(What), run.Terminal.WorkingFolder);
        var items = await PublishItem.ReadAsync(sources, ct);
        var publisher = new Publisher(run, run.Value(DryRun), reason);
        // Found before the first of several fails for want of it.
        _ = run.Connection;
        var results = new ConcurrentDictionary<int, PublishResult>();

        async Task PublishAllAsync(Func<PublishItem, IPublishProgress> progressOf)
        {
            await Parallel.ForEachAsync(
                items.Index(),
                new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = ct },
                async (source, each) =>
                    results[source.Index] = await publisher.PublishAsync(source.Item, progressOf(source.Item), each)
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
        List<PublishResult> inOrder = [.. results.OrderBy(pair => pair.Key).Select(pair => pair.Value)];
        Report(run, inOrder);
        return ExitCode.Worst(inOrder.Select(result => result.ExitCode));
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
