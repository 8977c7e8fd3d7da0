using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Platen.Client;
using Platen.Kernel;
using Platen.Kernel.Schemas;

namespace Platen.Cli.Commands;

/// <summary>Publishes one instance after another, or several at once: writes what differs, then makes it live.</summary>
internal sealed class Publisher(Invocation run, bool dryRun, string? reason, bool force)
{
    /// <summary>How often a publish reports progress, at most.</summary>
    public const int Steps = 3;

    /// <summary>
    /// Writes what differs, or finds it out; what goes wrong is a result too, so that others go on. Nothing is live by it: files link to
    /// each other, so each is made live when all are there.
    /// </summary>
    public Task<PublishStep> WriteAsync(PublishItem item, IPublishProgress progress, CancellationToken ct) =>
        AttemptAsync(
            item,
            progress,
            async () =>
                item switch
                {
                    { Refusal: { } refusal } => new PublishStep(Result: PublishResult.Failed(item.Name, refusal)),
                    { File: null } when dryRun => new PublishStep(await PreviewAsync(item.Id!, [], ct)),
                    { File: null } => new PublishStep(Written: await ReadAsync(item.Id!, ct)),
                    { File: var file } when dryRun => new PublishStep(await CompareAsync(file, progress, ct)),
                    { File: var file } => new PublishStep(Written: await WriteFileAsync(file, progress, ct)),
                }
        );

    /// <summary>Makes live what was written.</summary>
    public async Task<PublishResult> PublishAsync(
        PublishItem item,
        PublishStep step,
        IPublishProgress progress,
        CancellationToken ct
    )
    {
        if (step.Result is { } settled)
            return settled;
        var done = await AttemptAsync(
            item,
            progress,
            async () => new PublishStep(await MakeLiveAsync(item.File?.Id ?? item.Id!, step.Written!, progress, ct))
        );
        progress.End();
        return done.Result!;
    }

    private async Task<PublishStep> AttemptAsync(
        PublishItem item,
        IPublishProgress progress,
        Func<Task<PublishStep>> attempt
    )
    {
        PublishResult failed;
        try
        {
            var step = await attempt();
            if (step.Result is not null)
                progress.End();
            return step;
        }
        catch (CliException e)
        {
            failed = PublishResult.Failed(item.Name, Refusal.Of(e));
        }
        catch (PlatenException e)
        {
            failed = PublishResult.Failed(
                item.Name,
                run.Explain(Refusal.Of(e, item.File is null ? null : item.File.PlaceOf))
            );
        }
        progress.End();
        return new PublishStep(failed);
    }

    private async Task<Versioned<Instance>> WriteFileAsync(
        InstanceFile file,
        IPublishProgress progress,
        CancellationToken ct
    )
    {
        progress.Step("writing the instance");
        var instance = await WriteInstanceAsync(file, ct);
        if (!file.Overlays.IsEmpty)
        {
            progress.Step("writing its locales");
            var wrote = false;
            foreach (var (locale, overlay) in file.Overlays)
                wrote |= await WriteOverlayAsync(file, locale, overlay, ct);
            if (wrote)
                instance = await ReadOwnAsync(file, ct);
        }
        return instance;
    }

    private async Task<Versioned<Instance>> ReadAsync(PublicId id, CancellationToken ct) =>
        await run.Client.FindInstanceAsync(id, ct) ?? throw Invocation.NoSuchInstance(id);

    private async Task<PublishResult> MakeLiveAsync(
        PublicId id,
        Versioned<Instance> instance,
        IPublishProgress progress,
        CancellationToken ct
    )
    {
        progress.Step("publishing");
        try
        {
            var outcome = await run.Client.PublishAsync(
                id,
                new PublicationOrder(reason, null, force),
                instance.Tag.StillCurrent(),
                ct
            );
            return PublishResult.Live(id, outcome, run.Client.AddressOf(outcome.Url));
        }
        catch (PlatenProblemException e) when (e.IsStale)
        {
            throw await StaleAsync(id, e, ct);
        }
    }

