using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Platform.Http;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;

namespace Platen.Server;

/// <summary>A job, as the API gives it.</summary>
internal sealed record JobView(
    Guid Id,
    string Kind,
    string? Key,
    string State,
    int Attempt,
    int MaxAttempts,
    float Progress,
    string? ProgressText,
    string? Error,
    string Actor,
    JsonElement Payload,
    DateTimeOffset CreatedAt,
    DateTimeOffset RunAt,
    DateTimeOffset? StartedAt,
    DateTimeOffset? FinishedAt
)
{
    public static JobView Of(Job job) =>
        new(
            job.Id.Value,
            job.Kind,
            job.Key,
            job.State.ToString().ToLowerInvariant(),
            job.Attempt,
            job.MaxAttempts,
            job.Progress,
            job.ProgressText,
            job.Error,
            job.Actor.Name,
            JsonElement.Parse(job.Payload.Span),
            job.EnqueuedAt,
            job.RunAt,
            job.StartedAt,
            job.FinishedAt
        );
}

/// <summary>A page of jobs, newest first; the cursor is null on the last.</summary>
internal sealed record JobListView(IReadOnlyList<JobView> Items, string? NextCursor);

/// <summary>The queue of the caller's owner: what waits, runs and died, and another try for what died.</summary>
internal static class JobsEndpoints
{
    private const string Retried = "job.retried";

    public static void MapJobs(this IEndpointRouteBuilder app)
    {
        // Payloads name what is being worked on: seeing the queue takes a scope of its own.
        var jobs = app.MapGroup("/v1/jobs").WithTags("jobs");
        jobs.MapGet("", List).WithName("listJobs").NeedsScope(Scopes.JobsManage);
        jobs.MapGet("/{id:guid}", Get).WithName("getJob").NeedsScope(Scopes.JobsManage);
        jobs.MapPost("/{id:guid}/retry", Retry)
            .WithName("retryJob")
            .Refuses(KernelProblems.Conflict)
            .Audited(Retried)
            .WithoutDigests("what is to be done stays what it was", Retried)
            .NeedsScope(Scopes.JobsManage);
    }

    private static async Task<Ok<JobListView>> List(
        PostgresPools pools,
        HttpContext context,
        CancellationToken ct,
        string? state = null,
        string? kind = null,
        string? cursor = null,
        int? limit = null
    )
    {
        JobState? wanted = state switch
        {
            null => null,
            "queued" => JobState.Queued,
            "running" => JobState.Running,
            "succeeded" => JobState.Succeeded,
            "dead" => JobState.Dead,
            _ => throw KernelProblems
                .Malformed.Because($"'{state}' is not a state: use queued, running, succeeded or dead.")
                .AsException(),
        };
        JobId? before = cursor switch
        {
            null or "" => null,
            _ when Guid.TryParseExact(cursor, "D", out var last) => new JobId(last),
            _ => throw KernelProblems.UnknownCursor(),
        };
        var size = Math.Clamp(limit ?? Limits.DefaultPageItems, 1, Limits.PageItems);
        await using var session = await pools.OpenAsync(context.Caller().Operation("list jobs"), ct);
        var page = await JobQueue.ListAsync(session, wanted, kind, before, size, ct);
        return TypedResults.Ok(
            new JobListView([.. page.Select(JobView.Of)], page.Count == size ? page[^1].Id.ToString() : null)
        );
    }

    private static async Task<Ok<JobView>> Get(Guid id, PostgresPools pools, HttpContext context, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(context.Caller().Operation("read job"), ct);
        var job = await JobQueue.GetAsync(session, new JobId(id), ct) ?? throw NotFound(id);
        return TypedResults.Ok(JobView.Of(job));
    }

    private static async Task<NoContent> Retry(Guid id, PostgresPools pools, HttpContext context, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(context.Caller().Operation("retry job"), ct);
        switch (await JobQueue.RetryAsync(session, new JobId(id), ct))
        {
            case RetryOutcome.Missing:
                throw NotFound(id);
            case RetryOutcome.NotDead:
                throw KernelProblems.Conflict.Because("Only a dead job can be retried.").AsException();
            case RetryOutcome.Replaced:
                throw KernelProblems
                    .Conflict.Because("Another job with its key is queued or running already.")
                    .AsException();
        }
        await AuditLog.RecordAsync(session, Retried, $"job/{id}", before: null, after: null, detail: null, ct);
        await session.CommitAsync(ct);
        return TypedResults.NoContent();
    }

    private static ProblemException NotFound(Guid id) =>
        KernelProblems.NotFound.Because($"There is no job '{id}'.").AsException();
}
