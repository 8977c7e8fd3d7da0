using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using Npgsql;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Platform.Blobs;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;
using Platen.Widgets.Packages;

namespace Platen.Widgets.Stages;

/// <summary>
/// Links that show a release to whoever has the link, before it is live or after: of what stands in the tables now, of a release
/// that is named, or of all that a cut-over will show. The link is a secret of 190 bits and holds for a while; what it shows is not found by anything else.
/// </summary>
internal sealed class PreviewLinks(
    PostgresPools pools,
    IBlobStore blobs,
    WidgetRegistry registry,
    CarryOutCutover cutovers,
    TimeProvider time
)
{
    private const string Letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    private const int TokenLength = 32;
    private static readonly SearchValues<char> TokenLetters = SearchValues.Create(Letters);

    /// <param name="Release">Which release; null for what stands in the tables now.</param>
    /// <param name="Minutes">How long the link holds; null for an hour.</param>
    public sealed record Body(string? Release = null, int? Minutes = null);

    /// <param name="Minutes">How long the link holds; null for an hour.</param>
    public sealed record CutoverBody(int? Minutes = null);

    public sealed record Link(string Url, Digest Release, DateTimeOffset ExpiresAt);

    /// <summary>One link to all that a cut-over will show.</summary>
    public sealed record CutoverLink(string Url, IReadOnlyList<Shown> Items, DateTimeOffset ExpiresAt);

    public sealed record Shown(string PublicId, Digest Release);

    /// <summary>What a link shows.</summary>
    public abstract record Sight;

    /// <summary>A page of a release, with its whole policy.</summary>
    public sealed record Page(ReadOnlyMemory<byte> Html, string Policy, string? Locale) : Sight;

    /// <summary>Several instances, of which one is to be chosen: a page of them.</summary>
    /// <param name="Items">In the order of their ids.</param>
    /// <param name="Before">How many stand on the pages before.</param>
    /// <param name="Total">How many there are.</param>
    /// <param name="Former">After which id the page before begins, empty for the first page; null when this is the first.</param>
    /// <param name="Next">After which id the next page begins; null when this is the last.</param>
    public sealed record Choice(IReadOnlyList<Shown> Items, int Before, int Total, string? Former, string? Next)
        : Sight;

    public async Task<Link> MakeAsync(Caller caller, PublicId id, Body body, CancellationToken ct)
    {
        var life = LifeOf(body.Minutes);
        var operation = InstanceRequests.Writer(caller, id, "preview");
        var made = body.Release is null ? await MakeReleaseAsync(operation, id, ct) : null;
        await using var session = await pools.OpenAsync(operation, ct);
        var instance = await Instance.FindAsync(session, id, ct) ?? throw InstanceRequests.NotFound(id);
        if (made is not null)
            await ReleaseStore.RecordAsync(session, made, ct);
        else if (
            !Digest.TryParse(body.Release, out var named)
            || await ReleaseStore.FindAsync(session, instance.Subject, named, ct)
                is not { Manifest.ArtifactType: InstanceRelease.ArtifactType }
        )
        {
            throw WidgetsProblems
                .NoSuchRelease.Because(
                    $"'{id}' has no release '{body.Release}'.",
                    [new Fault("/release", "Not a release of this instance.")]
                )
                .AsException();
        }
        var release = made?.Digest ?? Digest.Parse(body.Release!);
        var expiresAt = time.GetUtcNow() + life;
        var url = await AddAsync(session, [(instance.Subject, release)], life, ct);
        await AuditLog.RecordAsync(
            session,
            WidgetEvents.PreviewLinked,
            WidgetEvents.Stream(id.ToString()).Value,
            before: null,
            release,
            new { expiresAt },
            ct
        );
        await session.CommitAsync(ct);
        return new Link(url, release, expiresAt);
    }

    /// <summary>A link to everything that a scheduled cut-over will show, as it will be then.</summary>
    public async Task<CutoverLink> MakeAsync(Caller caller, Guid id, CutoverBody body, CancellationToken ct)
    {
        var life = LifeOf(body.Minutes);
        var operation = caller.Operation("preview cut-over");
        Cutover cutover;
        await using (var asking = await pools.OpenAsync(operation, ct))
            cutover = await Cutover.FindAsync(asking, id, ct) ?? throw Cutover.NotFound(id);
        if (cutover.State != Cutover.Scheduled)
            throw KernelProblems.Conflict.Because($"The cut-over is {cutover.State}.").AsException();
        var sights = await cutovers.RenderAsync(operation, cutover.Order, ct);
        if (sights.Count == 0)
            throw KernelProblems.Conflict.Because("The cut-over shows nothing.").AsException();
        await using var session = await pools.OpenAsync(operation, ct);
        var expiresAt = time.GetUtcNow() + life;
        var url = await AddAsync(
            session,
            [.. sights.Select(s => (InstanceHome.Curated.SubjectOf(s.PublicId), s.Release))],
            life,
            ct
        );
        await AuditLog.RecordAsync(
            session,
            WidgetEvents.PreviewLinked,
            $"cutover/{id:D}",
            before: null,
            after: null,
            new { items = sights.Count, expiresAt },
            ct
        );
        await session.CommitAsync(ct);
        return new CutoverLink(url, [.. sights.Select(s => new Shown(s.PublicId, s.Release))], expiresAt);
    }

    private static TimeSpan LifeOf(int? minutes)
    {
        var life = minutes is { } asked ? TimeSpan.FromMinutes(asked) : WidgetsLimits.PreviewLife;
        return life > TimeSpan.Zero && life <= WidgetsLimits.LongestPreviewLife
            ? life
            : throw KernelProblems
                .Invalid.Because(
                    "The link cannot hold that long.",
                    [new Fault("/minutes", $"1 to {WidgetsLimits.LongestPreviewLife.TotalMinutes:0}.")]
                )
                .AsException();
    }

    /// <summary>What the link shows; null when it does not hold (any more).</summary>
    /// <param name="token">From the address.</param>
    /// <param name="publicId">Of a link to several instances, which; null to choose.</param>
    /// <param name="after">Of those to choose from, only what comes after this id; null for the first page.</param>
    /// <param name="locale">A locale that the release has; null for its first.</param>
    /// <param name="theme"><c>auto</c>, <c>light</c> or <c>dark</c>.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<Sight?> ShowAsync(
        string token,
        string? publicId,
        string? after,
        string? locale,
        string theme,
        CancellationToken ct
    )
    {
        if (token.Length != TokenLength || token.AsSpan().ContainsAnyExcept(TokenLetters))
            return null;
        var found = await FindAsync(Hash(token), ct);
        var wanted = found.FindAll(f => publicId is null || f.PublicId == publicId);
        if (wanted.Count > 1)
            return ChoiceOf(wanted, after);
        if (wanted is not [var one])
            return null;
        ReleaseManifest manifest;
        await using (var own = await pools.OpenAsync(OperationContext.ForSystem(one.Owner, "preview"), ct))
        {
            if (await ReleaseStore.FindAsync(own, one.Subject, one.Release, ct) is not { } release)
                return null;
            manifest = release.Manifest;
        }
        var pages = manifest
            .Files.Where(f =>
                f.Annotation("dev.platen.kind") == "page"
                && f.Annotation("dev.platen.encoding") is null
                && f.Annotation("dev.platen.theme") == theme
            )
            .ToList();
        var page =
            pages.FirstOrDefault(f => f.Annotation("dev.platen.locale") == locale)
            ?? pages.FirstOrDefault(f =>
                f.Annotation("dev.platen.locale") == manifest.Annotations.GetValueOrDefault("dev.platen.base-locale")
            );
        if (page is null)
            return null;
        return await blobs.ReadAllAsync(one.Owner, page.Digest, (int)page.SizeBytes, ct) is ReadOutcome.Read read
            ? new Page(
                read.Bytes,
                page.Annotation("dev.platen.csp") ?? "default-src 'none'",
                page.Annotation("dev.platen.locale")
            )
            : throw new InvalidDataException($"The blob {page.Digest} of a recorded release is missing or damaged.");
    }

    private static Choice ChoiceOf(List<Found> all, string? after)
    {
        all.Sort((a, b) => string.CompareOrdinal(a.PublicId, b.PublicId));
        var before = string.IsNullOrEmpty(after) ? 0 : all.Count(f => string.CompareOrdinal(f.PublicId, after) <= 0);
        var items = all.Skip(before).Take(WidgetsLimits.PreviewedTogether).ToList();
        var former = before - WidgetsLimits.PreviewedTogether;
        return new Choice(
            [.. items.Select(f => new Shown(f.PublicId, f.Release))],
            before,
            all.Count,
            before == 0 ? null
                : former <= 0 ? ""
                : all[former - 1].PublicId,
            before + items.Count < all.Count ? items[^1].PublicId : null
        );
    }

    private async Task<ReleaseDraft> MakeReleaseAsync(OperationContext operation, PublicId id, CancellationToken ct)
    {
        Instance instance;
        List<Overlay> overlays;
        Branding branding;
        await using (var session = await pools.OpenAsync(operation, ct))
        {
            instance = await Instance.FindAsync(session, id, ct) ?? throw InstanceRequests.NotFound(id);
            overlays = await Overlay.ListAsync(session, id, ct);
            branding = Branding.Of(await Entitlements.ListAsync(session, ct));
        }
        var made = InstanceRelease.Make(registry.Find(instance.WidgetType), instance, overlays, branding.Shown);
        await ReleaseStore.StoreBytesAsync(blobs, operation.Owner, made.Draft, ct);
        return made.Draft;
    }

    /// <returns>The link's address.</returns>
    private static async Task<string> AddAsync(
        Session session,
        IReadOnlyList<(string Subject, Digest Release)> shown,
        TimeSpan life,
        CancellationToken ct
    )
    {
        await session.ExecuteAsync(
            "delete from widgets.preview_link where owner = platform.current_owner() and expires_at < clock_timestamp()",
            ct
        );
        var token = RandomNumberGenerator.GetString(Letters, TokenLength);
        var added = await session.ExecuteAsync(
            """
            insert into widgets.preview_link (owner, id, token_hash, subject, release_digest, created_by_name, expires_at)
            select platform.current_owner(), s.id, $2, s.subject, s.release, $5, clock_timestamp() + $6
            from unnest($1::uuid[], $3::text[], $4::text[]) as s (id, subject, release)
            where (
                select count(distinct l.token_hash) from widgets.preview_link l where l.owner = platform.current_owner()
            ) < $7
            """,
            ct,
            new NpgsqlParameter<Guid[]> { TypedValue = [.. shown.Select(_ => Guid.CreateVersion7())] },
            Sql.Bytes(Hash(token)),
            new NpgsqlParameter<string[]> { TypedValue = [.. shown.Select(s => s.Subject)] },
            new NpgsqlParameter<string[]> { TypedValue = [.. shown.Select(s => s.Release.ToString())] },
            Sql.Text(session.Context.Actor.Name),
            new NpgsqlParameter<TimeSpan> { TypedValue = life },
            Sql.Int(WidgetsLimits.PreviewLinks)
        );
        return added > 0
            ? "/preview/" + token
            : throw KernelProblems
                .Conflict.Because($"{WidgetsLimits.PreviewLinks} links to previews hold; wait for one to end.")
                .AsException();
    }

    private sealed record Found(OwnerId Owner, string Subject, Digest Release)
    {
        public string PublicId => Subject[(Subject.IndexOf('/', StringComparison.Ordinal) + 1)..];
    }

    private async Task<List<Found>> FindAsync(byte[] hash, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(OperationContext.ForSystem(OwnerId.Platform, "preview"), ct);
        return await session.ListAsync(
            "select owner, subject, release_digest from widgets.find_preview($1)",
            row => new Found(new OwnerId(row.GetGuid(0)), row.GetString(1), Digest.Parse(row.GetString(2))),
            ct,
            Sql.Bytes(hash)
        );
    }

    private static byte[] Hash(string token) => SHA256.HashData(Encoding.ASCII.GetBytes(token));
}
