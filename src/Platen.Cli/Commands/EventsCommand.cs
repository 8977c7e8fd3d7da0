using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Platen.Client;

namespace Platen.Cli.Commands;

/// <summary><c>platen events</c>: what happened on a stream, and what happens on it.</summary>
internal static class EventsCommand
{
    private static readonly Argument<string> Stream = new("stream")
    {
        Description = "The stream, such as widget/wgt_main_content.faq.",
        HelpName = "STREAM",
    };

    private static readonly Option<bool> Follow = new("--follow", "-f")
    {
        Description = "Go on as events happen, across lost connections, until interrupted.",
    };

    private static readonly Option<long> After = new("--after")
    {
        Description = "Start after this revision; 0 is the beginning.",
        HelpName = "N",
    };

    public static Command Create() =>
        new Command(
            "events",
            "Print the events of a stream. With --json each event is one JSON document on a line of its own."
        )
        {
            Stream,
            Follow,
            After,
        }.Runs(RunAsync);

    private static async Task<int> RunAsync(Invocation run, CancellationToken ct)
    {
        var (stream, after) = (run.Value(Stream), run.Value(After));
        if (after < 0)
            throw new CliException(ExitCode.Usage, "usage", "--after cannot be negative.", "0 is the beginning.");
        var events = run.Value(Follow)
            ? run.Client.FollowEventsAsync(
                stream,
                after,
                lost => run.Output.Progress($"{lost.Message} Connecting again."),
                ct
            )
            : run.Client.ReadPastEventsAsync(stream, after, ct);
        await foreach (var happened in events)
            Print(run.Output, happened);
        return ExitCode.Ok;
    }

    private static void Print(Output output, StreamEvent happened)
    {
        var data = happened.Data.GetRawText();
        if (output.Json)
        {
            output.DocumentLine(
                new JsonObject
                {
                    ["revision"] = happened.Revision,
                    ["type"] = happened.Type,
                    ["data"] = JsonNode.Parse(data),
                }
            );
            return;
        }
        output.Line(string.Create(CultureInfo.InvariantCulture, $"{happened.Revision}\t{happened.Type}\t{data}"));
    }
}
