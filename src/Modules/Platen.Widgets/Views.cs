using System.Text.Json;
using Platen.Kernel;
using Platen.Platform.Channels;
using Platen.Widgets.Gates;

namespace Platen.Widgets;

/// <summary>The widget types of a server.</summary>
public sealed record WidgetTypesView(IReadOnlyList<WidgetTypeView> WidgetTypes);

/// <summary>A widget type.</summary>
/// <param name="Type">Its name.</param>
/// <param name="Title">For people.</param>
/// <param name="Description">For people.</param>
/// <param name="Version">Of the package.</param>
/// <param name="Digest">Changes with anything that shapes a page.</param>
/// <param name="Schema">Where its JSON Schema is.</param>
public sealed record WidgetTypeView(
    string Type,
    string Title,
    string Description,
    string Version,
    Digest Digest,
    string Schema
);

/// <summary>A page of the list; the cursor is null on the last.</summary>
internal sealed record InstanceListView(IReadOnlyList<InstanceSummary> Items, string? NextCursor);

/// <summary>What this server is for.</summary>
/// <param name="Profile"><c>standalone</c>, <c>authoring</c> or <c>cloud</c>.</param>
/// <param name="Curated">What becomes of curated content here: <c>written</c>, or <c>published</c> to from elsewhere.</param>
/// <param name="User">What becomes of user instances here: <c>written</c>, or there are <c>none</c>.</param>
internal sealed record StageView(string Profile, string Curated, string User);

/// <summary>A deleted instance, and until when it can be had back.</summary>
internal sealed record DeletedView(string PublicId, long Revision, DateTimeOffset PurgeAt);

/// <summary>An instance, as the API gives it.</summary>
internal sealed record InstanceView(
    string PublicId,
    string Kind,
    string WidgetType,
    string Status,
    string BaseLocale,
    JsonElement Config,
    Digest ConfigDigest,
    IReadOnlyList<string> AllowedOrigins,
    string Access,
    long Revision,
    DateTimeOffset CreatedAt,
    DateTimeOffset UpdatedAt,
    string UpdatedBy,
    IReadOnlyList<string> Locales,
    LiveView? Publication
)
{
    public static InstanceView Of(InstanceDetail detail)
    {
        var i = detail.Instance;
        var live = detail is { Live.Release: { } release, LastMove: { } move }
            ? new LiveView(
                release,
                detail.Live.Revision,
                i.PublishedRevision,
                detail.Live.MovedAt,
                move.Actor.Name,
                $"/e/{i.PublicId}"
            )
            : null;
        return new InstanceView(
            i.PublicId,
            i.Kind,
            i.WidgetType,
            i.Status,
            i.BaseLocale,
            i.Config,
            i.ConfigDigest,
            i.AllowedOrigins,
            i.Access,
            i.Revision,
            i.CreatedAt,
            i.UpdatedAt,
            i.UpdatedBy,
            detail.Locales,
            live
        );
    }
}

/// <summary>What is live of an instance.</summary>
/// <param name="Release">The release's digest.</param>
/// <param name="ChannelRevision">How often the live channel has moved.</param>
/// <param name="SourceRevision">The version it was made from; null after going back to an older release.</param>
/// <param name="PublishedAt">When it went live.</param>
/// <param name="PublishedBy">Who moved it.</param>
/// <param name="Url">Where it is served.</param>
internal sealed record LiveView(
    Digest Release,
    long ChannelRevision,
    long? SourceRevision,
    DateTimeOffset PublishedAt,
    string PublishedBy,
    string Url
);

/// <summary>An overlay, as the API gives it.</summary>
internal sealed record OverlayView(
    string PublicId,
    string Locale,
    IReadOnlyList<OverlayOpView> Ops,
    Digest BaseDigest,
    long Revision,
    DateTimeOffset UpdatedAt,
    string UpdatedBy
)
{
    public static OverlayView Of(PublicId id, Overlay overlay) =>
        new(
            id.ToString(),
            overlay.Locale,
            [.. overlay.Ops.Select(o => new OverlayOpView(o.Op, o.Path.ToString(), o.Value, o.Base))],
            overlay.BaseDigest,
            overlay.Revision,
            overlay.UpdatedAt,
            overlay.UpdatedBy
        );
}

/// <summary>One change of an overlay; <c>base</c> is the text it was made from.</summary>
internal sealed record OverlayOpView(string Op, string Path, string? Value, string? Base);

/// <summary>The live channel and its moves, latest first.</summary>
internal sealed record PublicationView(
    string PublicId,
    Digest? Release,
    long ChannelRevision,
    IReadOnlyList<MoveView> Moves,
    long? NextBefore
)
{
    public static PublicationView Of(PublicId id, ReadInstances.Publication publication) =>
        new(
            id.ToString(),
            publication.Channel?.Release,
            publication.Channel?.Revision ?? 0,
            [.. publication.Moves.Select(MoveView.Of)],
            publication.NextBefore
        );
}

/// <summary>One move of a channel.</summary>
internal sealed record MoveView(long Revision, Digest? From, Digest? To, string Actor, string Reason, DateTimeOffset At)
{
    public static MoveView Of(ChannelMoveRecord move) =>
        new(move.Revision, move.From, move.To, move.Actor.Name, move.Reason, move.At);
}

/// <summary>What publishing did.</summary>
/// <param name="Outcome"><c>published</c>, or <c>alreadyLive</c> when nothing had to move.</param>
/// <param name="PublicId">Of the instance.</param>
/// <param name="Release">What is live now.</param>
/// <param name="ChannelRevision">How often the live channel has moved.</param>
/// <param name="SourceRevision">The version it was made from.</param>
/// <param name="Url">Where it is served.</param>
/// <param name="Artifacts">The files of the release.</param>
/// <param name="StaleTranslations">For each locale, the places whose translation was left out because its text has changed.</param>
/// <param name="PassedOver">What the gates have against it, when it was forced.</param>
internal sealed record PublishedView(
    string Outcome,
    string PublicId,
    Digest Release,
    long ChannelRevision,
    long? SourceRevision,
    string Url,
    IReadOnlyList<ArtifactView> Artifacts,
    IReadOnlyDictionary<string, IReadOnlyList<string>> StaleTranslations,
    IReadOnlyList<GateFinding> PassedOver
)
{
    public static PublishedView Of(PublishInstance.Outcome outcome) =>
        new(
            outcome.Moved ? "published" : "alreadyLive",
            outcome.Instance.PublicId,
            outcome.Release,
            outcome.ChannelRevision,
            outcome.Instance.PublishedRevision,
            $"/e/{outcome.Instance.PublicId}",
            [.. outcome.Manifest.Files.Select(f => new ArtifactView(f.Path, f.Digest, f.SizeBytes))],
            outcome.Stale,
            outcome.PassedOver
        );
}

/// <summary>A file of a release.</summary>
internal sealed record ArtifactView(string Path, Digest Digest, long SizeBytes);
