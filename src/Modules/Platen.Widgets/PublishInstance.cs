using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Platform.Blobs;
using Platen.Platform.Channels;
using Platen.Platform.Events;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;
using Platen.Widgets.Gates;
using Platen.Widgets.Packages;

namespace Platen.Widgets;

/// <summary>
/// Freezes the current version into a release and moves the live channel to it. Rendering and storing hold no lock; the last
/// transaction checks that the instance is still the version that was rendered. Repeating it changes nothing.
/// </summary>
internal sealed class PublishInstance(PostgresPools pools, IBlobStore blobs, WidgetRegistry registry, Stage stage)
{
    private static readonly IReadOnlySet<string> Alone = new HashSet<string>();

    /// <param name="Reason">Kept with the move of the channel.</param>
    /// <param name="Release">A former release to go back to, instead of the current version.</param>
    /// <param name="Force">Whether to publish what the gates have something against; takes a scope and a reason.</param>
    public sealed record Body(string? Reason = null, string? Release = null, bool Force = false);

    public sealed record Outcome(
        bool Moved,
        Instance Instance,
        Digest Release,
        ReleaseManifest Manifest,
        long ChannelRevision,
        IReadOnlyDictionary<string, IReadOnlyList<string>> Stale,
        IReadOnlyList<GateFinding> PassedOver
    );

    public async Task<Outcome> RunAsync(
        Caller caller,
        PublicId id,
        Body body,
        Precondition precondition,
        CancellationToken ct
    )
    {
        if (
            body.Reason is { } reason
            && (reason.Length > Limits.ReasonLength || reason.Contains('\0', StringComparison.Ordinal))
        )
        {
            throw KernelProblems
                .Invalid.Because(
                    "The reason cannot be kept.",
                    [new Fault("/reason", $"At most {Limits.ReasonLength} characters, and not U+0000.")]
                )
                .AsException();
        }
        PublishGates.CheckForce(caller, body.Force, body.Reason);
        var operation = InstanceRequests.Writer(caller, id, body.Reason ?? "publish");
        return body.Release is { } release
            ? await GoBackAsync(operation, id, release, precondition, ct)
            : await PublishCurrentAsync(operation, id, body.Force, precondition, ct);
    }

    private async Task<Outcome> PublishCurrentAsync(
        OperationContext operation,
        PublicId id,
        bool force,
        Precondition precondition,
        CancellationToken ct
    )
    {
        stage.RefuseWrite(id);
        var (instance, overlays, channel, branding) = await ReadAsync(operation, id, ct);
        precondition.Check(instance.Tag);
        RefuseUnpublished(instance);
        var made = InstanceRelease.Make(registry.Find(instance.WidgetType), instance, overlays, branding.Shown);
        // What is shown already is not published, so nothing can be against it.
        var isLive = channel?.Release == made.Draft.Digest;
        var inspected = isLive ? PublishGates.Report.Clean : await made.StoreInspectedAsync(blobs, operation.Owner, ct);
        if (!force)
            PublishGates.Refuse(instance.PublicId, inspected.Findings);

        await using var session = await pools.OpenAsync(operation, ct);
        // Whether it may be moved is judged from what the lock showed: until the commit nobody has seen it move.
        var (states, _, moves) = await session.TogetherAsync(
            Lock(id, instance.Home),
            ReleaseStore.Record(session, made.Draft),
            ChannelStore.Move(operation, instance.Live, channel?.Revision ?? 0, made.Draft.Digest),
            ct
        );
        var publishedRevision = CheckUnchanged(states.FirstOrDefault(), id, instance, overlays);
        var missing = await PublishGates.CheckInstancesAsync(session, inspected.Instances, Alone, ct);
        if (!force)
            PublishGates.Refuse(instance.PublicId, missing);
        var (moved, revision) = Settle(moves.Single(), instance, made.Draft.Digest);
        // Only what is shown now and was not before was passed over.
        ImmutableArray<GateFinding> passedOver = moved ? [.. inspected.Findings, .. missing] : [];
        if (moved || publishedRevision != instance.Revision)
        {
            await AuditAsync(session, WidgetEvents.Published, instance, channel, made.Draft.Digest, revision, ct);
            if (passedOver.Length > 0)
                await PublishGates.AuditAsync(session, instance.PublicId, made.Draft.Digest, passedOver, ct);
            RecordPublication(session, instance, instance.Revision, made.Draft.Digest, revision);
        }
        await session.CommitAsync(ct);
        var published = instance with { PublishedRevision = instance.Revision };
        return new Outcome(moved, published, made.Draft.Digest, made.Draft.Manifest, revision, made.Stale, passedOver);
    }

