using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Platen.Client;
using Platen.Kernel;
using Platen.Kernel.Versions;

namespace Platen.Cli.Commands;

/// <summary>
/// Publishes from one stage to another, one way: compares digests, pushes the blobs that are missing, and moves everything at one
/// moment. The stage validates and renders by itself. Whenever it is cut off, the stage shows the old or the new state whole, and
/// running it again completes it.
/// </summary>
internal sealed class StagePublisher(Invocation run, PlatenClient stage, StageTarget target)
{
    /// <summary>Instances on their way at once.</summary>
    private const int AtOnce = 8;

    // What a stage takes in one cut-over: docs/operating/stages.md.
    private const int MostAtOnce = 2_000;

    /// <summary>Instances asked for in one address, which has a length.</summary>
    private const int Together = 25;

    /// <summary>The config that every artifact points at; a repository with any manifest has it.</summary>
    private static readonly Digest EmptyConfig = Digest.Of("{}"u8);

    /// <summary>What one instance is, and is to become.</summary>
    private sealed record Pair(SnapshotSummary Source, SnapshotSummary? There)
    {
        public bool IsUnchanged => There is { IsAsPublished: true } && There.Snapshot == Source.Snapshot;

        /// <summary>Why the stage's is not older; null when it is.</summary>
        public string? Newer(Guid source) =>
            There switch
            {
                null => null,
                _ when There.Snapshot == Source.Snapshot => null,
                { Origin: null } => "it was made on the stage itself",
                { Origin: var o } when o.Snapshot != There.Snapshot => "it was changed on the stage since",
                { Origin: var o } when o.Stage != source => $"{o.By} published it from another database",
                { Origin: var o } when o.Version > Source.Version => $"{o.By} published a later version",
                _ => null,
            };
    }

