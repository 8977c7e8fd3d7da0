using Platen.Access;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Platform.Channels;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;
using Platen.Widgets.Gates;
using Platen.Widgets.Packages;

namespace Platen.Widgets;

/// <summary>What publishing would change, found out by doing everything but the writing.</summary>
internal sealed class PreviewPublication(PostgresPools pools, WidgetRegistry registry)
{
    /// <param name="Path">A file of the release.</param>
    /// <param name="From">Its digest now; null when it would be new.</param>
    /// <param name="To">Its digest then; null when it would be gone.</param>
    /// <param name="SizeBytes">Of the file as it would be; 0 when it would be gone.</param>
    public sealed record Change(string Path, Digest? From, Digest? To, long SizeBytes);

    /// <param name="WouldPublish">Whether something would go live.</param>
    /// <param name="Release">What would.</param>
    /// <param name="Current">What is.</param>
    /// <param name="Changes">The files that differ.</param>
    /// <param name="StaleTranslations">For each locale, the places whose translation would be left out.</param>
    /// <param name="Findings">What the gates have against it: it would be refused, unless it is forced.</param>
    public sealed record Outcome(
        bool WouldPublish,
        Digest Release,
        Digest? Current,
        IReadOnlyList<Change> Changes,
        IReadOnlyDictionary<string, IReadOnlyList<string>> StaleTranslations,
        IReadOnlyList<GateFinding> Findings
    );

    public async Task<Outcome> RunAsync(Caller caller, PublicId id, CancellationToken ct)
    {
        var (instance, overlays, live, branding) = await ReadAsync(caller, id, ct);
        var made = InstanceRelease.Make(registry.Find(instance.WidgetType), instance, overlays, branding.Shown);
        var inspected = made.Inspect();
        await using var session = await pools.OpenAsync(caller.Operation("preview publication"), ct);
        var missing = await PublishGates.CheckInstancesAsync(session, inspected.Instances, new HashSet<string>(), ct);
        return new Outcome(
            instance.Status != InstanceStatus.Unpublished && made.Draft.Digest != live?.Digest,
            made.Draft.Digest,
            live?.Digest,
            Compare(live?.Manifest, made.Draft.Manifest),
            made.Stale,
            [.. inspected.Findings, .. missing]
        );
    }

    /// <summary>Reads in a transaction of its own: none is open while pages are made.</summary>
    private async Task<(Instance, List<Overlay>, Release?, Branding)> ReadAsync(
        Caller caller,
        PublicId id,
        CancellationToken ct
    )
    {
        await using var session = await pools.OpenAsync(caller.Operation("preview publication"), ct);
        var instance = await Instance.FindAsync(session, id, ct) ?? throw InstanceRequests.NotFound(id);
        var overlays = await Overlay.ListAsync(session, id, ct);
        var channel = await ChannelStore.FindAsync(session, instance.Live, ct);
        var live = channel?.Release is { } digest
            ? await ReleaseStore.FindAsync(session, instance.Subject, digest, ct)
            : null;
        return (instance, overlays, live, Branding.Of(await Entitlements.ListAsync(session, ct)));
    }

    private static List<Change> Compare(ReleaseManifest? from, ReleaseManifest to)
    {
        var before = (from?.Files ?? []).ToDictionary(f => f.Path, StringComparer.Ordinal);
        var changes = new List<Change>();
        foreach (var file in to.Files)
        {
            if (!before.Remove(file.Path, out var old))
                changes.Add(new Change(file.Path, null, file.Digest, file.SizeBytes));
            else if (old.Digest != file.Digest)
                changes.Add(new Change(file.Path, old.Digest, file.Digest, file.SizeBytes));
        }
        changes.AddRange(before.Values.Select(gone => new Change(gone.Path, gone.Digest, null, 0)));
        return [.. changes.OrderBy(c => c.Path, StringComparer.Ordinal)];
    }
}