    /// <summary>The server's instance with the file's content, written only when it differs.</summary>
    private async Task<Versioned<Instance>> WriteInstanceAsync(InstanceFile file, CancellationToken ct)
    {
        var current = await run.Client.FindInstanceAsync(file.Id, ct);
        if (current is not null && IsEqual(file.Content, current.Value))
            return current;
        try
        {
            return await run.Client.PutInstanceAsync(
                file.Id,
                file.Content,
                current is null ? new Precondition.Absent() : current.Tag.StillCurrent(),
                ct
            );
        }
        catch (PlatenProblemException e) when (e.IsStale)
        {
            // Another writer may have written the same, or an attempt of ours arrived although its answer did not.
            var now = await run.Client.FindInstanceAsync(file.Id, ct);
            return now is not null && IsEqual(file.Content, now.Value) ? now : throw await StaleAsync(file.Id, e, ct);
        }
    }

    private async Task<bool> WriteOverlayAsync(InstanceFile file, string locale, Overlay overlay, CancellationToken ct)
    {
        var current = await run.Client.FindOverlayAsync(file.Id, locale, ct);
        if (current is not null && IsEqual(overlay, current.Value))
            return false;
        try
        {
            await run.Client.PutOverlayAsync(
                file.Id,
                locale,
                overlay,
                current is null ? new Precondition.Absent() : current.Tag.StillCurrent(),
                ct
            );
            return true;
        }
        catch (PlatenProblemException e) when (e.IsStale)
        {
            var now = await run.Client.FindOverlayAsync(file.Id, locale, ct);
            return now is not null && IsEqual(overlay, now.Value) ? true : throw await StaleAsync(file.Id, e, ct);
        }
        catch (PlatenProblemException e) when (!e.IsNotAllowed)
        {
            var at = "/locales/" + JsonPlaces.Escape(locale);
            // The request's body is { "ops": […] }; in the file the same array stands under the locale's name.
            var refusal = Refusal.Of(
                e,
                pointer => file.PlaceOf(at + (pointer.StartsWith("/ops", StringComparison.Ordinal) ? pointer[4..] : ""))
            );
            throw new CliException(
                refusal.ExitCode,
                refusal.Slug,
                $"locale {locale}: {refusal.Message}",
                refusal.Advice
            )
            {
                Faults = refusal.Faults,
            };
        }
    }

    /// <summary>The instance after its overlays were written, which may have made a new version of it.</summary>
    private async Task<Versioned<Instance>> ReadOwnAsync(InstanceFile file, CancellationToken ct)
    {
        var now = await run.Client.FindInstanceAsync(file.Id, ct) ?? throw Invocation.NoSuchInstance(file.Id);
        return IsEqual(file.Content, now.Value) ? now : throw Stale(file.Id, now.Value);
    }

    private async Task<PublishResult> CompareAsync(InstanceFile file, IPublishProgress progress, CancellationToken ct)
    {
        progress.Step("comparing");
        var current = await run.Client.FindInstanceAsync(file.Id, ct);
        if (current is null || !IsEqual(file.Content, current.Value))
            await RefuseInvalidAsync(file, ct);
        if (current is null)
            return PublishResult.Difference(
                file.Id,
                "would create",
                [$"+ {file.Id} ({file.Content.WidgetType})"],
                null
            );
        var changes = new List<string>();
        Compare("widgetType", current.Value.WidgetType, file.Content.WidgetType);
        Compare("status", current.Value.Status, file.Content.Status);
        Compare("baseLocale", current.Value.BaseLocale, file.Content.BaseLocale);
        if (file.Content.AllowedOrigins is { } origins && !SameOrigins(origins, current.Value.AllowedOrigins))
            changes.Add($"~ /allowedOrigins: {Origins(current.Value.AllowedOrigins)} → {Origins(origins)}");
        changes.AddRange(JsonDifference.Between(current.Value.Config, file.Content.Config, "/config"));
        foreach (var (locale, overlay) in file.Overlays)
        {
            var stored = await run.Client.FindOverlayAsync(file.Id, locale, ct);
            if (stored is null)
                changes.Add($"+ /locales/{locale}: {overlay.Ops.Length} operations");
            else if (!IsEqual(overlay, stored.Value))
                changes.Add($"~ /locales/{locale}: {stored.Value.Ops.Length} → {overlay.Ops.Length} operations");
        }
        return changes.Count > 0
            ? PublishResult.Difference(file.Id, "would publish", changes, null)
            : await PreviewAsync(file.Id, changes, ct);

        void Compare(string member, string stored, string? given)
        {
            if (given is not null && given != stored)
                changes.Add($"~ /{member}: {stored} → {given}");
        }
    }

