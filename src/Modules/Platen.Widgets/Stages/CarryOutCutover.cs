using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Platform.Blobs;
using Platen.Platform.Channels;
using Platen.Platform.Events;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;
using Platen.Widgets.Gates;
using Platen.Widgets.Packages;

namespace Platen.Widgets.Stages;

/// <summary>Hears, in its transaction, that content was published to this server: what translates it enqueues its work here.</summary>
public interface IPublishFollower
{
    /// <param name="session">The transaction of the publish. Not to be committed.</param>
    /// <param name="id">What was published.</param>
    /// <param name="config">The digest of its base config.</param>
    /// <param name="locales">The locales that came with it, made elsewhere.</param>
    /// <param name="ct">Cancels.</param>
    Task TakenInAsync(Session session, PublicId id, Digest config, IReadOnlyList<string> locales, CancellationToken ct);
}

/// <summary>What one instance is to become.</summary>
/// <param name="PublicId">Which.</param>
/// <param name="Snapshot">The content to take in, pushed before; null for a move among releases.</param>
/// <param name="Release">The release to show; null with a snapshot.</param>
/// <param name="TakeOff">Show nothing.</param>
/// <param name="Seen">For a snapshot the one that the server had, for a move the release that was live; null for nothing.</param>
/// <param name="Version">For a snapshot: the version of its source.</param>
internal sealed record CutoverItem(
    string PublicId,
    string? Snapshot = null,
    string? Release = null,
    bool TakeOff = false,
    string? Seen = null,
    long Version = 0
);

/// <summary>Several instances that change at one moment, or none of them.</summary>
/// <param name="Items">Each instance once.</param>
/// <param name="Reason">Kept with every move.</param>
/// <param name="Stage">The database that the snapshots come from.</param>
/// <param name="At">When; null for at once.</param>
/// <param name="Overwrite">Whether something newer may be replaced; the reason is needed then.</param>
/// <param name="Force">Whether what the publish gates have something against is shown; takes a scope and the reason.</param>
internal sealed record CutoverOrder(
    IReadOnlyList<CutoverItem> Items,
    string? Reason = null,
    Guid? Stage = null,
    DateTimeOffset? At = null,
    bool Overwrite = false,
    bool Force = false
);

/// <summary>What became of one instance.</summary>
/// <param name="Outcome"><c>published</c>, <c>alreadyLive</c>, <c>wentBack</c> or <c>takenOff</c>.</param>
/// <param name="From">What was live before.</param>
/// <param name="To">What is live now.</param>
internal sealed record CutoverDone(string PublicId, string Outcome, Digest? From, Digest? To, long ChannelRevision);

/// <summary>What a cut-over that is to come will show of an instance.</summary>
internal sealed record CutoverSight(string PublicId, Digest Release);