    private async Task<Outcome> GoBackAsync(
        OperationContext operation,
        PublicId id,
        string digestText,
        Precondition precondition,
        CancellationToken ct
    )
    {
        await using var session = await pools.OpenAsync(operation, ct);
        // To go back among what was published here is not to write content.
        await stage.OpenIntakeAsync(session, ct);
        var instance = await Instance.LockAsync(session, id, ct) ?? throw InstanceRequests.NotFound(id);
        precondition.Check(instance.Tag);
        RefuseUnpublished(instance);
        var release = await InstanceRelease.FindFormerAsync(session, instance, digestText, "/release", ct);
        var digest = release.Digest;
        // What stopped being public becomes public by being said so, not by going back to when it was.
        if (
            instance.Access != InstanceVisibility.Public
            && !release.Manifest.Annotations.ContainsKey(InstanceRelease.AccessAnnotation)
        )
        {
            throw KernelProblems
                .Conflict.Because(
                    $"'{id}' is shown to who has a token, and that release is public: save it with the access public first, or publish anew."
                )
                .AsException();
        }
        var channel = await ChannelStore.FindAsync(session, instance.Live, ct);
        var move = await ChannelStore.MoveAsync(session, instance.Live, channel?.Revision ?? 0, digest, ct);
        var (moved, revision) = Settle(move, instance, digest);
        // What is live now is not the version that stands in the table.
        if (moved)
        {
            await AuditAsync(session, WidgetEvents.WentBack, instance, channel, digest, revision, ct);
            RecordPublication(session, instance, sourceRevision: null, digest, revision);
        }
        await session.CommitAsync(ct);
        var live = moved ? instance with { PublishedRevision = null } : instance;
        return new Outcome(
            moved,
            live,
            digest,
            release.Manifest,
            revision,
            new Dictionary<string, IReadOnlyList<string>>(),
            []
        );
    }

    private static void RefuseUnpublished(Instance instance)
    {
        if (instance.Status == InstanceStatus.Unpublished)
        {
            throw KernelProblems
                .Conflict.Because($"'{instance.PublicId}' has the status unpublished; save it as published first.")
                .AsException();
        }
    }

    private async Task<(Instance, List<Overlay>, Channel?, Branding)> ReadAsync(
        OperationContext operation,
        PublicId id,
        CancellationToken ct
    )
    {
        var (instance, overlays, channel, entitlements) = await pools.ReadAsync(
            operation,
            Instance.Find(id),
            Overlay.List(operation.Owner, id),
            ChannelStore.Find(InstanceHome.Of(id).LiveOf(id.ToString())),
            Entitlements.List(),
            ct
        );
        return (
            instance.FirstOrDefault() ?? throw InstanceRequests.NotFound(id),
            overlays,
            channel.FirstOrDefault(),
            Branding.Of(entitlements)
        );
    }

    /// <param name="Locales">Each overlay's locale and revision, with a space between.</param>
    private sealed record LockedState(long Revision, long? PublishedRevision, string[] Locales);

    /// <summary>Locks the instance and tells what it is now.</summary>
    private static Query<LockedState> Lock(PublicId id, InstanceHome home) =>
        new(
            $"""
            select i.revision, i.published_revision,
                   array(select l.locale || ' ' || l.revision from widgets.widget_instance_locales l
                         where l.owner = platform.current_owner() and l.public_id = $1 order by l.locale)
            from {home.Table} i
            where i.public_id = $1{home.NotDeleted}
            for update
            """,
            row => new LockedState(
                row.GetInt64(0),
                row.IsDBNull(1) ? null : row.GetInt64(1),
                row.GetFieldValue<string[]>(2)
            ),
            Sql.Text(id.ToString())
        );

    /// <summary>Returns which version is published, when the one that was rendered is still the current one.</summary>
    private static long? CheckUnchanged(LockedState? now, PublicId id, Instance rendered, List<Overlay> overlays)
    {
        new Precondition.OneOf([rendered.Tag]).Check(now is null ? null : Precondition.TagOf(now.Revision));
        if (
            !now!.Locales.SequenceEqual(
                overlays.Select(o => string.Create(CultureInfo.InvariantCulture, $"{o.Locale} {o.Revision}"))
            )
        )
        {
            throw KernelProblems
                .StaleVersion.Because($"A locale of '{id}' was changed while it was being published.")
                .AsException();
        }
        return now.PublishedRevision;
    }

    private static (bool Moved, long Revision) Settle(ChannelMove move, Instance instance, Digest to) =>
        move switch
        {
            ChannelMove.Moved(var revision) => (true, revision),
            ChannelMove.Unchanged(var revision) => (false, revision),
            // Another publisher moved it to the same content first: that is what was asked for.
            ChannelMove.Conflict(var revision, var release) when release == to => (false, revision),
            ChannelMove.Conflict(var revision, var release) => throw KernelProblems
                .StaleVersion.Because($"'{instance.PublicId}' was published by somebody else just now.")
                .With("currentChannelRevision", revision)
                .With("currentRelease", release?.ToString() ?? "")
                .AsException(),
            var other => throw new InvalidOperationException($"The release was recorded, and yet: {other}."),
        };

    private static Task AuditAsync(
        Session session,
        string action,
        Instance instance,
        Channel? before,
        Digest release,
        long channelRevision,
        CancellationToken ct
    ) =>
        AuditLog.RecordAsync(
            session,
            action,
            WidgetEvents.Stream(instance.PublicId).Value,
            before?.Release,
            release,
            new
            {
                revision = instance.Revision,
                channelRevision,
                reason = session.Context.Reason,
            },
            ct
        );

    /// <summary>With the commit: the row is locked, and nobody waits for the answer.</summary>
    private static void RecordPublication(
        Session session,
        Instance instance,
        long? sourceRevision,
        Digest release,
        long channelRevision
    )
    {
        session.AtCommit(
            $"update {instance.Home.Table} set published_revision = $2 where public_id = $1",
            Sql.Text(instance.PublicId),
            Sql.Long(sourceRevision)
        );
        EventLog.AppendAtCommit(
            session,
            WidgetEvents.Stream(instance.PublicId),
            WidgetEvents.Published,
            JsonSerializer.SerializeToUtf8Bytes(
                new
                {
                    publicId = instance.PublicId,
                    release,
                    channelRevision,
                    sourceRevision,
                }
            )
        );
    }
}