    private async Task<PublishResult> PreviewAsync(PublicId id, List<string> changes, CancellationToken ct)
    {
        var preview = await run.Client.PreviewPublicationAsync(id, ct);
        changes.AddRange(PublishResult.StaleLines(preview.StaleTranslations));
        changes.AddRange(PublishResult.GateLines(preview.Findings));
        if (!preview.WouldPublish)
            return PublishResult.Difference(id, "already live", changes, preview.Release);
        foreach (var change in preview.Changes.IsDefault ? [] : preview.Changes)
        {
            var mark =
                change.From is null ? '+'
                : change.To is null ? '-'
                : '~';
            var size = change.SizeBytes is { } bytes
                ? string.Create(CultureInfo.InvariantCulture, $" ({bytes:N0} bytes)")
                : "";
            changes.Add($"{mark} {change.Path}{size}");
        }
        var isRefused = !force && !preview.Findings.IsDefaultOrEmpty;
        return PublishResult.Difference(id, isRefused ? "would be refused" : "would publish", changes, preview.Release);
    }

    /// <summary>What the server would refuse to write, found without writing.</summary>
    private async Task RefuseInvalidAsync(InstanceFile file, CancellationToken ct)
    {
        var manifest = await run.Client.GetWidgetManifestAsync(ct);
        if (manifest.WidgetTypes.Any(entry => entry.Type == file.Content.WidgetType))
        {
            await RefuseInvalidConfigAsync(file, ct);
            return;
        }
        throw new CliException(
            ExitCode.No,
            "unknown-widget-type",
            $"The server has no widget type '{file.Content.WidgetType}'.",
            "Use one of the types there are, or install the type's package first."
        )
        {
            Faults =
            [
                new InputFault(file.PlaceOf("/widgetType"), "no such widget type"),
                new InputFault(
                    "",
                    "the widget types there are: " + string.Join(", ", manifest.WidgetTypes.Select(entry => entry.Type))
                ),
            ],
        };
    }

    private async Task RefuseInvalidConfigAsync(InstanceFile file, CancellationToken ct)
    {
        var schema = await run.Client.GetWidgetSchemaAsync(WidgetType.Parse(file.Content.WidgetType), ct);
        SchemaResult result;
        try
        {
            result = JsonSchema.Compile(schema).Validate(file.Content.Config);
        }
        catch (SchemaCompileException e)
        {
            throw new CliException(
                ExitCode.No,
                "unusable-schema",
                $"The server's schema of {file.Content.WidgetType} cannot be used here: {e.Message}",
                "Publish without --dry-run: the server validates by itself."
            );
        }
        if (result.IsValid)
            return;
        throw new CliException(
            ExitCode.No,
            "invalid",
            $"The config does not meet the schema of {file.Content.WidgetType}.",
            "Fix every place named."
        )
        {
            Faults =
            [
                .. result
                    .Errors.Take(Limits.Faults)
                    .Select(error => new InputFault(file.PlaceOf("/config" + error.InstanceLocation), error.Message)),
            ],
        };
    }

    private async Task<Exception> StaleAsync(PublicId id, PlatenProblemException e, CancellationToken ct)
    {
        // A 409 is about the state of the instance and says so itself.
        if (e.Status == System.Net.HttpStatusCode.Conflict)
            return e;
        var now = await run.Client.FindInstanceAsync(id, ct);
        return now is null ? e : Stale(id, now.Value);
    }

    private static CliException Stale(PublicId id, Instance now)
    {
        var who = now.UpdatedBy is null ? "Somebody" : now.UpdatedBy;
        var when = now.UpdatedAt is { } at ? string.Create(CultureInfo.InvariantCulture, $" at {at:u}") : "";
        return new CliException(
            ExitCode.Stale,
            "stale-version",
            $"{who} changed {id}{when} while it was being published; it is at revision {now.Revision} now.",
            $"Look at it with 'platen get {id}'; run the command again to put yours in its place."
        );
    }

    private static bool IsEqual(InstanceContent given, Instance stored) =>
        given.WidgetType == stored.WidgetType
        && (given.Status is null || given.Status == stored.Status)
        && (given.BaseLocale is null || given.BaseLocale == stored.BaseLocale)
        && (given.AllowedOrigins is null || SameOrigins(given.AllowedOrigins, stored.AllowedOrigins))
        && JsonElement.DeepEquals(given.Config, stored.Config);