/// <summary>
/// Moves what is live of several instances in one transaction. Content that comes from another stage is validated, rendered and recorded
/// as releases before, without a lock; the transaction writes the truth and moves the channels, and what is served changes
/// with its commit. Asked for again under its id, it answers what it did.
/// </summary>
internal sealed class CarryOutCutover(
    PostgresPools pools,
    IBlobStore blobs,
    WidgetRegistry registry,
    TypeStore types,
    Stage stage,
    IEnumerable<IPublishFollower> followers,
    TimeProvider time
)
{
    private readonly ImmutableArray<IPublishFollower> followers = [.. followers];

    /// <param name="Content">What was taken in.</param>
    /// <param name="Snapshot">Its digest.</param>
    /// <param name="Release">What is shown, which is recorded; null for nothing.</param>
    /// <param name="Report">What the publish gates say of it.</param>
    private sealed record Prepared(
        Snapshot.Content Content,
        Digest Snapshot,
        Digest? Release,
        PublishGates.Report Report
    );

    public async Task<Cutover> RunAsync(Caller caller, Guid id, CutoverOrder order, CancellationToken ct)
    {
        var reason = order.Reason ?? "publish";
        var operation = caller.Operation(reason);
        if (!operation.MayPublishCurated)
            throw WidgetsProblems.NeedsPublisher.Because($"The key '{caller.Actor.Name}' is not one.").AsException();
        PublishGates.CheckForce(caller, order.Force, order.Reason);
        var ids = Validate(order);
        await using (var session = await pools.OpenAsync(operation, ct))
        {
            if (await Cutover.FindAsync(session, id, ct) is { } former)
                return former.AsAsked(order);
        }
        var at = order.At > time.GetUtcNow() ? order.At : null;
        Dictionary<string, Prepared> prepared;
        try
        {
            prepared = await PrepareAsync(operation, order, ids, isRecorded: at is null, ct);
        }
        catch (ProblemException e) when (e.Problem.Type == WidgetsProblems.NewerOnStage)
        {
            // Asked twice at once, the other may have been first, and somebody else after it.
            await using var session = await pools.OpenAsync(operation, ct);
            if (await Cutover.FindAsync(session, id, ct) is { } former)
                return former.AsAsked(order);
            throw;
        }
        return at is { } due
            ? await ScheduleAsync(operation, id, order, ids, prepared, due, ct)
            : await CommitAsync(operation, id, order, ids, prepared, job: null, ct);
    }

    /// <summary>Carries out what was scheduled. What the server refuses by now is written down and not tried again.</summary>
    public async Task RunScheduledAsync(JobContext job, Guid id, CancellationToken ct)
    {
        Cutover? cutover;
        await using (var session = await job.OpenAsync(ct))
            cutover = await Cutover.FindAsync(session, id, ct);
        if (cutover is not { State: Cutover.Scheduled })
            return;
        var order = cutover.Order;
        var operation = new OperationContext(cutover.CreatedBy, OwnerId.Platform, order.Reason ?? "publish")
        {
            MayPublishCurated = true,
        };
        try
        {
            var ids = Validate(order);
            var prepared = await PrepareAsync(operation, order, ids, isRecorded: true, ct);
            await CommitAsync(operation, id, order, ids, prepared, job, ct);
        }
        catch (ProblemException e)
            when (e.Problem.Type != KernelProblems.Unavailable && e.Problem.Type != KernelProblems.StorageFull)
        {
            await using var session = await pools.OpenAsync(operation, ct);
            await Cutover.RefuseAsync(session, id, e.Problem, ct);
            await HoldAsync(session, id, order, hold: false, ct);
            await AuditAsync(session, WidgetEvents.CutoverRefused, id, order, ct);
            await job.CompleteAsync(session, ct);
            await session.CommitAsync(ct);
        }
    }

    /// <summary>
    /// What a cut-over will show of each instance, rendered as it will be then: for those who want to see it before. What it takes off is
    /// left out, and no gate is asked, as nothing goes live by it.
    /// </summary>
    public async Task<List<CutoverSight>> RenderAsync(
        OperationContext operation,
        CutoverOrder order,
        CancellationToken ct
    )
    {
        var ids = Validate(order);
        var anyhow = order with { Force = true, Overwrite = true };
        var prepared = await PrepareAsync(operation, anyhow, ids, isRecorded: true, ct);
        Dictionary<string, CuratedState> states;
        await using (var session = await pools.OpenAsync(operation, ct))
            states = await CuratedState.ReadAsync(session, [.. ids.Select(i => i.ToString())], locked: false, ct);
        var sights = new List<CutoverSight>();
        foreach (var item in order.Items.Where(i => !i.TakeOff))
        {
            var release =
                item.Release is not null ? Digest.Parse(item.Release)
                : prepared.TryGetValue(item.PublicId, out var made) ? made.Release
                // It is there already, as it is to be.
                : states[item.PublicId].Live;
            if (release is { } shown)
                sights.Add(new CutoverSight(item.PublicId, shown));
        }
        return sights;
    }

    /// <summary>Calls off what is not done yet.</summary>
    public async Task<Cutover> CancelAsync(Caller caller, Guid id, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(caller.Operation("cancel cut-over"), ct);
        var cutover = await Cutover.LockAsync(session, id, ct) ?? throw Cutover.NotFound(id);
        if (cutover.State != Cutover.Scheduled)
            throw KernelProblems.Conflict.Because($"The cut-over is {cutover.State}.").AsException();
        var cancelled = await Cutover.CancelAsync(session, id, ct);
        await HoldAsync(session, id, cutover.Order, hold: false, ct);
        await AuditAsync(session, WidgetEvents.CutoverCancelled, id, cutover.Order, ct);
        await session.CommitAsync(ct);
        return cancelled;
    }

    /// <summary>What leads back from a cut-over, as a whole: each instance shows what it showed before.</summary>
    public async Task<CutoverOrder> RevertingAsync(Caller caller, Guid id, string? reason, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(caller.Operation("revert cut-over"), ct);
        var cutover = await Cutover.FindAsync(session, id, ct) ?? throw Cutover.NotFound(id);
        if (cutover.State != Cutover.Done)
            throw KernelProblems.Conflict.Because($"The cut-over is {cutover.State}.").AsException();
        var moved = cutover.Items.Where(i => i.From != i.To).ToList();
        return moved.Count > 0
            ? new CutoverOrder(
                [
                    .. moved.Select(i => new CutoverItem(
                        i.PublicId,
                        Release: i.From?.ToString(),
                        TakeOff: i.From is null,
                        Seen: i.To?.ToString()
                    )),
                ],
                reason ?? "revert"
            )
            : throw KernelProblems.Conflict.Because("The cut-over moved nothing.").AsException();
    }

    private List<PublicId> Validate(CutoverOrder order)
    {
        var faults = new List<Fault>();
        if (order.Items.Count is 0 or > WidgetsLimits.CutoverItems)
            faults.Add(new Fault("/items", $"1 to {WidgetsLimits.CutoverItems} instances."));
        if (
            order.Reason is { } reason
            && (reason.Length > Limits.ReasonLength || reason.Contains('\0', StringComparison.Ordinal))
        )
            faults.Add(new Fault("/reason", $"At most {Limits.ReasonLength} characters, and not U+0000."));
        if (order.Overwrite && string.IsNullOrWhiteSpace(order.Reason))
            faults.Add(new Fault("/reason", "To overwrite something newer takes a reason."));
        if (order.At > time.GetUtcNow() + WidgetsLimits.CutoverAhead)
            faults.Add(new Fault("/at", "At most a year ahead."));
        var ids = new List<PublicId>();
        var seen = new HashSet<PublicId>();
        foreach (var (index, item) in order.Items.Take(WidgetsLimits.CutoverItems).Index())
        {
            var at = string.Create(CultureInfo.InvariantCulture, $"/items/{index}");
            if (!PublicId.TryParse(item.PublicId, out var id) || id is PublicId.User || id.ToString() != item.PublicId)
                faults.Add(new Fault(at + "/publicId", "Must be the full id of a curated instance or a baseline."));
            else if (!seen.Add(id))
                faults.Add(new Fault(at + "/publicId", $"'{id}' is there twice."));
            else
                ids.Add(id);
            if ((item.Snapshot is null ? 0 : 1) + (item.Release is null ? 0 : 1) + (item.TakeOff ? 1 : 0) != 1)
                faults.Add(new Fault(at, "Give one of snapshot, release and takeOff."));
            foreach (
                var (name, text) in (ReadOnlySpan<(string, string?)>)
                    [("snapshot", item.Snapshot), ("release", item.Release), ("seen", item.Seen)]
            )
            {
                if (text is not null && !Digest.TryParse(text, out _))
                    faults.Add(new Fault($"{at}/{name}", "Must be a digest."));
            }
            if (item.Snapshot is not null && order.Stage is null)
                faults.Add(new Fault("/stage", "Say which database the snapshots come from."));
        }
        if (faults.Count > 0)
            throw KernelProblems.Invalid.Because("The cut-over cannot be carried out.", faults).AsException();
        if (stage.Profile == StageProfile.Authoring && order.Items.Any(i => i.Snapshot is not null))
            throw WidgetsProblems.NotTakenInHere.Because("This is an authoring server.").AsException();
        return ids;
    }

    /// <summary>Validates, renders, stores and records what changes; nothing is locked and nothing is shown.</summary>
    /// <param name="isRecorded">False when it is all made again later.</param>
    private async Task<Dictionary<string, Prepared>> PrepareAsync(
        OperationContext operation,
        CutoverOrder order,
        List<PublicId> ids,
        bool isRecorded,
        CancellationToken ct
    )
    {
        var wanted = order
            .Items.Zip(ids)
            .Where(pair => pair.First.Snapshot is not null)
            .Select(pair => (Id: pair.Second, Digest: Digest.Parse(pair.First.Snapshot!)))
            .ToList();
        if (wanted.Count == 0)
            return [];
        await types.RefreshAsync(ct);
        Dictionary<(string, Digest), ReleaseManifest> manifests;
        await using (var session = await pools.OpenAsync(operation, ct))
        {
            var states = await CuratedState.ReadAsync(
                session,
                [.. wanted.Select(w => w.Id.ToString())],
                locked: false,
                ct
            );
            // Judged again under the lock; what is refused by now need not be made.
            RefuseNewer(order, states);
            wanted.RemoveAll(w =>
                states[w.Id.ToString()] is { IsAsPublished: true } state && state.Snapshot == w.Digest
            );
            manifests = await ManifestsAsync(session, wanted, ct);
        }
        var prepared = new ConcurrentDictionary<string, Prepared>(StringComparer.Ordinal);
        await Parallel.ForEachAsync(
            wanted.Chunk(WidgetsLimits.StoredTogether),
            new ParallelOptions { MaxDegreeOfParallelism = WidgetsLimits.StoredAtOnce, CancellationToken = ct },
            async (some, each) =>
            {
                foreach (var (id, one) in await PrepareAsync(operation, some, manifests, order.Force, isRecorded, each))
                    prepared[id.ToString()] = one;
            }
        );
        return new Dictionary<string, Prepared>(prepared, StringComparer.Ordinal);
    }

    /// <summary>A few instances: rendered each for itself, then stored together, as a disk is waited for once for all of them.</summary>
    private async Task<List<(PublicId Id, Prepared Prepared)>> PrepareAsync(
        OperationContext operation,
        (PublicId Id, Digest Digest)[] some,
        Dictionary<(string, Digest), ReleaseManifest> manifests,
        bool force,
        bool isRecorded,
        CancellationToken ct
    )
    {
        var rendered = new (Snapshot.Content Content, InstanceRelease.Made? Made)[some.Length];
        await Parallel.ForEachAsync(
            some.Index(),
            new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = ct },
            async (one, each) =>
            {
                var (id, digest) = one.Item;
                var manifest = manifests[(InstanceHome.Curated.SubjectOf(id.ToString()), digest)];
                rendered[one.Index] = await NamedAsync(id, () => RenderAsync(id, manifest, each));
            }
        );
        var made = rendered.Select(one => one.Made).OfType<InstanceRelease.Made>().ToList();
        // The bytes of what is then refused belong to no release, and are collected.
        var storing = ReleaseStore.StoreBytesAsync(blobs, OwnerId.Platform, [.. made.Select(m => m.Draft)], ct);
        var inspecting = Task.Run(
            () =>
                rendered
                    .AsParallel()
                    .AsOrdered()
                    .Select(one => one.Made?.Inspect() ?? PublishGates.Report.Clean)
                    .ToList(),
            ct
        );
        await Task.WhenAll(storing, inspecting);
        var prepared = new List<(PublicId, Prepared)>();
        foreach (var ((id, digest), (content, release), report) in some.Zip(rendered, await inspecting))
        {
            await NamedAsync(
                id,
                () =>
                {
                    if (!force)
                        PublishGates.Refuse(id.ToString(), report.Findings);
                    return Task.FromResult(true);
                }
            );
            prepared.Add((id, new Prepared(content, digest, release?.Draft.Digest, report)));
        }
        if (!isRecorded || made.Count == 0)
            return prepared;
        // What comes of it is not known yet: a release that was never live is collected after the grace period.
        await using var session = await pools.OpenAsync(operation, ct);
        await ReleaseStore.RecordAsync(session, [.. made.Select(m => m.Draft)], ct);
        await session.CommitAsync(ct);
        return prepared;
    }

    private async Task<(Snapshot.Content Content, InstanceRelease.Made? Made)> RenderAsync(
        PublicId id,
        ReleaseManifest manifest,
        CancellationToken ct
    )
    {
        var content = await Snapshot.ReadAsync(
            id,
            manifest,
            registry,
            file => blobs.RequireAsync(file, Limits.JsonBodyBytes, ct)
        );
        return (
            content,
            content.Status == InstanceStatus.Unpublished
                ? null
                : InstanceRelease.Make(
                    registry.Find(content.WidgetType),
                    content.AsInstance(),
                    content.Overlays,
                    isBranded: false
                )
        );
    }

    /// <summary>A problem of one instance of many says which.</summary>
    private static async Task<T> NamedAsync<T>(PublicId id, Func<Task<T>> act)
    {
        try
        {
            return await act();
        }
        catch (ProblemException e)
        {
            throw (e.Problem with { Detail = $"{id}: {e.Problem.Detail}" })
                .With("publicId", id.ToString())
                .AsException();
        }
    }

    private static async Task<Dictionary<(string, Digest), ReleaseManifest>> ManifestsAsync(
        Session session,
        List<(PublicId Id, Digest Digest)> wanted,
        CancellationToken ct
    )
    {
        var found = await session.ListAsync(
            """
            select r.subject, r.digest, r.manifest, r.artifact_type
            from unnest($1::text[], $2::text[]) as w (subject, digest)
            join platform.release r on r.owner = platform.current_owner() and r.subject = w.subject and r.digest = w.digest
            where r.withdrawn_at is null
            """,
            row =>
                (
                    Key: (row.GetString(0), Digest.Parse(row.GetString(1))),
                    Manifest: row.GetFieldValue<byte[]>(2),
                    ArtifactType: row.GetString(3)
                ),
            ct,
            Texts(wanted.Select(w => InstanceHome.Curated.SubjectOf(w.Id.ToString()))),
            Texts(wanted.Select(w => w.Digest.ToString()))
        );
        var manifests = found
            .Where(f => f.ArtifactType == Snapshot.ArtifactType)
            .ToDictionary(f => f.Key, f => ReleaseManifest.Parse(f.Manifest));
        var missing = wanted
            .Where(w => !manifests.ContainsKey((InstanceHome.Curated.SubjectOf(w.Id.ToString()), w.Digest)))
            .ToList();
        return missing.Count == 0
            ? manifests
            : throw WidgetsProblems
                .NoSuchRelease.Because($"'{missing[0].Id}' has no snapshot {missing[0].Digest}; push it first.")
                .With("missing", missing.Take(Limits.Faults).Select(m => m.Id.ToString()).ToArray())
                .AsException();
    }

    private async Task<Cutover> CommitAsync(
        OperationContext operation,
        Guid id,
        CutoverOrder order,
        List<PublicId> ids,
        Dictionary<string, Prepared> prepared,
        JobContext? job,
        CancellationToken ct
    )
    {
        await using var session = await pools.OpenAsync(operation, ct);
        await stage.OpenIntakeAsync(session, ct);
        await OneAtATimeAsync(session, ct);
        // What was put off is done only if whoever put it off may still do it.
        if (job is not null)
            await RefuseWhoMayNotAnyMoreAsync(session, operation.Actor, order, ct);
        var former = await Cutover.LockAsync(session, id, ct);
        if (former is not null && (job is null || former.State != Cutover.Scheduled))
            return former.AsAsked(order);
        var states = await CuratedState.ReadAsync(session, [.. ids.Select(i => i.ToString())], locked: true, ct);
        RefuseNewer(order, states);
        RefuseStale(order, states);
        await PassGatesAsync(session, order, prepared, states, ct);
        var done = await CarryOutAsync(session, order, ids, states, prepared, ct);
        var results = order.Items.Select(i => done[i.PublicId]).ToList();
        var cutover = job is null
            ? await Cutover.AddDoneAsync(session, id, order, results, ct)
            : await Cutover.FinishAsync(session, id, results, ct);
        if (job is not null)
        {
            await HoldAsync(session, id, order, hold: false, ct);
            await job.CompleteAsync(session, ct);
        }
        await session.CommitAsync(ct);
        return cutover;
    }

    /// <summary>Two that share instances would wait for each other's rows in turn, and two of one id would both be new.</summary>
    private static Task OneAtATimeAsync(Session session, CancellationToken ct) =>
        session.ExecuteAsync("select pg_advisory_xact_lock(hashtextextended('widgets.cutover', 0))", ct);

    private static async Task RefuseWhoMayNotAnyMoreAsync(
        Session session,
        Actor actor,
        CutoverOrder order,
        CancellationToken ct
    )
    {
        if (!await ActorRights.HasAsync(session, actor.Id, Scopes.CuratedPublish, ct))
        {
            throw WidgetsProblems
                .NeedsPublisher.Because($"'{actor.Name}', who scheduled it, may not publish any more.")
                .AsException();
        }
        if (order.Force && !await ActorRights.HasAsync(session, actor.Id, Scopes.GatesForce, ct))
        {
            throw KernelProblems
                .Forbidden.Because($"'{actor.Name}', who scheduled it, may not go past a gate any more.")
                .AsException();
        }
    }

    private static string Pointer(CutoverOrder order, CutoverItem item) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"/items/{order.Items.Index().First(i => i.Item == item).Index}/release"
        );

    /// <summary>Refuses links to nowhere, now that it is known what is there; keeps what is forced through.</summary>
    private static async Task PassGatesAsync(
        Session session,
        CutoverOrder order,
        Dictionary<string, Prepared> prepared,
        Dictionary<string, CuratedState> states,
        CancellationToken ct
    )
    {
        var alongside = prepared
            .Where(p => p.Value.Release is not null)
            .Select(p => p.Key)
            .ToHashSet(StringComparer.Ordinal);
        var missing = await PublishGates.CheckInstancesAsync(
            session,
            [.. prepared.Values.SelectMany(p => p.Report.Instances)],
            alongside,
            ct
        );
        foreach (var (id, one) in prepared)
        {
            GateFinding[] findings =
            [
                .. one.Report.Findings,
                .. one.Report.Instances.Select(l => l.IfMissing).Where(missing.Contains),
            ];
            if (!order.Force)
                PublishGates.Refuse(id, findings);
            else if (findings.Length > 0 && states[id].Live != one.Release)
                await PublishGates.AuditAsync(session, id, one.Release!.Value, findings, ct);
        }
    }

    /// <summary>Whoever published later, from elsewhere, or changed it here, is not written over by accident.</summary>
    private static void RefuseNewer(CutoverOrder order, Dictionary<string, CuratedState> states)
    {
        if (order.Overwrite)
            return;
        var conflicts = new List<NewerContent>();
        foreach (var item in order.Items.Where(i => i.Snapshot is not null))
        {
            var state = states[item.PublicId];
            if (state.Instance is null || state.Snapshot == Digest.Parse(item.Snapshot!))
                continue;
            var why = state.Origin switch
            {
                null => $"it was made here, by {state.Instance.UpdatedBy}",
                var o when o.Snapshot != state.Snapshot => $"it was changed here since, by {state.Instance.UpdatedBy}",
                var o when o.Stage != order.Stage => $"it was published from another database, by {o.By}",
                var o when o.Version > item.Version => $"a later version was published, by {o.By}",
                _ => null,
            };
            if (why is not null)
                conflicts.Add(new NewerContent(item.PublicId, why, state.Snapshot, state.Instance.UpdatedAt));
        }
        if (conflicts.Count == 0)
            return;
        throw WidgetsProblems
            .NewerOnStage.Because(
                $"'{conflicts[0].PublicId}' is not older here: {conflicts[0].Why}."
                    + (conflicts.Count > 1 ? $" {conflicts.Count - 1} more are not either." : "")
            )
            .With("conflicts", conflicts.Take(Limits.Faults).ToArray())
            .AsException();
    }

    private sealed record NewerContent(string PublicId, string Why, Digest? Snapshot, DateTimeOffset ChangedAt);

    private static void RefuseStale(CutoverOrder order, Dictionary<string, CuratedState> states)
    {
        foreach (var item in order.Items)
        {
            var state = states[item.PublicId];
            var now = item.Snapshot is null ? state.Live : state.Snapshot;
            var wanted = item.Snapshot ?? item.Release;
            // Another publisher who did the same is no conflict.
            if (now?.ToString() != item.Seen && now?.ToString() != wanted)
            {
                throw KernelProblems
                    .StaleVersion.Because($"'{item.PublicId}' was published by somebody else just now.")
                    .With("publicId", item.PublicId)
                    .With("current", now?.ToString() ?? "")
                    .AsException();
            }
        }
    }

    /// <summary>What is taken in goes to the database together, as no statement of it needs the answer to another.</summary>
    private async Task<Dictionary<string, CutoverDone>> CarryOutAsync(
        Session session,
        CutoverOrder order,
        List<PublicId> ids,
        Dictionary<string, CuratedState> states,
        Dictionary<string, Prepared> prepared,
        CancellationToken ct
    )
    {
        var done = new Dictionary<string, CutoverDone>(StringComparer.Ordinal);
        var pipeline = new Pipeline(session);
        var takenIn = new List<(PublicId Id, Snapshot.Content Content)>();
        // Streams are appended to in the order of the ids.
        foreach (var (item, id) in order.Items.Zip(ids).OrderBy(pair => pair.First.PublicId, StringComparer.Ordinal))
        {
            var state = states[item.PublicId];
            if (item.Snapshot is null)
            {
                await SendAsync();
                done[item.PublicId] = await MoveAsync(session, id, item, Pointer(order, item), state, ct);
            }
            // Nothing differs, or another publisher did the same a moment ago.
            else if (state.IsAsPublished && state.Snapshot?.ToString() == item.Snapshot)
            {
                done[item.PublicId] = new CutoverDone(
                    item.PublicId,
                    "alreadyLive",
                    state.Live,
                    state.Live,
                    state.ChannelRevision
                );
            }
            else
            {
                var content =
                    prepared.GetValueOrDefault(item.PublicId)
                    ?? throw KernelProblems
                        .StaleVersion.Because($"'{item.PublicId}' was changed just now.")
                        .AsException();
                done[item.PublicId] = await TakeInAsync(pipeline, id, order, item, state, content, ct);
                takenIn.Add((id, content.Content));
                if (pipeline.Count >= WidgetsLimits.StatementsTogether)
                    await SendAsync();
            }
        }
        await SendAsync();
        return done;

        async Task SendAsync()
        {
            await pipeline.SendAsync(ct);
            foreach (var (id, content) in takenIn)
            {
                foreach (var follower in followers)
                {
                    await follower.TakenInAsync(
                        session,
                        id,
                        content.ConfigDigest,
                        [.. content.Overlays.Select(o => o.Locale)],
                        ct
                    );
                }
            }
            takenIn.Clear();
        }
    }

    /// <summary>Writes the truth and what is shown of it: all that will be is known, as the row is locked or nobody's.</summary>
    private static async Task<CutoverDone> TakeInAsync(
        Pipeline pipeline,
        PublicId id,
        CutoverOrder order,
        CutoverItem item,
        CuratedState state,
        Prepared prepared,
        CancellationToken ct
    )
    {
        var release = prepared.Release;
        var revision = Write(pipeline, id, order, item, state, prepared);
        await AuditLog.RecordAsync(
            pipeline.Session,
            WidgetEvents.TakenIn,
            WidgetEvents.Stream(item.PublicId).Value,
            state.Snapshot,
            prepared.Snapshot,
            new
            {
                stage = order.Stage,
                version = item.Version,
                overwrite = order.Overwrite,
                reason = pipeline.Session.Context.Reason,
            },
            ct
        );
        var channelRevision = state.ChannelRevision;
        if (state.Live != release)
        {
            channelRevision++;
            pipeline.Add(
                ChannelStore.Move(
                    pipeline.Session.Context,
                    InstanceHome.Curated.LiveOf(item.PublicId),
                    state.ChannelRevision,
                    release
                ),
                moves =>
                {
                    if (moves is [ChannelMove.NoSuchRelease])
                    {
                        throw KernelProblems
                            .StaleVersion.Because(
                                $"What was made of '{item.PublicId}' was withdrawn just now; ask again."
                            )
                            .AsException();
                    }
                    if (moves is not [ChannelMove.Moved])
                        throw PublishedBySomebodyElse(item.PublicId);
                }
            );
        }
        EventLog.Append(
            pipeline,
            WidgetEvents.Stream(item.PublicId),
            release is null ? WidgetEvents.Unpublished : WidgetEvents.Published,
            ShownEvent(item.PublicId, release, channelRevision, revision)
        );
        return new CutoverDone(item.PublicId, "published", state.Live, release, channelRevision);
    }

    private static ProblemException PublishedBySomebodyElse(string id) =>
        KernelProblems.StaleVersion.Because($"'{id}' was published by somebody else just now.").AsException();

    private static byte[] ShownEvent(string id, Digest? release, long channelRevision, long? sourceRevision) =>
        JsonSerializer.SerializeToUtf8Bytes(
            new
            {
                publicId = id,
                release = release?.ToString(),
                channelRevision,
                sourceRevision,
            }
        );

    private static async Task<CutoverDone> MoveAsync(
        Session session,
        PublicId id,
        CutoverItem item,
        string pointer,
        CuratedState state,
        CancellationToken ct
    )
    {
        var to = await RefuseUnshowableAsync(session, id, item, pointer, state, ct);
        return await ShowAsync(session, item.PublicId, state, to, to is null ? "takenOff" : "wentBack", ct);
    }

    /// <returns>What is to be shown; null for nothing.</returns>
    private static async Task<Digest?> RefuseUnshowableAsync(
        Session session,
        PublicId id,
        CutoverItem item,
        string pointer,
        CuratedState state,
        CancellationToken ct
    )
    {
        if (state.Instance is null)
            throw InstanceRequests.NotFound(id);
        if (item.TakeOff)
            return null;
        if (state.Instance.Status == InstanceStatus.Unpublished)
            throw KernelProblems.Conflict.Because($"'{id}' has the status unpublished.").AsException();
        return (await InstanceRelease.FindFormerAsync(session, state.Instance, item.Release!, pointer, ct)).Digest;
    }

    /// <summary>Writes the truth; returns the revision that it will have.</summary>
    private static long Write(
        Pipeline pipeline,
        PublicId id,
        CutoverOrder order,
        CutoverItem item,
        CuratedState state,
        Prepared prepared
    )
    {
        var content = prepared.Content;
        var actor = pipeline.Session.Context.Actor;
        var isShown = prepared.Release is not null;
        var revision = state.Instance?.Revision ?? 0;
        if (state.Snapshot != prepared.Snapshot)
        {
            revision++;
            pipeline.Add(
                new Query<long>(
                    """
                    insert into widgets.curated_widget_instances as i (
                        id, public_id, widget_type, kind, status, base_locale, config, config_digest, allowed_origins, updated_by,
                        updated_by_name, published_revision
                    ) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
                    on conflict (public_id) do update
                    set widget_type = excluded.widget_type, status = excluded.status, base_locale = excluded.base_locale,
                        config = excluded.config, config_digest = excluded.config_digest,
                        allowed_origins = excluded.allowed_origins, revision = i.revision + 1,
                        updated_at = clock_timestamp(), updated_by = excluded.updated_by,
                        updated_by_name = excluded.updated_by_name, published_revision = excluded.published_revision
                    returning revision
                    """,
                    row => row.GetInt64(0),
                    Sql.Uuid(Guid.CreateVersion7()),
                    Sql.Text(item.PublicId),
                    Sql.Text(content.WidgetType),
                    Sql.Text(id is PublicId.Baseline ? "baseline" : "curated"),
                    Sql.Text(content.Status),
                    Sql.Text(content.BaseLocale),
                    Sql.Json(content.Config),
                    Sql.Digest(content.ConfigDigest),
                    AllowedOrigins.Parameter(content.AllowedOrigins),
                    Sql.Uuid(actor.Id.Value),
                    Sql.Text(actor.Name),
                    Sql.Long(isShown ? revision : null)
                ),
                rows =>
                {
                    // Where there was no row to lock, somebody may have made one.
                    if (rows is not [var now] || now != revision)
                        throw PublishedBySomebodyElse(item.PublicId);
                }
            );
            WriteOverlays(pipeline, item.PublicId, state, content);
        }
        else
        {
            pipeline.Add(
                "update widgets.curated_widget_instances set published_revision = $2 where public_id = $1",
                Sql.Text(item.PublicId),
                Sql.Long(isShown ? revision : null)
            );
        }
        pipeline.Add(
            """
            insert into widgets.curated_origin (
                owner, public_id, stage, version, snapshot_digest, release_digest, taken_in_by_name
            ) values (platform.current_owner(), $1, $2, $3, $4, $5, $6)
            on conflict (owner, public_id) do update
            set stage = excluded.stage, version = excluded.version, snapshot_digest = excluded.snapshot_digest,
                release_digest = excluded.release_digest, taken_in_at = clock_timestamp(),
                taken_in_by_name = excluded.taken_in_by_name
            """,
            Sql.Text(item.PublicId),
            Sql.Uuid(order.Stage!.Value),
            Sql.Long(item.Version),
            Sql.Digest(prepared.Snapshot),
            Sql.Digest(prepared.Release),
            Sql.Text(actor.Name)
        );
        return revision;
    }

    private static void WriteOverlays(Pipeline pipeline, string id, CuratedState state, Snapshot.Content content)
    {
        if (state.Overlays.Count > 0)
        {
            pipeline.Add(
                """
                delete from widgets.widget_instance_locales
                where owner = platform.current_owner() and public_id = $1 and locale <> all ($2)
                """,
                Sql.Text(id),
                Texts(content.Overlays.Select(o => o.Locale))
            );
        }
        foreach (var overlay in content.Overlays)
        {
            pipeline.Add(
                """
                insert into widgets.widget_instance_locales as l (
                    owner, scope, public_id, locale, ops, base_digest, updated_by, updated_by_name
                ) values (platform.current_owner(), 'curated', $1, $2, $3, $4, $5, $6)
                on conflict (owner, public_id, locale) do update
                set ops = excluded.ops, base_digest = excluded.base_digest, revision = l.revision + 1,
                    updated_at = clock_timestamp(), updated_by = excluded.updated_by,
                    updated_by_name = excluded.updated_by_name
                where l.ops <> excluded.ops or l.base_digest <> excluded.base_digest
                """,
                Sql.Text(id),
                Sql.Text(overlay.Locale),
                Sql.Json(Overlay.Write(overlay.Ops)),
                Sql.Digest(overlay.BaseDigest),
                Sql.Uuid(pipeline.Session.Context.Actor.Id.Value),
                Sql.Text(pipeline.Session.Context.Actor.Name)
            );
        }
    }

    /// <summary>Points the live channel at a former release or at nothing, and tells the followers of the instance.</summary>
    private static async Task<CutoverDone> ShowAsync(
        Session session,
        string id,
        CuratedState state,
        Digest? to,
        string outcome,
        CancellationToken ct
    )
    {
        if (state.Live == to)
            return new CutoverDone(id, "alreadyLive", state.Live, to, state.ChannelRevision);
        var key = InstanceHome.Curated.LiveOf(id);
        var move = await ChannelStore.MoveAsync(session, key, state.ChannelRevision, to, ct);
        var channelRevision = move is ChannelMove.Moved(var now) ? now : throw PublishedBySomebodyElse(id);
        await EventLog.AppendWithAsync(
            session,
            new Query<string>(
                "update widgets.curated_widget_instances set published_revision = null where public_id = $1 returning public_id",
                row => row.GetString(0),
                Sql.Text(id)
            ),
            WidgetEvents.Stream(id),
            to is null ? WidgetEvents.Unpublished : WidgetEvents.Published,
            ShownEvent(id, to, channelRevision, sourceRevision: null),
            ct
        );
        await AuditLog.RecordAsync(
            session,
            to is null ? WidgetEvents.Unpublished : WidgetEvents.WentBack,
            WidgetEvents.Stream(id).Value,
            state.Live,
            to,
            new { channelRevision, reason = session.Context.Reason },
            ct
        );
        return new CutoverDone(id, outcome, state.Live, to, channelRevision);
    }

    private async Task<Cutover> ScheduleAsync(
        OperationContext operation,
        Guid id,
        CutoverOrder order,
        List<PublicId> ids,
        Dictionary<string, Prepared> prepared,
        DateTimeOffset at,
        CancellationToken ct
    )
    {
        await using var session = await pools.OpenAsync(operation, ct);
        await OneAtATimeAsync(session, ct);
        if (await Cutover.FindAsync(session, id, ct) is { } former)
            return former.AsAsked(order);
        var states = await CuratedState.ReadAsync(session, [.. order.Items.Select(i => i.PublicId)], locked: false, ct);
        RefuseNewer(order, states);
        RefuseStale(order, states);
        // What is forced is kept when it is done, not when it is put off.
        if (!order.Force)
            await PassGatesAsync(session, order, prepared, states, ct);
        foreach (var (item, publicId) in order.Items.Zip(ids).Where(pair => pair.First.Snapshot is null))
            await RefuseUnshowableAsync(session, publicId, item, Pointer(order, item), states[item.PublicId], ct);
        var scheduled = await Cutover.AddScheduledAsync(session, id, order, at, ct);
        await HoldAsync(session, id, order, hold: true, ct);
        await JobQueue.EnqueueAsync(
            session,
            ScheduledCutover.JobKind,
            id.ToString("D"),
            JsonSerializer.SerializeToUtf8Bytes(new { id }),
            new JobOptions { Delay = at - time.GetUtcNow() is var wait && wait > TimeSpan.Zero ? wait : TimeSpan.Zero },
            ct
        );
        await AuditAsync(session, WidgetEvents.CutoverScheduled, id, order, ct);
        await session.CommitAsync(ct);
        return scheduled;
    }

    /// <summary>A channel of its own keeps what a scheduled cut-over needs from being collected.</summary>
    private static async Task HoldAsync(Session session, Guid id, CutoverOrder order, bool hold, CancellationToken ct)
    {
        foreach (var item in order.Items.OrderBy(i => i.PublicId, StringComparer.Ordinal))
        {
            if ((item.Snapshot ?? item.Release) is not { } digest)
                continue;
            var key = new ChannelKey(InstanceHome.Curated.SubjectOf(item.PublicId), $"scheduled-{id:N}");
            var move = await ChannelStore.MoveAsync(session, key, hold ? 0 : 1, hold ? Digest.Parse(digest) : null, ct);
            if (move is ChannelMove.NoSuchRelease)
                throw WidgetsProblems.NoSuchRelease.Because($"'{item.PublicId}' has no '{digest}'.").AsException();
        }
    }

    private static Task AuditAsync(Session session, string action, Guid id, CutoverOrder order, CancellationToken ct) =>
        AuditLog.RecordAsync(
            session,
            action,
            $"cutover/{id:D}",
            before: action == WidgetEvents.CutoverScheduled ? null : Cutover.DigestOf(order),
            after: action == WidgetEvents.CutoverScheduled ? Cutover.DigestOf(order) : null,
            new
            {
                items = order.Items.Count,
                at = order.At,
                reason = order.Reason,
            },
            ct
        );

    private static NpgsqlParameter Texts(IEnumerable<string> values) =>
        new() { Value = values.ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text };
}

/// <summary>Carries out a scheduled cut-over when it is due.</summary>
internal sealed class ScheduledCutover(CarryOutCutover cutOver) : IJobHandler
{
    public const string JobKind = "widgets.cut-over";

    public string Kind => JobKind;

    public async Task RunAsync(JobContext job, CancellationToken ct)
    {
        using var payload = JsonDocument.Parse(job.Job.Payload);
        await cutOver.RunScheduledAsync(job, payload.RootElement.GetProperty("id").GetGuid(), ct);
    }
}
