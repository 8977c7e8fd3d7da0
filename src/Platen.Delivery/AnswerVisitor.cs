using System.Globalization;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Primitives;
using Platen.Kernel;
using Platen.Platform.Embedding;
using Platen.Platform.Http;

namespace Platen.Delivery;

/// <summary>
/// Answers one request for published content. What is in memory is written without a query, a hash, a template or a
/// wait; only then is the slow way taken, where instances are loaded and refusals are worded.
/// </summary>
internal sealed class AnswerVisitor(
    InstanceCache cache,
    DeliveryMetrics metrics,
    TimeProvider time,
    EmbedTokenVerifier embedTokens,
    ILogger<AnswerVisitor> logger,
    KeyHolderRule? keyHolders = null
)
{
    // Without must-revalidate, which would forbid what stale-if-error allows (RFC 9111 section 4.2.4).
    private static readonly StringValues revalidated = "public, max-age=0, stale-if-error=86400";
    private static readonly StringValues immutable = "public, max-age=31536000, immutable";
    private static readonly StringValues notStored = "no-store";
    private static readonly StringValues varyByCoding = "Accept-Encoding";
    private static readonly StringValues varyByCodingAndLanguage = "Accept-Encoding, Accept-Language";
    private static readonly StringValues nosniff = "nosniff";
    private static readonly StringValues anyOrigin = "*";
    private static readonly StringValues crossOrigin = "cross-origin";
    private static readonly StringValues bytesUnit = "bytes";
    private static readonly StringValues referrer = "strict-origin-when-cross-origin";
    private static readonly StringValues permissions =
        "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), "
        + "microphone=(), payment=(), usb=()";
    private static readonly StringValues baselineShown = "baseline";
    private static readonly StringValues noneShown = "none";
    private static readonly StringValues readMethods = "GET, HEAD";

    private static readonly StringValues requireCorp = "require-corp";

    private const string CrossOriginResourcePolicy = "Cross-Origin-Resource-Policy";

    // A page asks for nothing, so it can promise this; without it, a page around that isolates itself could not show it.
    private const string CrossOriginEmbedderPolicy = "Cross-Origin-Embedder-Policy";
    private const string PermissionsPolicy = "Permissions-Policy";
    private const string ReferrerPolicy = "Referrer-Policy";
    private const string Fallback = "X-Platen-Fallback";

    public Task AnswerAsync(HttpContext context)
    {
        var request = context.Request;
        if (
            (HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method))
            && DeliveryPath.TryRead(request.Path.Value, out var target, out var id, out var file)
            && cache.TryGet(id, out var slot)
            && slot.Item is PublishedInstance { IsPrivate: false } own
        )
        {
            var shown = own;
            var followed = own.Deprecated is not { BaselineKey: { } baseline } || target == Target.Artifact;
            if (!followed && cache.TryGet(own.Deprecated!.BaselineKey, out var other))
                followed = (shown = other.Item as PublishedInstance) is not null;
            if (followed && Select(request, target, shown!, file) is { Asset: not null } selection)
            {
                var variant = AcceptEncoding.Read(request.Headers.AcceptEncoding).Choose(selection.Asset);
                if (variant?.Bytes is not null)
                {
                    return RespondAsync(
                        context,
                        new Answer(target, own, shown!, variant, selection.ByLanguage),
                        slot.Stale ? CacheLevel.Stale : CacheLevel.Memory
                    );
                }
            }
        }
        return AnswerSlowlyAsync(context);
    }

    /// <summary>
    /// As <see cref="AnswerAsync"/> for a request that carries a credential: whoever holds a key that may know is told in
    /// <c>Server-Timing</c> how long it took, and from where it came.
    /// </summary>
    public async Task AnswerToCredentialAsync(HttpContext context)
    {
        var began = time.GetTimestamp();
        // Nobody keeps what a HEAD says, but caches freshen with it what they have.
        var holder =
            keyHolders is not null && HttpMethods.IsGet(context.Request.Method) ? await keyHolders(context) : null;
        if (holder is { } owner)
            await AnswerSlowlyAsync(context, new Timing(owner, began, time.GetTimestamp()));
        else
            await AnswerAsync(context);
    }

    private async Task AnswerSlowlyAsync(HttpContext context, Timing? timing = null)
    {
        try
        {
            await FindAndRespondAsync(context, timing);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The visitor left; the load goes on for the next one.
        }
        // This stands before every other error handling of the host.
        catch (Exception e)
        {
            logger.AnswerFailed(context.Request.Path.Value, RequestTrace.IdOf(context), e);
            if (context.Response.HasStarted)
                context.Abort();
            else
                await RefuseAsync(context, 500, null);
        }
    }

    private async Task FindAndRespondAsync(HttpContext context, Timing? timing)
    {
        var request = context.Request;
        if (!HttpMethods.IsGet(request.Method) && !HttpMethods.IsHead(request.Method))
        {
            if (PrivateAccess.TryAnswerPreflight(context))
                return;
            context.Response.Headers.Allow = readMethods;
            await RefuseAsync(context, 405, null);
            return;
        }
        if (!TryParse(request.Path.Value, out var target, out var id, out var file))
        {
            await RefuseAsync(context, 404, null);
            return;
        }
        var wasInMemory = cache.TryGet(id.ToString(), out var before) && before.Item is not null;
        var found = await ResolveAsync(request, target, id, file, context.RequestAborted);
        PrivateGrant? grant = null;
        // Before anything else is said of it, its files included.
        if (found.Own is { IsPrivate: true } own)
        {
            grant = PrivateAccess.Judge(request, own, embedTokens);
            if (grant.Status != 200)
            {
                if (grant.Status == 401)
                    context.Response.Headers.WWWAuthenticate = PresentedToken.Challenge;
                await RefuseAsync(context, grant.Status, id, grant.Why);
                return;
            }
        }
        if (found.Status != 200)
        {
            await RefuseAsync(context, found.Status, id);
            return;
        }
        var level =
            found.IsStale ? CacheLevel.Stale
            : wasInMemory && !found.IsFormer ? CacheLevel.Memory
            : found.IsFromDisk ? CacheLevel.Disk
            : CacheLevel.Store;
        await RespondAsync(
            context,
            new Answer(target, found.Own!, found.Shown!, found.Variant!, found.ByLanguage)
            {
                Grant = grant,
                Timing = timing is { } asked && asked.MayKnowOf(found.Own!) ? asked : null,
            },
            level
        );
    }

    /// <summary>Finds what a request gets, loading what is not in memory.</summary>
    public async Task<Resolution> ResolveAsync(
        HttpRequest request,
        Target target,
        PublicId id,
        string file,
        CancellationToken ct
    )
    {
        var (outcome, slot) = await cache.GetAsync(id, ct);
        if (outcome != LookupOutcome.Found || slot.Item is not PublishedInstance own)
            return new Resolution(outcome == LookupOutcome.Unavailable ? 503 : 404);

        var (shown, shownSlot) = (own, slot);
        if (own.Deprecated is { BaselineKey: { } key } && target != Target.Artifact)
        {
            var (found, other) = await cache.GetAsync(PublicId.Parse(key), ct);
            // Without a baseline to go to, the visitors of a site keep what they have.
            if (found == LookupOutcome.Found && other.Item is PublishedInstance baseline)
                (shown, shownSlot) = (baseline, other);
        }

        var resolved = new Resolution(200)
        {
            Own = own,
            Shown = shown,
            IsStale = shownSlot.Stale,
            IsFromDisk = shown.IsFromDisk,
        };
        var selection = Select(request, target, shown, file);
        if (selection.Asset is null && target == Target.Artifact)
        {
            (outcome, selection) = await FindFormerAsync(own, file, ct);
            resolved = resolved with { IsFormer = true, IsFromDisk = selection.IsFromDisk };
            if (outcome == LookupOutcome.Unavailable)
                return resolved with { Status = 503 };
        }
        if (selection.Asset is null)
            return resolved with { Status = 404 };
        if (AcceptEncoding.Read(request.Headers.AcceptEncoding).Choose(selection.Asset) is not { } variant)
            return resolved with { Status = 406 };
        if (variant.Bytes is null && !await TryLoadAsync(shownSlot, variant))
            return resolved with { Status = 503 };
        return resolved with { Variant = variant, ByLanguage = selection.ByLanguage };
    }

    // The manifest of a deprecated instance is its baseline's, so a name found in it may be the baseline's artifact.
    private async Task<(LookupOutcome Outcome, Selection Selection)> FindFormerAsync(
        PublishedInstance own,
        string file,
        CancellationToken ct
    )
    {
        var (outcome, slot) = await cache.GetArtifactAsync(own, file, ct);
        if (outcome == LookupOutcome.Absent && own.Deprecated is { BaselineKey: { } key })
        {
            (outcome, slot) = await cache.GetAsync(PublicId.Parse(key), ct);
            if (slot.Item is PublishedInstance baseline)
            {
                if (baseline.Artifacts.TryGetValue(file, out var asset))
                    return (LookupOutcome.Found, new Selection(asset, false, baseline.IsFromDisk));
                (outcome, slot) = await cache.GetArtifactAsync(baseline, file, ct);
            }
        }
        return (outcome, new Selection((slot.Item as FormerArtifact)?.Asset, false, slot.Item is { IsFromDisk: true }));
    }

    private async Task<bool> TryLoadAsync(Slot slot, Variant variant)
    {
        try
        {
            await cache.LoadVariantAsync(slot, variant);
            return true;
        }
        catch (Exception e) when (e is InvalidDataException or ProblemException or OperationCanceledException)
        {
            logger.LoadFailed(slot.Key, servedOn: false, e);
            return false;
        }
    }

    private static bool TryParse(string? path, out Target target, out PublicId id, out string file)
    {
        var known = DeliveryPath.TryRead(path, out target, out var idText, out var fileText);
        file = fileText.ToString();
        id = null!;
        return known && idText.Length <= PublicId.MaxLength && PublicId.TryParse(idText.ToString(), out id!);
    }

    private static Selection Select(
        HttpRequest request,
        Target target,
        PublishedInstance shown,
        ReadOnlySpan<char> file
    )
    {
        if (target == Target.Manifest)
            return new Selection(shown.Manifest, false);
        if (target == Target.Artifact)
            return new Selection(shown.Artifacts.TryGetValue(file, out var artifact) ? artifact : null, false);
        if (shown.Locales.Length == 0)
            return default;

        var query = PageQuery.Read(request.QueryString.Value);
        var index = ChooseLocale(request, shown, query, out var byLanguage);
        return new Selection(shown.Locales[index][query.Theme], byLanguage);
    }

    /// <summary>Which of an instance's locales a request gets, and whether Accept-Language had a say.</summary>
    public static int ChooseLocale(
        HttpRequest request,
        PublishedInstance shown,
        in PageQuery query,
        out bool byLanguage
    )
    {
        var index = query.Locale.IsEmpty ? -1 : shown.Languages.Best(query.Locale);
        byLanguage = index < 0;
        if (byLanguage && shown.Locales.Length > 1)
            index = shown.Languages.Best(request.Headers.AcceptLanguage);
        return Math.Max(index, 0);
    }

    private Task RespondAsync(HttpContext context, in Answer answer, CacheLevel level)
    {
        var request = context.Request;
        var response = context.Response;
        var headers = response.Headers;
        var variant = answer.Variant;
        var bytes = variant.Bytes!;
        var dated = answer.Shown.IsDated(time) && answer.Own.IsDated(time);
        var latest = answer.Own.LastModifiedSeconds > answer.Shown.LastModifiedSeconds ? answer.Own : answer.Shown;

        headers.ETag = variant.ETag;
        headers.CacheControl = answer.Target == Target.Artifact ? immutable : revalidated;
        headers.Vary = answer.ByLanguage ? varyByCodingAndLanguage : varyByCoding;
        if (dated)
            headers.LastModified = latest.LastModified;
        if (answer.Target != Target.Page)
            headers.AccessControlAllowOrigin = anyOrigin;
        if (answer.Own.Deprecated is { } deprecation && answer.Target != Target.Artifact)
            SayDeprecated(headers, answer, deprecation);

        if (answer.Grant is not null)
            PrivateAccess.Restrict(request, headers, answer.Target == Target.Page);

        var judged = Judge(request, variant, dated ? latest.LastModifiedSeconds : null);
        // Whoever has the page already looks at it again.
        if (
            answer.Target == Target.Page
            && judged != StatusCodes.Status412PreconditionFailed
            && HttpMethods.IsGet(request.Method)
        )
        {
            answer.Own.Views?.Count();
        }
        switch (judged)
        {
            case StatusCodes.Status304NotModified:
                response.StatusCode = StatusCodes.Status304NotModified;
                metrics.Answered(level, StatusCodes.Status304NotModified, null);
                return Task.CompletedTask;
            case StatusCodes.Status412PreconditionFailed:
                response.StatusCode = StatusCodes.Status412PreconditionFailed;
                headers.CacheControl = notStored;
                response.ContentLength = 0;
                metrics.Answered(level, StatusCodes.Status412PreconditionFailed, null);
                return Task.CompletedTask;
        }

        if (answer.Timing is { } timing)
            SayTime(context, timing, level);
        headers.ContentType = variant.ContentType;
        if (variant.ContentEncoding.Count != 0)
            headers.ContentEncoding = variant.ContentEncoding;
        if (variant.ContentLanguage.Count != 0)
            headers.ContentLanguage = variant.ContentLanguage;
        headers.XContentTypeOptions = nosniff;
        headers[CrossOriginResourcePolicy] = crossOrigin;
        if (answer.Target == Target.Page)
        {
            if (variant.ContentSecurityPolicy.Count != 0)
                headers.ContentSecurityPolicy = variant.ContentSecurityPolicy;
            if (answer.Grant is { } framed)
                headers.ContentSecurityPolicy = PrivateAccess.Framed(variant.ContentSecurityPolicy, framed);
            headers[ReferrerPolicy] = referrer;
            headers[PermissionsPolicy] = permissions;
            headers[CrossOriginEmbedderPolicy] = requireCorp;
        }

        var (first, length) = (0L, (long)bytes.Length);
        var status = StatusCodes.Status200OK;
        if (answer.Target == Target.Artifact)
        {
            headers.AcceptRanges = bytesUnit;
            status = ReadRange(request, variant, dated ? latest.LastModifiedSeconds : null, ref first, ref length);
            if (status == StatusCodes.Status416RangeNotSatisfiable)
            {
                response.StatusCode = status;
                headers.ContentRange = string.Create(CultureInfo.InvariantCulture, $"bytes */{bytes.Length}");
                headers.CacheControl = notStored;
                headers.ContentEncoding = default;
                response.ContentLength = 0;
                metrics.Answered(level, status, null);
                return Task.CompletedTask;
            }
            if (status == StatusCodes.Status206PartialContent)
            {
                response.StatusCode = status;
                headers.ContentRange = string.Create(
                    CultureInfo.InvariantCulture,
                    $"bytes {first}-{first + length - 1}/{bytes.Length}"
                );
            }
        }
        response.ContentLength = length;
        metrics.Answered(level, status, variant.Coding);
        if (HttpMethods.IsHead(request.Method))
            return Task.CompletedTask;
        // A token here would make Kestrel allocate a source for every request; a write to a closed connection ends by itself.
        var written = response.BodyWriter.WriteAsync(bytes.AsMemory((int)first, (int)length), CancellationToken.None);
        return written.IsCompletedSuccessfully ? Task.CompletedTask : FinishAsync(written);
    }

    private static async Task FinishAsync(ValueTask<System.IO.Pipelines.FlushResult> written) => await written;

    // RFC 9110 section 13.2.2; 200 means that the request goes on.
    private static int Judge(HttpRequest request, Variant variant, DateTimeOffset? lastModified)
    {
        var headers = request.Headers;
        var ifMatch = headers.IfMatch;
        if (ifMatch.Count != 0)
        {
            if (!EntityTags.AnyStronglyEqual(ifMatch, variant.Tag))
                return StatusCodes.Status412PreconditionFailed;
        }
        else if (
            headers.IfUnmodifiedSince is { Count: 1 } unmodified
            && lastModified is { } changed
            && EntityTags.TryReadDate(unmodified[0], out var before)
            && changed > before
        )
        {
            return StatusCodes.Status412PreconditionFailed;
        }

        var ifNoneMatch = headers.IfNoneMatch;
        if (ifNoneMatch.Count != 0)
        {
            return EntityTags.AnyWeaklyEqual(ifNoneMatch, variant.Tag)
                ? StatusCodes.Status304NotModified
                : StatusCodes.Status200OK;
        }
        return
            headers.IfModifiedSince is { Count: 1 } since
            && lastModified is { } modified
            && EntityTags.TryReadDate(since[0], out var seen)
            && modified <= seen
            ? StatusCodes.Status304NotModified
            : StatusCodes.Status200OK;
    }

    private static int ReadRange(
        HttpRequest request,
        Variant variant,
        DateTimeOffset? lastModified,
        ref long first,
        ref long length
    )
    {
        if (request.Headers.Range is not { Count: 1 } range || !HttpMethods.IsGet(request.Method))
            return StatusCodes.Status200OK;
        if (request.Headers.IfRange is { Count: > 0 } ifRange)
        {
            var same =
                ifRange[0] is { } text && text.StartsWith('"')
                    ? ifRange.Count == 1 && string.Equals(text, variant.Tag, StringComparison.Ordinal)
                    : EntityTags.TryReadDate(ifRange[0], out var date) && date == lastModified;
            if (!same)
                return StatusCodes.Status200OK;
        }
        switch (ByteRange.Read(range[0], length, out var from, out var count))
        {
            case RangeOutcome.Part:
                (first, length) = (from, count);
                return StatusCodes.Status206PartialContent;
            case RangeOutcome.Unsatisfiable:
                return StatusCodes.Status416RangeNotSatisfiable;
            default:
                return StatusCodes.Status200OK;
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void SayDeprecated(IHeaderDictionary headers, in Answer answer, Deprecation deprecation)
    {
        headers[Fallback] = answer.Shown == answer.Own ? noneShown : baselineShown;
        if (answer.Shown != answer.Own)
            headers.Link = answer.Target == Target.Page ? deprecation.PageLink : deprecation.ManifestLink;
    }

    // With bytes alone, and for nobody else to keep: an answer without them freshens what a cache has for everybody, and would leave the
    // field there.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void SayTime(HttpContext context, in Timing timing, CacheLevel level)
    {
        context.Response.Headers.CacheControl = PrivateAccess.NotShared;
        context.AddServerTiming("key", time.GetElapsedTime(timing.Began, timing.Verified));
        context.AddServerTiming("find", time.GetElapsedTime(timing.Verified), DeliveryMetrics.NameOf(level));
        context.AddServerTiming("total", time.GetElapsedTime(timing.Began));
    }

    private async Task RefuseAsync(HttpContext context, int status, PublicId? id, string? why = null)
    {
        var response = context.Response;
        response.StatusCode = status;
        response.Headers.CacheControl = notStored;
        response.Headers.XContentTypeOptions = nosniff;
        response.Headers[CrossOriginResourcePolicy] = crossOrigin;
        if (status == StatusCodes.Status503ServiceUnavailable)
            response.Headers.RetryAfter = "2";
        metrics.Answered(CacheLevel.None, status, null);

        var data = context.Request.Path.Value is { Length: > 1 } path && path[1] == 'w';
        if (data)
            response.Headers.AccessControlAllowOrigin = anyOrigin;
        else
            response.Headers.Vary = StandInPage.Vary;
        if (data || status == StatusCodes.Status405MethodNotAllowed || PrefersJson(context.Request.Headers.Accept))
        {
            await ProblemResponses.WriteAsync(context, Wording(status, id, why));
            return;
        }
        response.Headers[ReferrerPolicy] = referrer;
        response.Headers[PermissionsPolicy] = permissions;
        var query = PageQuery.Read(context.Request.QueryString.Value);
        var language = StandInPage.LanguageOf(context.Request, query.Locale);
        await NotPublishedPage.For(status, id, language).WriteAsync(context);
    }

    private static Problem Wording(int status, PublicId? id, string? why) =>
        status switch
        {
            401 => KernelProblems.Unauthenticated.Because(why!),
            403 => KernelProblems.Forbidden.Because(why!),
            503 when why is not null => KernelProblems.Unavailable.Because(why),
            404 => KernelProblems.NotFound.Because(
                id is null
                    ? "The address names no widget: expected /e/{publicId}, /w/{publicId}/manifest.json or an artifact that the manifest names."
                    : $"Nothing is published at this address for {id}."
            ),
            405 => KernelProblems.MethodNotAllowed.Because("Published content is read with GET and HEAD."),
            406 => DeliveryProblems.NotAcceptable.Because(
                "The request refuses every content coding this is stored in: allow identity, gzip or br."
            ),
            503 => KernelProblems.Unavailable.Because("The widget is not in memory and cannot be read right now."),
            _ => KernelProblems.Internal.Because("The server failed; its log has the reason."),
        };

    private static bool PrefersJson(in StringValues accept)
    {
        int json = 0,
            html = 0;
        for (var i = 0; i < accept.Count; i++)
        {
            ReadOnlySpan<char> line = accept[i];
            while (!line.IsEmpty)
            {
                var type = WeightedList.Next(ref line, out var weight);
                if (type is "application/json" or "application/problem+json" or "application/*")
                    json = Math.Max(json, weight);
                else if (type is "text/html" or "text/*" or "application/xhtml+xml" or "*/*")
                    html = Math.Max(html, weight);
            }
        }
        return json > html;
    }

    private readonly record struct Selection(Asset? Asset, bool ByLanguage, bool IsFromDisk = false);

    /// <param name="Target">What was asked for.</param>
    /// <param name="Own">The instance that was asked for.</param>
    /// <param name="Shown">The instance that is shown: another when that one is deprecated.</param>
    /// <param name="Variant">What is sent.</param>
    /// <param name="ByLanguage">Whether Accept-Language had a say.</param>
    private readonly record struct Answer(
        Target Target,
        PublishedInstance Own,
        PublishedInstance Shown,
        Variant Variant,
        bool ByLanguage
    )
    {
        /// <summary>What a token opens, when the instance is not public.</summary>
        public PrivateGrant? Grant { get; init; }

        /// <summary>When it was begun, for who may know.</summary>
        public Timing? Timing { get; init; }
    }

    /// <param name="Holder">Whose key it was asked with.</param>
    /// <param name="Began">When, as a timestamp of the clock.</param>
    /// <param name="Verified">When the key had been looked at.</param>
    private readonly record struct Timing(OwnerId Holder, long Began, long Verified)
    {
        /// <summary>How a tenant's pages are served is theirs and the platform's to know; how the platform's own are is everybody's who has
        /// a key.</summary>
        public bool MayKnowOf(PublishedInstance instance) =>
            Holder.IsPlatform || instance.Owner.IsPlatform || Holder == instance.Owner;
    }
}

/// <summary>What a request for published content comes to.</summary>
/// <param name="Status">200, or why nothing is sent.</param>
internal readonly record struct Resolution(int Status)
{
    /// <summary>The instance that was asked for; null when it is not published.</summary>
    public PublishedInstance? Own { get; init; }

    /// <summary>The instance that is shown.</summary>
    public PublishedInstance? Shown { get; init; }

    /// <summary>What is sent.</summary>
    public Variant? Variant { get; init; }

    /// <summary>Whether Accept-Language had a say.</summary>
    public bool ByLanguage { get; init; }

    /// <summary>Whether a later release may exist.</summary>
    public bool IsStale { get; init; }

    /// <summary>Whether the bytes came from this node's disk.</summary>
    public bool IsFromDisk { get; init; }

    /// <summary>Whether it is a file of a former release.</summary>
    public bool IsFormer { get; init; }
}
