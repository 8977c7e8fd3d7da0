using System.Text.Json;
using Platen.Platform.Jobs;

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
        var revision = JsonDocument.Parse(job.Job.Payload).RootElement.GetProperty("revision").GetInt64();
        await using var session = await job.OpenAsync(ct);
        var workspace = await Workspace.FindAsync(session, ct);
        if (workspace is { IsDeleted: true } && workspace.Revision == revision)
        {
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
        }
        await job.CompleteAsync(session, ct);
        await session.CommitAsync(ct);
        invalidation.Drop(job.Job.Owner);
    }
}
