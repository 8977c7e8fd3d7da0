using System.Text.Json;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Platform.Channels;
using Platen.Platform.Events;
using Platen.Platform.Postgres;

namespace Platen.Widgets;

/// <summary>Takes an instance off the air: its status becomes <c>unpublished</c> and its live channel points at nothing.</summary>
internal sealed class Unpublish(PostgresPools pools)
{
    public async Task RunAsync(Caller caller, PublicId id, Precondition precondition, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(InstanceRequests.Writer(caller, id, "unpublish"), ct);
        var instance = await Instance.LockAsync(session, id, ct) ?? throw InstanceRequests.NotFound(id);
        precondition.Check(instance.Tag);
        if (instance.Status != InstanceStatus.Unpublished)
        {
            var saved = await session.FirstAsync(
                $"""
                update {instance.Home.Table}
                set status = 'unpublished', revision = revision + 1, updated_at = clock_timestamp(), updated_by = $2,
                    updated_by_name = $3
                where public_id = $1
                returning {instance.Home.Columns}
                """,
                Instance.Read,
                ct,
                Sql.Text(instance.PublicId),
                Sql.Uuid(session.Context.Actor.Id.Value),
                Sql.Text(session.Context.Actor.Name)
            );
            await SaveInstance.AppendSavedAsync(session, instance, saved!, ct);
        }
        await EndAsync(session, instance, ct);
        await session.CommitAsync(ct);
    }

    /// <summary>Points the live channel at nothing, in the caller's transaction; the instance's row is locked by it.</summary>
    public static async Task EndAsync(Session session, Instance instance, CancellationToken ct)
    {
        var channel = await ChannelStore.FindAsync(session, instance.Live, ct);
        if (channel?.Release is null)
            return;
        var move = await ChannelStore.MoveAsync(session, instance.Live, channel.Revision, to: null, ct);
        if (move is not ChannelMove.Moved(var revision))
        {
            throw KernelProblems
                .StaleVersion.Because($"'{instance.PublicId}' was published by somebody else just now.")
                .AsException();
        }
        await session.ExecuteAsync(
            $"update {instance.Home.Table} set published_revision = null where public_id = $1",
            ct,
            Sql.Text(instance.PublicId)
        );
        await AuditLog.RecordAsync(
            session,
            WidgetEvents.Unpublished,
            WidgetEvents.Stream(instance.PublicId).Value,
            channel.Release,
            after: null,
            new { channelRevision = revision },
            ct
        );
        await EventLog.AppendAsync(
            session,
            WidgetEvents.Stream(instance.PublicId),
            WidgetEvents.Unpublished,
            JsonSerializer.SerializeToUtf8Bytes(new { publicId = instance.PublicId, channelRevision = revision }),
            ct
        );
    }
}
