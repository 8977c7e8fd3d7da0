using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Platen.Client;
using Platen.Kernel;
using Platen.Kernel.Schemas;

namespace Platen.Cli.Legacy;

/// <summary>What one phase did.</summary>
/// <param name="Number">0 to 5.</param>
/// <param name="Name">What it is for.</param>
internal sealed record PhaseReport(int Number, string Name)
{
    /// <summary>How many of what.</summary>
    public SortedDictionary<string, int> Counts { get; } = new(StringComparer.Ordinal);

    /// <summary>What a person has to look at.</summary>
    public List<string> Problems { get; } = [];

    /// <summary>What would become of each row; only of a dry run.</summary>
    public JsonArray? Rows { get; set; }

    public void Count(string what, int by = 1) => Counts[what] = Counts.GetValueOrDefault(what) + by;

    public JsonObject ToJson()
    {
        var json = new JsonObject
        {
            ["phase"] = Number,
            ["name"] = Name,
            ["counts"] = new JsonObject(Counts.Select(c => KeyValuePair.Create(c.Key, (JsonNode?)c.Value))),
            ["problems"] = new JsonArray([.. Problems.Select(p => JsonValue.Create(p))]),
        };
        if (Rows is not null)
            json["rows"] = Rows;
        return json;
    }
}

