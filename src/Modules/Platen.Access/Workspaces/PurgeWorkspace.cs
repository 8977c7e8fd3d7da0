using System.Globalization;
using System.Text.Json;
using Platen.Kernel;
using Platen.Platform.Jobs;
using Platen.Platform.Owners;
using Platen.Platform.Postgres;

namespace Platen.Access.Workspaces;

/// <summary>
/// Removes a workspace whose grace is over, with every row of it in every module, some thousand at a time: cut off, it goes on where it
/// was. It does nothing to one that was restored meanwhile. The rows of people stay: they belong to themselves.
/// </summary>
internal sealed class PurgeWorkspace(PostgresPools pools, Invalidation invalidation) : IJobHandler
{
    public const string JobKind = "access.purge-workspace";

    public string Kind => JobKind;

    public async Task RunAsync(JobContext job, CancellationToken ct)
    {
        using var payload = JsonDocument.Parse(job.Job.Payload);
        var revision = payload.RootElement.GetProperty("revision").GetInt64();
        await using (var begin = await job.OpenAsync(ct))
        {
            if (!await BeginAsync(begin, revision, ct))
                return;
            await begin.CommitAsync(ct);
        }
        await RemoveAsync(
            job.Job.Id.Value,
            job.Job.Owner,
            removed => job.ReportAsync(0.5, string.Create(CultureInfo.InvariantCulture, $"{removed} rows removed"), ct),
            ct
        );
        await using var session = await job.OpenAsync(ct);
        await EndAsync(session, ct);
        await job.CompleteAsync(session, ct);
        await session.CommitAsync(ct);
        invalidation.Drop(job.Job.Owner);
    }

    /// <summary>Whether the workspace of the session's scope is still deleted as of that revision; then there is no way back any more.</summary>
    public static async Task<bool> BeginAsync(Session session, long revision, CancellationToken ct)
    {
        if (
            await Workspace.FindLockedAsync(session, ct) is not { IsDeleted: true } workspace
            || workspace.Revision != revision
        )
            return false;
        await ClosedOwners.BeginPurgeAsync(session, ct);
        return true;
    }

    /// <summary>Removes what the modules have of it.</summary>
    /// <param name="job">Which job does it; it stays.</param>
    /// <param name="owner">Whose.</param>
    /// <param name="progress">Told how many rows are gone.</param>
    /// <param name="ct">Cancels between two transactions.</param>
    public async Task RemoveAsync(Guid job, OwnerId owner, Func<long, Task> progress, CancellationToken ct)
    {
        for (var total = 0L; ; )
        {
            await using var session = await pools.OpenWorkerAsync("purge workspace", ct);
            var removed = await ClosedOwners.PurgeAsync(session, owner, AccessLimits.PurgedRows, job, ct);
            await session.CommitAsync(ct);
            if (removed == 0)
                return;
            await progress(total += removed);
        }
    }

    /// <summary>Removes the workspace itself and tells of it.</summary>
    public static async Task EndAsync(Session session, CancellationToken ct)
    {
        var before = await Workspace.FindAsync(session, ct);
        await session.ExecuteAsync("delete from access.workspace where owner = platform.current_owner()", ct);
        await ClosedOwners.EndPurgeAsync(session, ct);
        await AccessEvents.TellAsync(
            session,
            AccessEvents.Workspace,
            AccessEvents.WorkspacePurged,
            AccessRequests.Event(new { id = session.Context.Owner.Value }),
            ct,
            before: before?.Content
        );
    }
}
