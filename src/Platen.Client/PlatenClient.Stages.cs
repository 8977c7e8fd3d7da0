using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Platen.Kernel;

namespace Platen.Client;

public sealed partial class PlatenClient
{
    /// <summary>
    /// The version of the stage protocol that requests between stages are of, as agreed with the server; null states none. Set it before
    /// the first of them: it is no other request's.
    /// </summary>
    public int? StageProtocolVersion { get; set; }

    private static bool IsBetweenStages(string path) =>
        path.StartsWith("v1/snapshots", StringComparison.Ordinal)
        || path.StartsWith("v1/widget-types", StringComparison.Ordinal)
        || path.StartsWith("v1/cutovers", StringComparison.Ordinal)
        || path.EndsWith("/snapshot", StringComparison.Ordinal);

    /// <summary>The snapshots of these instances; those that do not exist are left out.</summary>
    /// <param name="ids">A few: they travel in the address.</param>
    /// <param name="content">Whether with their bytes.</param>
    /// <param name="ct">Cancels.</param>
    public Task<SnapshotPage> GetSnapshotsAsync(IEnumerable<PublicId> ids, bool content, CancellationToken ct) =>
        GetAsync(
            "v1/snapshots"
                + Query(
                    ("ids", string.Join(',', ids.Select(id => id.ToString()))),
                    ("content", content ? "true" : null)
                ),
            ClientJson.Default.SnapshotPage,
            ct
        );

    /// <summary>One page of the snapshots of all curated instances.</summary>
    /// <param name="cursor">A former page's <see cref="SnapshotPage.NextCursor"/>; null for the first.</param>
    /// <param name="ct">Cancels.</param>
    public Task<SnapshotPage> GetSnapshotsAsync(string? cursor, CancellationToken ct) =>
        GetAsync(
            "v1/snapshots"
                + Query(("cursor", cursor), ("limit", Limits.PageItems.ToString(CultureInfo.InvariantCulture))),
            ClientJson.Default.SnapshotPage,
            ct
        );

    /// <summary>The snapshot of an instance as it stands, with its bytes.</summary>
    public Task<TextArtifact> GetSnapshotAsync(PublicId id, CancellationToken ct) =>
        GetAsync(InstancePath(id) + "/snapshot", ClientJson.Default.TextArtifact, ct);

    /// <summary>The packages of the widget types that the server has.</summary>
    public Task<ImmutableArray<WidgetTypePackage>> GetWidgetTypePackagesAsync(CancellationToken ct) =>
        GetAsync("v1/widget-types", ClientJson.Default.ImmutableArrayWidgetTypePackage, ct);

    /// <summary>The package of a widget type, with its bytes.</summary>
    public Task<TextArtifact> GetWidgetTypePackageAsync(string type, CancellationToken ct) =>
        GetAsync($"v1/widget-types/{Segment(type)}/package", ClientJson.Default.TextArtifact, ct);

    /// <summary>
    /// Moves what is live of several instances at one moment. Sent again under the same id it answers what it did.
    /// </summary>
    /// <param name="id">The cut-over's; chosen by the caller.</param>
    /// <param name="order">What is to change.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<CutoverReport> CutOverAsync(Guid id, CutoverOrder order, CancellationToken ct)
    {
        using var answer = await PutAsync(CutoverPath(id), order, ClientJson.Default.CutoverOrder, condition: null, ct);
        return await ReadAsync(answer, ClientJson.Default.CutoverReport, ct);
    }

    /// <summary>A cut-over, or null when there is none of that id.</summary>
    public async Task<CutoverReport?> FindCutoverAsync(Guid id, CancellationToken ct) =>
        (await FindAsync(CutoverPath(id), ClientJson.Default.CutoverReport, ct))?.Value;

    /// <summary>The newest cut-overs, at most one page.</summary>
    public Task<ImmutableArray<CutoverReport>> GetCutoversAsync(CancellationToken ct) =>
        GetAsync("v1/cutovers", ClientJson.Default.ImmutableArrayCutoverReport, ct);

    /// <summary>Calls off a scheduled cut-over.</summary>
    public async Task<CutoverReport> CancelCutoverAsync(Guid id, CancellationToken ct)
    {
        using var answer = await SendAsync(HttpMethod.Delete, CutoverPath(id), null, null, ct);
        return await ReadAsync(answer, ClientJson.Default.CutoverReport, ct);
    }

    /// <summary>Makes live again, as a whole, what was live before a cut-over.</summary>
    /// <param name="id">Which cut-over.</param>
    /// <param name="reversal">The id of the one that leads back; chosen by the caller.</param>
    /// <param name="reason">Why; may be null.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<CutoverReport> RevertCutoverAsync(Guid id, Guid reversal, string? reason, CancellationToken ct)
    {
        using var answer = await SendAsync(
            HttpMethod.Put,
            $"{CutoverPath(id)}/reversal/{reversal:D}" + Query(("reason", reason)),
            null,
            null,
            ct
        );
        return await ReadAsync(answer, ClientJson.Default.CutoverReport, ct);
    }

    /// <summary>A link that shows an instance as it is now, or a release of it, to whoever has the link.</summary>
    public async Task<PreviewLink> CreatePreviewLinkAsync(PublicId id, PreviewOrder order, CancellationToken ct)
    {
        using var answer = await SendAsync(
            HttpMethod.Post,
            InstancePath(id) + "/preview-links",
            null,
            JsonSerializer.SerializeToUtf8Bytes(order, ClientJson.Default.PreviewOrder),
            ct
        );
        return await ReadAsync(answer, ClientJson.Default.PreviewLink, ct);
    }

    /// <summary>A link that shows all that a scheduled cut-over will show, to whoever has the link.</summary>
    /// <param name="id">The cut-over.</param>
    /// <param name="order">What the link is to be.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<CutoverPreviewLink> CreateCutoverPreviewLinkAsync(
        Guid id,
        CutoverPreviewOrder order,
        CancellationToken ct
    )
    {
        using var answer = await SendAsync(
            HttpMethod.Post,
            CutoverPath(id) + "/preview-links",
            null,
            JsonSerializer.SerializeToUtf8Bytes(order, ClientJson.Default.CutoverPreviewOrder),
            ct
        );
        return await ReadAsync(answer, ClientJson.Default.CutoverPreviewLink, ct);
    }

    private static string CutoverPath(Guid id) => $"v1/cutovers/{id:D}";
}