    private static bool SameOrigins(IReadOnlyList<string> given, ImmutableArray<string> stored) =>
        given.ToHashSet(StringComparer.Ordinal).SetEquals(stored.IsDefault ? [] : stored);

    private static string Origins(IReadOnlyCollection<string> origins) =>
        origins.Count == 0 ? "every site" : string.Join(", ", origins);

    private static bool IsEqual(Overlay given, Overlay stored) =>
        !stored.Ops.IsDefault
        && given.Ops.Length == stored.Ops.Length
        && given.Ops.Zip(stored.Ops).All(pair => IsEqual(pair.First, pair.Second));

    /// <summary>A file that does not say which text it translates leaves that to the server.</summary>
    private static bool IsEqual(OverlayOp given, OverlayOp stored) =>
        given.Op == stored.Op
        && given.Path == stored.Path
        && IsEqual(given.Value, stored.Value)
        && (given.Base is null || IsEqual(given.Base, stored.Base));

    private static bool IsEqual(JsonElement? a, JsonElement? b) =>
        (a, b) switch
        {
            ({ } x, { } y) => JsonElement.DeepEquals(x, y),
            (null, null) => true,
            _ => false,
        };
}

/// <summary>How far one instance is.</summary>
/// <param name="Result">What became of it; null while it is to be made live.</param>
/// <param name="Written">As the server has it, to be made live.</param>
internal sealed record PublishStep(PublishResult? Result = null, Versioned<Instance>? Written = null);

/// <summary>What became of one instance.</summary>
/// <param name="Name">Its public id, or the file when that could not be read.</param>
/// <param name="Outcome">In a word or two.</param>
internal sealed record PublishResult(string Name, string Outcome)
{
    public string? Release { get; private init; }

    public Uri? Address { get; private init; }

    public IReadOnlyList<string> Changes { get; private init; } = [];

    public Refusal? Refusal { get; private init; }

    /// <summary>The last word on it; null when a refusal is.</summary>
    public string? Sentence { get; private init; }

    public int ExitCode => Refusal?.ExitCode ?? Cli.ExitCode.Ok;

    public static PublishResult Live(PublicId id, PublicationOutcome outcome, Uri address)
    {
        var already = outcome.Outcome == PublicationOutcome.AlreadyLive;
        return new PublishResult(id.ToString(), already ? "already live" : "published")
        {
            Release = outcome.Release.ToString(),
            Address = address,
            Changes = [.. StaleLines(outcome.StaleTranslations), .. GateLines(outcome.PassedOver)],
            Sentence = already ? $"already live at {address}" : $"live at {address}",
        };
    }

    /// <summary>A line for each thing that the gates have against a page.</summary>
    public static IEnumerable<string> GateLines(ImmutableArray<GateFinding> findings) =>
        (findings.IsDefault ? [] : findings).Select(finding =>
            $"! {finding.Gate}/{finding.Rule} in {finding.Locale}{finding.Pointer ?? finding.Selector}: {finding.Message}"
        );

    /// <summary>A line for each translation that readers do not get, because the text it translates has changed.</summary>
    public static List<string> StaleLines(ImmutableSortedDictionary<string, ImmutableArray<string>>? stale) =>
        [
            .. (stale ?? ImmutableSortedDictionary<string, ImmutableArray<string>>.Empty).SelectMany(locale =>
                locale.Value.Select(path =>
                    $"! {locale.Key}{path}: translates a former text, so the base text is shown"
                )
            ),
        ];

    public static PublishResult Difference(
        PublicId id,
        string outcome,
        IReadOnlyList<string> changes,
        Digest? release
    ) =>
        new(id.ToString(), outcome)
        {
            Release = release?.ToString(),
            Changes = changes,
            Sentence = $"{id}: {outcome}; nothing was written",
        };

    public static PublishResult Failed(string name, Refusal refusal) => new(name, "failed") { Refusal = refusal };

    public JsonObject ToJson()
    {
        var json = new JsonObject { ["name"] = Name, ["outcome"] = Outcome };
        if (Release is not null)
            json["release"] = Release;
        if (Address is not null)
            json["url"] = Address.ToString();
        if (Changes.Count > 0)
            json["changes"] = new JsonArray([.. Changes.Select(change => JsonValue.Create(change))]);
        if (Refusal is not null)
            json["problem"] = Refusal.ToJson();
        return json;
    }
}
