using System.Globalization;
using System.Text.Json;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Platform.Channels;
using Platen.Platform.Events;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;

namespace Platen.Widgets;

/// <summary>
/// Deletes a user instance: it is off the air at once and gone after a grace, until which it can be had back as it was, live if it
/// was live. Curated content is deprecated instead, so that what embeds it falls back to the baseline.
/// </summary>
internal sealed class DeleteInstance(PostgresPools pools, TimeProvider time)
{
    /// <param name="Instance">As it stands while it waits.</param>
    /// <param name="PurgeAt">When it is gone.</param>
    public sealed record Outcome(Instance Instance, DateTimeOffset PurgeAt);

    public async Task<Outcome> RunAsync(Caller caller, PublicId id, Precondition precondition, CancellationToken ct)
    {
        if (id is not PublicId.User)
        {
            throw KernelProblems
                .Conflict.Because($"'{id}' is curated, and never deleted: give it the status deprecated.")
                .AsException();
        }
        await using var session = await pools.OpenAsync(InstanceRequests.Writer(caller, id, "delete"), ct);
        var instance = await Instance.LockAsync(session, id, ct) ?? throw InstanceRequests.NotFound(id);
        precondition.Check(instance.Tag);
        await Unpublish.EndAsync(session, instance, ct);
        var purgeAt = time.GetUtcNow() + WidgetsLimits.DeletionGrace;
        var deleted = await MarkAsync(session, id, purgeAt, ct);
        await JobQueue.EnqueueAsync(
            session,
            PurgeInstance.JobKind,
            string.Create(CultureInfo.InvariantCulture, $"{id} {deleted.Revision}"),
            JsonSerializer.SerializeToUtf8Bytes(new { publicId = id.ToString(), revision = deleted.Revision }),
            new JobOptions { Delay = WidgetsLimits.DeletionGrace },
            ct
        );
        await TellAsync(session, WidgetEvents.Deleted, instance, deleted, ct);
        await session.CommitAsync(ct);
        return new Outcome(deleted, purgeAt);
    }

    public async Task<InstanceDetail> UndoAsync(
        Caller caller,
        PublicId publicId,
        Precondition precondition,
        CancellationToken ct
    )
    {
        if (publicId is not PublicId.User id)
            throw KernelProblems.Conflict.Because($"'{publicId}' is curated, and never deleted.").AsException();
        await using var session = await pools.OpenAsync(InstanceRequests.Writer(caller, id, "undo the deletion"), ct);
        var deleted = await Instance.LockDeletedAsync(session, id, ct);
        if (deleted is null)
        {
            throw await Instance.FindAsync(session, id, ct) is null
                ? InstanceRequests.NotFound(id)
                : KernelProblems.Conflict.Because($"'{id}' is not deleted.").AsException();
        }
        precondition.Check(deleted.Tag);
        var back = await MarkAsync(session, id, purgeAt: null, ct);
        if (
            back.Status != InstanceStatus.Unpublished
            && await session.FirstAsync(ChannelStore.FindWithLastMove(back.Live), ct)
                is { Channel: { Release: null } channel, LastMove: { From: { } former } move }
            && move.Reason == "delete"
        )
        {
            await ChannelStore.MoveAsync(session, back.Live, channel.Revision, former, ct);
        }
        await TellAsync(session, WidgetEvents.Restored, deleted, back, ct);
        var detail = await InstanceDetail.FindAsync(session, id, Instance.Find(id), ct);
        await session.CommitAsync(ct);
        return detail!;
    }

    private static async Task<Instance> MarkAsync(
        Session session,
        PublicId id,
        DateTimeOffset? purgeAt,
        CancellationToken ct
    ) =>
        (
            await session.FirstAsync(
                $"""
                update widgets.widget_instances
                set deleted_at = case when $2::timestamptz is null then null else clock_timestamp() end, purge_at = $2,
                    revision = revision + 1, updated_at = clock_timestamp(), updated_by = $3, updated_by_name = $4
                where owner = platform.current_owner() and public_id = $1
                returning {InstanceHome.User.Columns}
                """,
                Instance.Read,
                ct,
                Sql.Text(id.ToString()),
                new Npgsql.NpgsqlParameter
                {
                    Value = (object?)purgeAt ?? DBNull.Value,
                    NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.TimestampTz,
                },
                Sql.Uuid(session.Context.Actor.Id.Value),
                Sql.Text(session.Context.Actor.Name)
            )
        )!;

    private static async Task TellAsync(
        Session session,
        string what,
        Instance before,
        Instance after,
        CancellationToken ct
    )
    {
        var stream = WidgetEvents.Stream(after.PublicId);
        await AuditLog.RecordAsync(
            session,
            what,
            stream.Value,
            before.ConfigDigest,
            after.ConfigDigest,
            new { revision = after.Revision },
            ct
        );
        await EventLog.AppendAsync(
            session,
            stream,
            what,
            JsonSerializer.SerializeToUtf8Bytes(new { publicId = after.PublicId, revision = after.Revision }),
            ct
        );
    }
}

/// <summary>
/// Removes a deleted instance whose grace is over; nothing happens to one that was restored meanwhile. Its id stays taken, its
/// releases are left to the collection of garbage.
/// </summary>
internal sealed class PurgeInstance : IJobHandler
{
    public const string JobKind = "widgets.purge-instance";

    public string Kind => JobKind;

    public async Task RunAsync(JobContext job, CancellationToken ct)
    {
        using var payload = JsonDocument.Parse(job.Job.Payload);
        var id = payload.RootElement.GetProperty("publicId").GetString()!;
        var revision = payload.RootElement.GetProperty("revision").GetInt64();
        await using var session = await job.OpenAsync(ct);
        var content = await session.FirstAsync(
            """
            select config_digest from widgets.widget_instances
            where owner = platform.current_owner() and public_id = $1 and revision = $2 and deleted_at is not null
            for update
            """,
            row => (Digest?)Digest.Parse(row.GetString(0)),
            ct,
            Sql.Text(id),
            Sql.Long(revision)
        );
        if (content is not null)
        {
            foreach (var table in (string[])["widget_instance_locales", "instance_version", "widget_instances"])
            {
                await session.ExecuteAsync(
                    $"delete from widgets.{table} where owner = platform.current_owner() and public_id = $1",
                    ct,
                    Sql.Text(id)
                );
            }
            await Entitlements.GiveBackAsync(session, Entitlements.Instances, 1, ct);
            await AuditLog.RecordAsync(
                session,
                WidgetEvents.Purged,
                WidgetEvents.Stream(id).Value,
                before: content,
                after: null,
                new { revision },
                ct
            );
        }
        await job.CompleteAsync(session, ct);
        await session.CommitAsync(ct);
    }
}