/// <summary>
/// Moves what a database in the old shape has to this server, in phases that each can be cut off and run again:
/// <list type="number" start="0">
/// <item>names: decides what becomes of every row.</item>
/// <item>targets: checks that the server takes it, and makes the workspaces.</item>
/// <item>backfill: writes the instances. Something else that is there under an id is left alone.</item>
/// <item>overlays: writes the locales, under the instances' new ids.</item>
/// <item>parity: reads everything back, and compares digest and status.</item>
/// <item>constraints: when all agree, the old table takes no more curated rows; not by a cloud, which has moved none.</item>
/// </list>
/// Nothing is deleted anywhere.
/// </summary>
internal sealed class LegacyMigration(
    Invocation run,
    LegacyDatabase database,
    IReadOnlyDictionary<string, string> givenTypes,
    string? workspacePlan
) : IAsyncDisposable
{
    public const int LastPhase = 5;

    /// <summary>Requests on their way at once.</summary>
    private const int AtOnce = 8;

    /// <summary>Rows that the ledger hears of in one statement.</summary>
    private const int RowsAtOnce = 250;

    private static readonly string[] Names = ["names", "targets", "backfill", "overlays", "parity", "constraints"];

    private readonly ConcurrentDictionary<string, WorkspaceWriter> writers = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim opening = new(1);
    private List<PlannedInstance>? plan;
    private bool takesCurated;
    private Dictionary<string, string> workspaces = [];

    private sealed record WorkspaceWriter(PlatenClient Client, string Workspace, Guid Key);

    public async Task<PhaseReport> RunAsync(int number, bool dryRun, CancellationToken ct)
    {
        var report = new PhaseReport(number, Names[number]);
        run.Output.Progress(string.Create(CultureInfo.InvariantCulture, $"phase {number}, {report.Name}"));
        plan ??= await PlanAsync(ct);
        if (dryRun)
        {
            await PreviewAsync(report, ct);
            return report;
        }
        if (number == 0)
            await database.CreateLedgerAsync(ct);
        else if (number < LastPhase)
            await database.ReopenAsync(number, ct);
        workspaces = await database.LedgerWorkspacesAsync(ct);
        switch (number)
        {
            case 0:
                await NameAsync(report, ct);
                break;
            case 1:
                await PrepareAsync(report, ct);
                break;
            case 2:
                await BackfillAsync(report, ct);
                break;
            case 3:
                await RepointAsync(report, ct);
                break;
            case 4:
                await CompareAsync(report, ct);
                break;
            default:
                await ConstrainAsync(report, ct);
                break;
        }
        report.Problems.Sort(StringComparer.Ordinal);
        if (report.Problems.Count == 0 || number < 4)
            await database.FinishPhaseAsync(number, report.ToJson().ToJsonString(), ct);
        return report;
    }

    private async Task<List<PlannedInstance>> PlanAsync(CancellationToken ct)
    {
        var caller = await run.Client.WhoAmIAsync(ct);
        if (!caller.IsPlatform)
        {
            throw new CliException(
                ExitCode.NotAllowed,
                "needs-operator",
                "A migration writes the platform's content and that of every workspace.",
                "Use the owner's key, or one of the platform with the scope *."
            );
        }
        var manifest = await run.Client.GetWidgetManifestAsync(ct);
        var schemas = new Dictionary<string, JsonSchema>(StringComparer.Ordinal);
        foreach (var entry in manifest.WidgetTypes)
        {
            schemas[entry.Type] = JsonSchema.Compile(
                await run.Client.GetWidgetSchemaAsync(WidgetType.Parse(entry.Type), ct)
            );
        }
        if (givenTypes.Values.FirstOrDefault(t => !schemas.ContainsKey(t)) is { } missing)
        {
            throw new CliException(
                ExitCode.No,
                "unknown-widget-type",
                $"The server has no widget type '{missing}'.",
                "The types there are: " + string.Join(", ", schemas.Keys.Order(StringComparer.Ordinal))
            );
        }
        takesCurated = caller.Stage != "cloud";
        return LegacyPlan.Make(
            await database.ReadInstancesAsync(ct),
            new LegacyNames(schemas.Keys, givenTypes),
            schemas,
            takesUser: caller.Stage != "authoring",
            takesCurated
        );
    }

    /// <summary>What a phase would do, as far as the server can be asked without writing.</summary>
    private async Task PreviewAsync(PhaseReport report, CancellationToken ct)
    {
        switch (report.Number)
        {
            case 0:
                CountPlan(report);
                report.Rows = new JsonArray([
                    .. plan!.Select(p => JsonSerializer.SerializeToNode(p.ForLedger(), JsonSerializerOptions.Web)),
                ]);
                break;
            case 1:
                report.Count("workspaces", Owners().Count());
                break;
            case 2:
                report.Count("to write", plan!.Count(p => p.Moves));
                break;
            case 3:
                var ids = Targets();
                foreach (var overlay in await database.ReadOverlaysAsync(ct))
                    report.Count(ids.ContainsKey(overlay.PublicId) ? "to write" : "orphans");
                break;
            case 4:
                report.Count("to compare", plan!.Count(p => p.Moves));
                break;
            default:
                report.Count("constraints", takesCurated ? 1 : 0);
                break;
        }
    }

    private void CountPlan(PhaseReport report)
    {
        foreach (var planned in plan!)
        {
            report.Count(
                planned.Refusal is { } refusal ? "refused: " + refusal.Split(':')[0]
                : planned.SameAs is not null ? "duplicates"
                : planned.Id is PublicId.User ? "user"
                : planned.Id is PublicId.Baseline ? "baseline"
                : "curated"
            );
            if (planned.Refusal is not null)
                report.Problems.Add($"{planned.Row.RowId} ({planned.Row.PublicId ?? "null"}): {planned.Refusal}");
            else if (planned.Id!.ToString() != planned.Row.PublicId)
                report.Count("renamed");
        }
    }

    private async Task NameAsync(PhaseReport report, CancellationToken ct)
    {
        await database.ReopenAsync(0, ct);
        foreach (var rows in plan!.Chunk(RowsAtOnce))
        {
            await database.PlanAsync(rows, ct);
            report.Count("noted", rows.Length);
        }
        CountPlan(report);
    }

    private IEnumerable<string> Owners() =>
        plan!
            .Where(p => p is { Moves: true, Id: PublicId.User })
            .Select(p => p.Row.Workspace!)
            .Distinct(StringComparer.Ordinal);

    /// <summary>The workspaces are made under slugs that follow from the old ids, so that none is made twice.</summary>
    private async Task PrepareAsync(PhaseReport report, CancellationToken ct)
    {
        var names = await database.ReadWorkspacesAsync(ct);
        foreach (var old in Owners().Where(o => !workspaces.ContainsKey(o)).ToList())
        {
            var slug = "legacy-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(old)))[..12];
            var there = await run.Client.FindWorkspaceAsync(slug, ct);
            var made =
                there?.Value
                ?? await run.Client.CreateWorkspaceAsync(
                    new WorkspaceOrder(
                        names.TryGetValue(old, out var name) ? name : $"Workspace {old}",
                        slug,
                        workspacePlan
                    ),
                    ct
                );
            await database.AddWorkspaceAsync(old, made.Id.ToString("D"), ct);
            report.Count(there is null ? "workspaces made" : "workspaces found");
        }
        workspaces = await database.LedgerWorkspacesAsync(ct);
        foreach (var old in Owners())
            await CheckRoomAsync(old, report, ct);
        report.Count("workspaces", Owners().Count());
    }

    /// <summary>Whether the workspace's plan has room for what is to come.</summary>
    private async Task CheckRoomAsync(string old, PhaseReport report, CancellationToken ct)
    {
        var found =
            await run.Client.FindWorkspaceAsync(workspaces[old], ct)
            ?? throw new CliException(
                ExitCode.No,
                "no-workspace",
                $"The workspace {workspaces[old]}, made for {old}, is gone.",
                "Restore it, or remove its line from platen_migration.workspace."
            );
        if (workspacePlan is not null && found.Value.Plan != workspacePlan)
        {
            await run.Client.ChangeWorkspaceAsync(
                workspaces[old],
                new WorkspaceOrder(Plan: workspacePlan),
                found.Tag.StillCurrent(),
                ct
            );
            found = await run.Client.FindWorkspaceAsync(workspaces[old], ct);
        }
        var needed = plan!.Count(p => p is { Moves: true, Id: PublicId.User } && p.Row.Workspace == old);
        if (
            found?.Value.Entitlements?.FirstOrDefault(e => e.Name == "instances") is { Allowed: { } allowed }
            && allowed < needed
        )
        {
            report.Problems.Add(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{found.Value.Slug}: {needed} instances, and its plan {found.Value.Plan} allows {allowed}; choose another with --plan"
                )
            );
        }
    }

    private async Task BackfillAsync(PhaseReport report, CancellationToken ct)
    {
        var ledger = await database.LedgerAsync(ct);
        var counts = new ConcurrentQueue<string>();
        var problems = new ConcurrentQueue<string>();
        var done = 0;
        var moving = plan!.Where(p => p.Moves).ToList();
        await Parallel.ForEachAsync(
            moving,
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = ct },
            async (planned, each) =>
            {
                var line = ledger.GetValueOrDefault(planned.Row.RowId);
                if (
                    line is { State: "written" }
                    && line.PublicId == planned.Id!.ToString()
                    && line.Digest == planned.Digest.ToString()
                    && line.Status == planned.Status
                )
                {
                    counts.Enqueue("there already");
                }
                else
                {
                    var (outcome, problem) = await WriteAsync(planned, line, each);
                    counts.Enqueue(outcome);
                    if (problem is not null)
                        problems.Enqueue($"{planned.Id}: {problem}");
                    if (problem is null)
                        await database.MarkWrittenAsync(planned, each);
                    else
                        await database.MarkRefusedAsync(planned.Row.RowId, problem, each);
                }
                Tell(ref done, moving.Count);
            }
        );
        foreach (var outcome in counts)
            report.Count(outcome);
        report.Problems.AddRange(problems);
    }

    private void Tell(ref int done, int all)
    {
        var now = Interlocked.Increment(ref done);
        if (now % RowsAtOnce == 0 || now == all)
            run.Output.Progress(string.Create(CultureInfo.InvariantCulture, $"  {now} of {all}"));
    }

    /// <summary>Writes one instance; what is there and is not ours is left alone.</summary>
    private async Task<(string Outcome, string? Problem)> WriteAsync(
        PlannedInstance planned,
        LedgerLine? line,
        CancellationToken ct
    )
    {
        var client = await ClientOfAsync(planned, ct);
        var content = new InstanceContent(planned.Type!.Value.Value, planned.Status, null, planned.Config!.Value);
        try
        {
            if (await client.FindInstanceAsync(planned.Id!, ct) is not { } there)
            {
                await client.PutInstanceAsync(planned.Id!, content, new Precondition.Absent(), ct);
                return ("written", null);
            }
            if (there.Value.ConfigDigest == planned.Digest && there.Value.Status == planned.Status)
                return ("there already", null);
            // Changed in the old database since it was written here, and here by nobody.
            if (
                line is not null
                && there.Value.ConfigDigest.ToString() == line.Digest
                && there.Value.Status == line.Status
            )
            {
                await client.PutInstanceAsync(planned.Id!, content, there.Tag.StillCurrent(), ct);
                return ("written again", null);
            }
            return ("conflicts", $"conflict: the server has another under this id, changed by {there.Value.UpdatedBy}");
        }
        catch (PlatenProblemException e) when (!e.IsNotAllowed && (int)e.Status < 500)
        {
            return ("refused", $"{e.Slug}: {e.Message}");
        }
    }

    /// <summary>Under which id, and by which row, what an old id named is now.</summary>
    private Dictionary<string, PlannedInstance> Targets()
    {
        var byRow = plan!.ToDictionary(p => p.Row.RowId, StringComparer.Ordinal);
        var targets = new Dictionary<string, PlannedInstance>(StringComparer.Ordinal);
        // Of several rows with one old id the one that kept the name has the overlays.
        foreach (var planned in plan!.Where(p => p.Row.PublicId is not null && p.Refusal is null))
        {
            var target = planned.SameAs is { } same ? byRow[same] : planned;
            if (!targets.TryGetValue(planned.Row.PublicId!, out var other) || IsBetter(target, other))
                targets[planned.Row.PublicId!] = target;
        }
        return targets;

        static bool IsBetter(PlannedInstance one, PlannedInstance than) =>
            !one.Notes.Any(n => n.Contains("another row's", StringComparison.Ordinal))
            && than.Notes.Any(n => n.Contains("another row's", StringComparison.Ordinal));
    }

    private async Task RepointAsync(PhaseReport report, CancellationToken ct)
    {
        var targets = Targets();
        var written = await database.WrittenOverlaysAsync(ct);
        var ledger = await database.LedgerAsync(ct);
        var overlays = await database.ReadOverlaysAsync(ct);
        var counts = new ConcurrentQueue<string>();
        var problems = new ConcurrentQueue<string>();
        var done = 0;
        // Two locales of one instance wait for each other's row, so an instance's are written one by one.
        await Parallel.ForEachAsync(
            overlays.GroupBy(o => targets.TryGetValue(o.PublicId, out var t) ? t.Id!.ToString() : "?" + o.PublicId),
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = ct },
            async (group, each) =>
            {
                foreach (var overlay in group)
                {
                    var target = targets.GetValueOrDefault(overlay.PublicId);
                    var digest = Digest
                        .Of(Encoding.UTF8.GetBytes($"{overlay.Ops}\n{overlay.BaseFingerprint}\n{target?.Digest}"))
                        .ToString();
                    var before = written.GetValueOrDefault((overlay.PublicId, overlay.Locale));
                    if (before?.Source == digest)
                    {
                        counts.Enqueue("there already");
                    }
                    else
                    {
                        var isThere =
                            target is not null
                            && ledger.TryGetValue(target.Row.RowId, out var line)
                            && line.State == "written";
                        var (outcome, tag, notes) = isThere
                            ? await WriteOverlayAsync(overlay, target!, before?.Tag, each)
                            : ("orphans", null, ["orphan: no instance of this id moved"]);
                        counts.Enqueue(outcome);
                        foreach (var note in notes)
                            problems.Enqueue($"{overlay.PublicId} {overlay.Locale}: {note}");
                        await database.MarkOverlayAsync(overlay, target?.Id!.ToString(), digest, tag, notes, each);
                    }
                    Tell(ref done, overlays.Count);
                }
            }
        );
        foreach (var outcome in counts)
            report.Count(outcome);
        report.Problems.AddRange(problems);
    }

    /// <param name="overlay">The old one.</param>
    /// <param name="target">Whose it is here.</param>
    /// <param name="known">The version that was written before, if any: what somebody changed since is left alone.</param>
    /// <param name="ct">Cancels.</param>
    /// <returns>The tag is null when it was not written.</returns>
    private async Task<(string Outcome, string? Tag, List<string> Notes)> WriteOverlayAsync(
        LegacyOverlay overlay,
        PlannedInstance target,
        string? known,
        CancellationToken ct
    )
    {
        var notes = new List<string>();
        if (!Platen.Kernel.Languages.LanguageTag.TryParse(overlay.Locale.Replace('_', '-').Trim(), out var language))
            return ("refused", null, [$"locale: '{overlay.Locale}' is no language tag"]);
        var locale = language.ToString();
        var isStale = overlay.BaseFingerprint is { Length: > 0 } print && !IsFingerprintOf(print, target.Digest!.Value);
        var ops = ReadOps(overlay.Ops, isStale, notes);
        if (ops is null)
            return ("refused", null, notes);
        var client = await ClientOfAsync(target, ct);
        while (ops.Count > 0)
        {
            try
            {
                var current = await client.FindOverlayAsync(target.Id!, locale, ct);
                if (current is not null && Says(current.Value, ops))
                    return ("there already", current.Tag.ToString(), notes);
                // Cut off between writing what of it fits and noting that.
                if (current is not null && known is null && LeftOut(current.Value, ops) is { } missing)
                {
                    notes.AddRange(
                        missing.Select(op => $"left out {op.Path}: the instance has no translatable text there")
                    );
                    return ("there already", current.Tag.ToString(), notes);
                }
                if (current is not null && current.Tag.ToString() != known)
                    return ("conflicts", null, ["conflict: the server has another overlay of this locale"]);
                var tag = await client.PutOverlayAsync(
                    target.Id!,
                    locale,
                    new Overlay([.. ops]),
                    current is null ? new Precondition.Absent() : current.Tag.StillCurrent(),
                    ct
                );
                return (
                    current is not null ? "written again"
                    : isStale ? "written as stale"
                    : "written",
                    tag.ToString(),
                    notes
                );
            }
            catch (PlatenProblemException e) when (!e.IsNotAllowed && (int)e.Status < 500)
            {
                // What does not fit is left out and named; the rest of the locale is not lost for it.
                var wrong = e
                    .Faults.Select(f =>
                        f.Pointer.Split('/') is ["", "ops", var at, ..]
                        && int.TryParse(at, CultureInfo.InvariantCulture, out var n)
                            ? n
                            : -1
                    )
                    .Where(n => n >= 0 && n < ops.Count)
                    .Distinct()
                    .OrderDescending()
                    .ToList();
                if (wrong.Count == 0)
                    return ("refused", null, [.. notes, $"{e.Slug}: {e.Message}"]);
                foreach (var at in wrong)
                {
                    notes.Add($"left out {ops[at].Path}: the instance has no translatable text there");
                    ops.RemoveAt(at);
                }
            }
        }
        return ("refused", null, [.. notes, "nothing of it fits the instance"]);
    }

    private static bool IsFingerprintOf(string print, Digest digest) =>
        string.Equals(print.Trim(), digest.ToString(), StringComparison.OrdinalIgnoreCase)
        || string.Equals(print.Trim(), digest.Hex, StringComparison.OrdinalIgnoreCase);

    private static bool Says(Overlay there, List<OverlayOp> ops) =>
        !there.Ops.IsDefault
        && there.Ops.Length == ops.Count
        && there
            .Ops.Zip(ops)
            .All(pair =>
                pair.First.Op == pair.Second.Op
                && pair.First.Path == pair.Second.Path
                && pair.First.Value?.ToString() == pair.Second.Value?.ToString()
            );

    /// <summary>What the overlay lacks of the operations; null when it says anything else.</summary>
    private static List<OverlayOp>? LeftOut(Overlay there, List<OverlayOp> ops)
    {
        if (there.Ops.IsDefaultOrEmpty)
            return null;
        var paths = there.Ops.Select(op => op.Path).ToHashSet(StringComparer.Ordinal);
        var kept = ops.Where(op => paths.Contains(op.Path)).ToList();
        return Says(there, kept) ? [.. ops.Except(kept)] : null;
    }

    /// <summary>Operations with a JSON Pointer, or as they once were, with dots: <c>items.0.question</c>.</summary>
    private static List<OverlayOp>? ReadOps(string? json, bool isStale, List<string> notes)
    {
        if (LegacyPlan.ReadJson(json) is not { ValueKind: JsonValueKind.Array } array)
        {
            notes.Add("ops: they are not a list");
            return null;
        }
        // Which text it was made from is not known: it is not the one that stands there.
        JsonElement? from = isStale ? JsonSerializer.SerializeToElement("") : null;
        var ops = new List<OverlayOp>();
        foreach (var (index, item) in array.EnumerateArray().Index())
        {
            var path = Text(item, "path");
            var op = Text(item, "op") ?? "set";
            var value =
                item.ValueKind == JsonValueKind.Object && item.TryGetProperty("value", out var said) ? said : default;
            if (
                path is null
                || op is not ("set" or "remove")
                || (op == "set" && value.ValueKind != JsonValueKind.String)
            )
            {
                notes.Add(string.Create(CultureInfo.InvariantCulture, $"left out operation {index}: it is not one"));
                continue;
            }
            var pointer = path.StartsWith('/')
                ? path
                : string.Concat(
                    path.Split('.')
                        .Select(p =>
                            "/"
                            + p.Replace("~", "~0", StringComparison.Ordinal)
                                .Replace("/", "~1", StringComparison.Ordinal)
                        )
                );
            if (ops.Any(o => o.Path == pointer))
                notes.Add($"left out {pointer}: it is changed twice");
            else
                ops.Add(new OverlayOp(op, pointer, op == "set" ? value : null, from));
        }
        return ops;

        static string? Text(JsonElement item, string name) =>
            item.ValueKind == JsonValueKind.Object
            && item.TryGetProperty(name, out var member)
            && member.ValueKind == JsonValueKind.String
                ? member.GetString()
                : null;
    }

    /// <summary>Every row that moved is what it was; nothing that should have moved is missing.</summary>
    private async Task CompareAsync(PhaseReport report, CancellationToken ct)
    {
        var problems = new ConcurrentQueue<string>();
        var equal = 0;
        var done = 0;
        var ledger = await database.LedgerAsync(ct);
        var moving = plan!.Where(p => p.Moves).ToList();
        await Parallel.ForEachAsync(
            moving,
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = ct },
            async (planned, each) =>
            {
                var line = ledger.GetValueOrDefault(planned.Row.RowId);
                var there = line is null
                    ? null
                    : await (await ClientOfAsync(planned, each)).FindInstanceAsync(planned.Id!, each);
                if (there is null)
                    problems.Enqueue($"{planned.Id}: missing");
                else if (there.Value.ConfigDigest != planned.Digest)
                    problems.Enqueue(
                        $"{planned.Id}: config {there.Value.ConfigDigest}, in the old database {planned.Digest}"
                    );
                else if (there.Value.Status != planned.Status)
                    problems.Enqueue(
                        $"{planned.Id}: status {there.Value.Status}, in the old database {planned.Status}"
                    );
                else
                    Interlocked.Increment(ref equal);
                Tell(ref done, moving.Count);
            }
        );
        report.Count("equal", equal);
        report.Count("different", problems.Count);
        report.Count("left behind", plan!.Count - moving.Count);
        report.Problems.AddRange(problems);
    }

    private async Task ConstrainAsync(PhaseReport report, CancellationToken ct)
    {
        if (await database.LastPhaseAsync(ct) < 4)
        {
            throw new CliException(
                ExitCode.No,
                "no-parity",
                "The content here and there differs, or was not compared.",
                "Run --phase 4 and mend what it names; the constraint waits for a comparison without differences."
            );
        }
        // Whoever moves the curated rows says when they have moved.
        if (!takesCurated)
        {
            report.Count("left to where curated content is written", 1);
            return;
        }
        await database.ForbidCuratedAsync(ct);
        report.Count("constraints", 1);
    }

    /// <summary>The platform's own client, or one of the workspace that the row belongs to.</summary>
    private async Task<PlatenClient> ClientOfAsync(PlannedInstance planned, CancellationToken ct)
    {
        if (planned.Id is not PublicId.User)
            return run.Client;
        if (writers.TryGetValue(planned.Row.Workspace!, out var writer))
            return writer.Client;
        await opening.WaitAsync(ct);
        try
        {
            if (writers.TryGetValue(planned.Row.Workspace!, out writer))
                return writer.Client;
            var workspace =
                workspaces.GetValueOrDefault(planned.Row.Workspace!)
                ?? throw new CliException(
                    ExitCode.No,
                    "no-workspace",
                    $"The workspace {planned.Row.Workspace} was not made.",
                    "Run --phase 1."
                );
            // Ends by itself when this process is killed before it can.
            var key = await run.Client.CreateKeyAsync(
                workspace,
                new KeyOrder("migrate-legacy", ["instances:read", "instances:write"], ExpiresInDays: 1),
                ct
            );
            writer = new WorkspaceWriter(new PlatenClient(run.Connection.Server, key.Secret), workspace, key.Id);
            writers[planned.Row.Workspace!] = writer;
            return writer.Client;
        }
        finally
        {
            opening.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var writer in writers.Values)
        {
            try
            {
                await run.Client.RevokeKeyAsync(writer.Workspace, writer.Key, CancellationToken.None);
            }
            catch (PlatenException e)
            {
                run.Output.Detail($"the key {writer.Key:D} was not revoked; it ends in a day: {e.Message}");
            }
            writer.Client.Dispose();
        }
        opening.Dispose();
    }
}
