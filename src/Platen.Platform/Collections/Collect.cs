using System.Text.Json;
using Platen.Kernel;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;

namespace Platen.Platform.Collections;

/// <summary>
/// The collection as a job: one at a time in the whole installation, with progress; one that was cut off begins again and finds
/// less to do.
/// </summary>
public sealed class Collect(Collector collector, PostgresPools pools) : IJobHandler
{
    /// <summary>The kind of its jobs; the payload is the collection's id.</summary>
    public const string JobKind = "platform.collect";

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    public string Kind => JobKind;

    public int Concurrency => 1;

    /// <summary>Asks for a collection in the session's transaction: the request and its job are there, or neither.</summary>
    /// <param name="session">A session of the platform.</param>
    /// <param name="dryRun">Whether to remove nothing.</param>
    /// <param name="rules">What may go.</param>
    /// <param name="ct">Cancels.</param>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Invalid"/>: a rule is out of its range;
    /// <see cref="KernelProblems.Conflict"/>: one is waiting or running already.</exception>
    public static async Task<Collection> RequestAsync(
        Session session,
        bool dryRun,
        CollectionRules rules,
        CancellationToken ct
    )
    {
        var faults = rules.Faults().ToList();
        if (faults.Count > 0)
            throw KernelProblems.Invalid.Because("The collection's rules cannot be accepted.", faults).AsException();
        var id = Guid.CreateVersion7();
        var added = await Collection.AddAsync(session, id, dryRun, rules, ct);
        var job = await JobQueue.EnqueueAsync(
            session,
            JobKind,
            "one",
            JsonSerializer.SerializeToUtf8Bytes(new Payload(id), Json),
            options: null,
            ct
        );
        return job is EnqueueOutcome.AlreadyQueued(var running)
            ? throw KernelProblems
                .Conflict.Because($"A collection is waiting or running already, as job {running}: wait for its end.")
                .With("job", running.Value)
                .AsException()
            : added!;
    }

    public async Task RunAsync(JobContext job, CancellationToken ct)
    {
        var id = JsonSerializer.Deserialize<Payload>(job.Job.Payload.Span, Json)!.Collection;
        Collection collection;
        await using (var asked = await pools.OpenWorkerAsync("collection", ct))
        {
            collection =
                await Collection.FindAsync(asked, id, ct)
                ?? throw new JobRefusedException($"There is no collection {id}.");
        }
        var report = await collector.RunAsync(
            collection.Rules,
            collection.DryRun,
            (fraction, text) => job.ReportAsync(fraction, text, ct),
            ct
        );
        await using var session = await pools.OpenWorkerAsync("collection report", ct);
        await session.ExecuteAsync(
            "update platform.collection set finished_at = clock_timestamp(), report = $2 where id = $1",
            ct,
            Sql.Uuid(id),
            Sql.Json(JsonSerializer.SerializeToUtf8Bytes(report, Json))
        );
        await session.CommitAsync(ct);
    }

    private sealed record Payload(Guid Collection);
}