    /// <summary>Publishes these instances, or all.</summary>
    /// <param name="ids">Null for all that the server has.</param>
    /// <param name="changedOnly">Whether those that are not different stay out of the report.</param>
    /// <param name="dryRun">Show the differences, and write nothing.</param>
    /// <param name="overwrite">Whether something newer is replaced.</param>
    /// <param name="force">Whether what the gates have something against is shown.</param>
    /// <param name="reason">Kept with the publication; may be null.</param>
    /// <param name="at">When it is shown; null for at once.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<StageReport> RunAsync(
        IReadOnlyList<PublicId>? ids,
        bool changedOnly,
        bool dryRun,
        bool overwrite,
        bool force,
        string? reason,
        DateTimeOffset? at,
        CancellationToken ct
    )
    {
        run.Output.Progress($"comparing {run.Connection.Server} with {target.Server}");
        var reading = SnapshotsAsync(run.Client, ids, ct);
        var (there, (stageId, profile, theirs)) = await SnapshotsAsync(stage, ids, ct);
        var (here, (sourceId, _, ours)) = await reading;
        RefuseStage(stageId, sourceId, profile);
        Agree(ours, theirs);
        if (ids?.FirstOrDefault(id => !here.ContainsKey(id.ToString())) is { } missing)
            throw Invocation.NoSuchInstance(missing);
        var pairs = here
            .Values.OrderBy(s => s.PublicId, StringComparer.Ordinal)
            .Select(s => new Pair(s, there.GetValueOrDefault(s.PublicId)))
            .ToList();
        var changed = pairs.Where(p => !p.IsUnchanged).ToList();
        var report = new StageReport(target.Name);
        if (!changedOnly)
            report.Lines.AddRange(
                pairs.Where(p => p.IsUnchanged).Select(p => new StageLine(p.Source.PublicId, "unchanged"))
            );
        if (dryRun)
        {
            await CompareAsync(changed, sourceId, report, ct);
            return report;
        }
        if (!overwrite)
            RefuseNewer(changed, sourceId);
        if (changed.Count == 0)
            return report;
        // The stage refuses it as well, after everything was pushed.
        if (changed.Count > MostAtOnce)
        {
            throw new CliException(
                ExitCode.No,
                "too-many-at-once",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{changed.Count:N0} instances differ, and at most {MostAtOnce:N0} change at one moment; nothing was published."
                ),
                "Name a part of them by their ids, and publish the rest after it; --dry-run lists them."
            );
        }
        report.Types.AddRange(await PushTypesAsync([.. changed.Select(p => p.Source.WidgetType).Distinct()], ct));
        Pair[] travelling = [.. changed];
        report.Pushed = await PushAsync(travelling, ct);
        await CutOverAsync(travelling, report, sourceId, overwrite, force, reason, at, ct);
        return report;
    }

    private static async Task<(
        Dictionary<string, SnapshotSummary> Items,
        (Guid Id, string Profile, StageProtocol Protocol) Stage
    )> SnapshotsAsync(PlatenClient client, IReadOnlyList<PublicId>? ids, CancellationToken ct)
    {
        var items = new Dictionary<string, SnapshotSummary>(StringComparer.Ordinal);
        SnapshotPage page;
        if (ids is not null)
        {
            page = new SnapshotPage(default, "", [], null);
            foreach (var some in ids.Chunk(Together))
            {
                page = await client.GetSnapshotsAsync(some, content: false, ct);
                foreach (var item in page.Items)
                    items[item.PublicId] = item;
            }
            return (items, StageOf(page));
        }
        string? cursor = null;
        do
        {
            page = await client.GetSnapshotsAsync(cursor, ct);
            foreach (var item in page.Items)
                items[item.PublicId] = item;
            cursor = page.NextCursor;
        } while (cursor is not null);
        return (items, StageOf(page));

        // A server that says nothing of it is from before it did.
        static (Guid, string, StageProtocol) StageOf(SnapshotPage page) =>
            (page.Stage, page.Profile, page.Protocol ?? new StageProtocol(StageProtocol.First, StageProtocol.First));
    }

    /// <summary>From here on, requests state the newest version of the protocol that all three speak.</summary>
    private void Agree(StageProtocol here, StageProtocol there)
    {
        if (StageProtocol.Agree(StageProtocol.Spoken, here, there) is not { } agreed)
        {
            throw new CliException(
                ExitCode.No,
                "stage-protocol-not-spoken",
                $"'{target.Name}' speaks version {there} of the stage protocol, {run.Connection.Server} {here}, this command {StageProtocol.Spoken}; nothing was published.",
                "Bring the one that is behind up to date. A server speaks the former version too, so servers first, one after the other."
            );
        }
        run.Client.StageProtocolVersion = agreed;
        stage.StageProtocolVersion = agreed;
    }

    private void RefuseStage(Guid stageId, Guid sourceId, string profile)
    {
        if (stageId == sourceId)
        {
            throw new CliException(
                ExitCode.Usage,
                "same-stage",
                $"'{target.Name}' is the server that would be published from.",
                "Name another stage with --to, or the authoring server with --server."
            );
        }
        if (profile == "authoring")
        {
            throw new CliException(
                ExitCode.No,
                "not-taken-in-here",
                $"'{target.Name}' is an authoring server, which takes nothing in.",
                "Publish to a cloud or a standalone server: content travels one way."
            );
        }
    }

    private void RefuseNewer(List<Pair> changed, Guid sourceId)
    {
        var conflicts = changed
            .Select(p => (p.Source.PublicId, Why: p.Newer(sourceId)))
            .Where(c => c.Why is not null)
            .ToList();
        if (conflicts.Count == 0)
            return;
        throw new CliException(
            ExitCode.Stale,
            "newer-on-stage",
            conflicts.Count == 1
                ? $"'{target.Name}' has something newer of {conflicts[0].PublicId}; nothing was published."
                : $"'{target.Name}' has something newer of {conflicts.Count} instances; nothing was published.",
            "Look at the differences with --dry-run; --overwrite --reason TEXT puts yours in their place."
        )
        {
            Faults = [.. conflicts.Take(Limits.Faults).Select(c => new InputFault(c.PublicId, c.Why!))],
        };
    }

    private async Task CompareAsync(List<Pair> changed, Guid sourceId, StageReport report, CancellationToken ct)
    {
        var lines = new ConcurrentDictionary<string, StageLine>(StringComparer.Ordinal);
        await Parallel.ForEachAsync(
            changed,
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = ct },
            async (pair, each) =>
            {
                var id = pair.Source.PublicId;
                var newer = pair.Newer(sourceId) is { } why ? $"! not older there: {why}" : null;
                if (pair.There is null)
                {
                    lines[id] = new StageLine(id, "would create") { Changes = [$"+ {id} ({pair.Source.WidgetType})"] };
                    return;
                }
                var mine = Documents(await run.Client.GetSnapshotAsync(PublicId.Parse(id), each));
                var theirs = Documents(await stage.GetSnapshotAsync(PublicId.Parse(id), each));
                var changes = JsonDifference.Between(theirs, mine, "").ToList();
                if (changes.Count == 0)
                    changes.Add("~ the content is the same, but something else is live");
                if (newer is not null)
                    changes.Insert(0, newer);
                lines[id] = new StageLine(id, newer is null ? "would publish" : "would be refused")
                {
                    Changes = changes,
                };
            }
        );
        report.Lines.AddRange(lines.Values.OrderBy(l => l.PublicId, StringComparer.Ordinal));
        report.IsDryRun = true;
    }

    private static JsonElement Documents(TextArtifact artifact) =>
        JsonSerializer.SerializeToElement(
            artifact
                .Files.Where(f => f.Path.Length > 0)
                .ToDictionary(f => f.Path, f => JsonElement.Parse(f.Text), StringComparer.Ordinal)
        );

    /// <summary>A type travels before anything refers to it, when the stage lacks it or has an older version.</summary>
    private async Task<List<string>> PushTypesAsync(IReadOnlyList<string> types, CancellationToken ct)
    {
        var there = (await stage.GetWidgetTypePackagesAsync(ct)).ToDictionary(t => t.Type, StringComparer.Ordinal);
        var pushed = new List<string>();
        foreach (var type in (await run.Client.GetWidgetTypePackagesAsync(ct)).Where(t => types.Contains(t.Type)))
        {
            if (there.TryGetValue(type.Type, out var other) && (other.Package == type.Package || IsOlder(type, other)))
                continue;
            run.Output.Progress($"pushing the widget type {type.Type} {type.Version}");
            await stage.PushAsync(
                await run.Client.GetWidgetTypePackageAsync(type.Type, ct),
                "live",
                known: new HashSet<Digest>(),
                ct
            );
            pushed.Add($"{type.Type} {type.Version}");
        }
        return pushed;
    }

    private static bool IsOlder(WidgetTypePackage one, WidgetTypePackage than) =>
        SemVer.TryParse(one.Version, out var version)
        && SemVer.TryParse(than.Version, out var other)
        && version.CompareTo(other) < 0;

    /// <summary>Pushes what the stage lacks, and notes which version of each instance travelled.</summary>
    private async Task<PushCount> PushAsync(Pair[] changed, CancellationToken ct)
    {
        var blobs = 0;
        var bytes = 0L;
        var done = 0;
        await Parallel.ForEachAsync(
            Enumerable.Range(0, changed.Length).Chunk(Together),
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = ct },
            async (some, each) =>
            {
                var page = await run.Client.GetSnapshotsAsync(
                    some.Select(at => PublicId.Parse(changed[at].Source.PublicId)),
                    content: true,
                    each
                );
                var now = page.Items.ToDictionary(item => item.PublicId, StringComparer.Ordinal);
                foreach (var at in some)
                {
                    var (source, there) = changed[at];
                    if (!now.TryGetValue(source.PublicId, out var current) || current.Content is not { } artifact)
                        throw Invocation.NoSuchInstance(PublicId.Parse(source.PublicId));
                    var known = there is null ? [] : there.Files.Append(EmptyConfig).ToHashSet();
                    var count = await stage.PushAsync(artifact, tag: null, known, each);
                    Interlocked.Add(ref blobs, count.Blobs);
                    Interlocked.Add(ref bytes, count.Bytes);
                    // It may have been saved once more since it was compared: what travelled is what counts.
                    changed[at] = new Pair(
                        source with
                        {
                            Snapshot = artifact.Digest,
                            Version = artifact.Version,
                        },
                        there
                    );
                }
                var total = Interlocked.Add(ref done, some.Length);
                run.Output.Progress(string.Create(CultureInfo.InvariantCulture, $"pushed {total} of {changed.Length}"));
            }
        );
        return new PushCount(blobs, bytes);
    }

    private async Task CutOverAsync(
        Pair[] changed,
        StageReport report,
        Guid sourceId,
        bool overwrite,
        bool force,
        string? reason,
        DateTimeOffset? at,
        CancellationToken ct
    )
    {
        run.Output.Progress($"cutting over {changed.Length} on {target.Name}");
        var order = new CutoverOrder(
            [
                .. changed.Select(p => new CutoverItem(
                    p.Source.PublicId,
                    p.Source.Snapshot,
                    Release: null,
                    TakeOff: false,
                    p.There?.Snapshot,
                    p.Source.Version
                )),
            ],
            reason,
            sourceId,
            at,
            overwrite,
            force
        );
        var cutover = await stage.CutOverAsync(Guid.CreateVersion7(), order, ct);
        report.Cutover = cutover.Id;
        if (cutover.State == "scheduled")
        {
            report.At = cutover.At;
            report.Lines.AddRange(changed.Select(p => new StageLine(p.Source.PublicId, "scheduled")));
            return;
        }
        report.Lines.AddRange(
            cutover.Items.Select(i => new StageLine(i.PublicId, i.Outcome == "alreadyLive" ? "already live" : i.Outcome)
            {
                Release = i.To?.ToString(),
                Address = i.To is null ? null : stage.AddressOf("/e/" + i.PublicId),
            })
        );
    }
}

/// <summary>What a publish to a stage did.</summary>
/// <param name="Stage">As a person named it.</param>
internal sealed record StageReport(string Stage)
{
    public List<StageLine> Lines { get; } = [];

    public List<string> Types { get; } = [];

    public PushCount Pushed { get; set; }

    public Guid? Cutover { get; set; }

    /// <summary>When it is due; null when it is shown now.</summary>
    public DateTimeOffset? At { get; set; }

    public bool IsDryRun { get; set; }
}

/// <summary>What became of one instance.</summary>
internal sealed record StageLine(string PublicId, string Outcome)
{
    public string? Release { get; init; }

    public Uri? Address { get; init; }

    public IReadOnlyList<string> Changes { get; init; } = [];
}
