using System.Text.Json;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;

namespace Platen.Access.Workspaces;

/// <summary>
/// Removes what access has of a workspace whose grace is over, and tells the others, who remove theirs. It does nothing to one that was
/// restored meanwhile. The rows of people stay: they belong to themselves.
/// </summary>
internal sealed class PurgeWorkspace(Invalidation invalidation) : IJobHandler
{
    public const string JobKind = "access.purge-workspace";

    public string Kind => JobKind;

    public async Task RunAsync(JobContext job, CancellationToken ct)
    {
        using var payload = JsonDocument.Parse(job.Job.Payload);
        await using var session = await job.OpenAsync(ct);
        await PurgeAsync(session, payload.RootElement.GetProperty("revision").GetInt64(), ct);
        await job.CompleteAsync(session, ct);
        await session.CommitAsync(ct);
        invalidation.Drop(job.Job.Owner);
    }

    /// <summary>Removes the workspace of the session's scope if it is still deleted as of that revision; whether it was.</summary>
    public static async Task<bool> PurgeAsync(Session session, long revision, CancellationToken ct)
    {
        if (
            await Workspace.FindLockedAsync(session, ct) is not { IsDeleted: true } workspace
            || workspace.Revision != revision
        )
            return false;
        // Members, invitations, entitlements and held slugs go with the workspace's row.
        await session.ExecuteAsync("delete from access.machine_key where owner = platform.current_owner()", ct);
        await session.ExecuteAsync("delete from access.usage where owner = platform.current_owner()", ct);
        await session.ExecuteAsync("delete from access.workspace where owner = platform.current_owner()", ct);
        await AccessEvents.TellAsync(
            session,
            AccessEvents.Workspace,
            AccessEvents.WorkspacePurged,
            AccessRequests.Event(new { id = workspace.Id.Value }),
            ct
        );
        return true;
    }
}
