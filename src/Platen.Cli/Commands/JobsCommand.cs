using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Platen.Client;
using Platen.Kernel;

namespace Platen.Cli.Commands;

/// <summary><c>platen jobs</c>: the server's background work.</summary>
internal static class JobsCommand
{
    private static readonly Argument<string> Id = new("id") { Description = "The job's id.", HelpName = "ID" };

    private static readonly Option<string?> State = new("--state")
    {
        Description = "Only jobs in this state, such as dead.",
        HelpName = "STATE",
    };

    private static readonly Option<string?> Kind = new("--kind")
    {
        Description = "Only jobs of this kind, such as platform.webhook.",
        HelpName = "KIND",
    };

    public static Command Create() =>
        new("jobs", "Show the server's background work, and retry what failed for good.")
        {
            new Command("list", "List the jobs.") { State, Kind }.Runs(ListAsync),
            new Command("show", "Show one job.") { Id }.Runs(ShowAsync),
            new Command("retry", "Put a dead job back into the queue.") { Id }.Runs(RetryAsync),
        };

    private static async Task<int> ListAsync(Invocation run, CancellationToken ct)
    {
        var documents = new JsonArray();
        var rows = new List<string[]>();
        await foreach (var job in run.Client.ListJobsAsync(run.Value(State), run.Value(Kind), ct))
        {
            documents.Add(ToJson(job));
            rows.Add([
                job.Id.ToString("D"),
                job.Kind,
                job.State,
                job.Attempt.ToString(CultureInfo.InvariantCulture),
                job.RunAt?.ToString("u", CultureInfo.InvariantCulture) ?? "",
                job.Error ?? "",
            ]);
        }
        run.Output.Document(new JsonObject { ["items"] = documents });
        run.Output.Table(["job", "kind", "state", "attempt", "due", "error"], rows);
        return ExitCode.Ok;
    }

    private static async Task<int> ShowAsync(Invocation run, CancellationToken ct)
    {
        var id = ReadId(run);
        var job = await run.Client.FindJobAsync(id, ct) ?? throw NoSuchJob(id);
        var document = ToJson(job);
        run.Output.Document(document);
        foreach (var (name, value) in document)
            run.Output.Line($"{name}\t{value}");
        return ExitCode.Ok;
    }

    private static async Task<int> RetryAsync(Invocation run, CancellationToken ct)
    {
        var id = ReadId(run);
        await run.Client.RetryJobAsync(id, ct);
        run.Output.Document(new JsonObject { ["id"] = id.ToString(), ["outcome"] = "queued" });
        run.Output.Line($"job {id} is in the queue again");
        return ExitCode.Ok;
    }

    private static JobId ReadId(Invocation run) =>
        Guid.TryParseExact(run.Value(Id), "D", out var id)
            ? new JobId(id)
            : throw new CliException(
                ExitCode.Usage,
                "usage",
                $"'{run.Value(Id)}' is not a job's id.",
                "'platen jobs list' shows them."
            );

    private static CliException NoSuchJob(JobId id) =>
        new(ExitCode.No, "not-found", $"The server has no job {id}.", "'platen jobs list' shows what there is.");

    private static JsonObject ToJson(Job job)
    {
        var json = new JsonObject
        {
            ["id"] = job.Id,
            ["kind"] = job.Kind,
            ["key"] = job.Key,
            ["state"] = job.State,
            ["attempt"] = job.Attempt,
            ["error"] = job.Error,
            ["createdAt"] = job.CreatedAt,
            ["runAt"] = job.RunAt,
        };
        foreach (var (name, value) in job.More ?? [])
            json.TryAdd(name, JsonNode.Parse(value.GetRawText()));
        return json;
    }
}
