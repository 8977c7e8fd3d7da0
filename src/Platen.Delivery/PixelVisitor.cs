using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Primitives;
using Platen.Kernel;
using Platen.Platform.Embedding;
using Platen.Platform.Http;

namespace Platen.Delivery;

/// <summary>
/// Answers <c>/p/{publicId}</c>: a picture of one transparent dot, or nothing for a beacon, which counts a view for whoever shows an instance by
/// other means than its page. Nothing of the visitor is looked at, kept or passed on; for an instance that is not public, its token is.
/// </summary>
internal sealed class PixelVisitor(
    InstanceCache cache,
    EmbedTokenVerifier embedTokens,
    DeliveryMetrics metrics,
    ILogger<PixelVisitor> logger
)
{
    private static readonly byte[] dot =
    [
        .. "GIF89a"u8,
        0x01,
        0x00,
        0x01,
        0x00,
        0x80,
        0x00,
        0x00,
        0x00,
        0x00,
        0x00,
        0xff,
        0xff,
        0xff,
        0x21,
        0xf9,
        0x04,
        0x01,
        0x00,
        0x00,
        0x00,
        0x00,
        0x2c,
        0x00,
        0x00,
        0x00,
        0x00,
        0x01,
        0x00,
        0x01,
        0x00,
        0x00,
        0x02,
        0x02,
        0x44,
        0x01,
        0x00,
        0x3b,
    ];

    // Every view asks: a kept picture would count nobody.
    private static readonly StringValues notStored = "no-store";
    private static readonly StringValues nosniff = "nosniff";
    private static readonly StringValues anyOrigin = "*";
    private static readonly StringValues crossOrigin = "cross-origin";

    public static bool Owns(string? path) =>
        path is { Length: > 3 } && path.StartsWith("/p/", StringComparison.Ordinal);

    public async Task AnswerAsync(HttpContext context)
    {
        var (request, response) = (context.Request, context.Response);
        response.Headers.CacheControl = notStored;
        response.Headers.XContentTypeOptions = nosniff;
        response.Headers.AccessControlAllowOrigin = anyOrigin;
        response.Headers["Cross-Origin-Resource-Policy"] = crossOrigin;
        var isBeacon = HttpMethods.IsPost(request.Method);
        if (!isBeacon && !HttpMethods.IsGet(request.Method) && !HttpMethods.IsHead(request.Method))
        {
            response.Headers.Allow = "GET, HEAD, POST";
            await RefuseAsync(context, KernelProblems.MethodNotAllowed.Because("A view is counted with GET or POST."));
            return;
        }
        try
        {
            if (!PublicId.TryParse(request.Path.Value![3..], out var id))
            {
                await RefuseAsync(context, KernelProblems.NotFound.Because("The path names no instance."));
                return;
            }
            var (outcome, slot) = await cache.GetAsync(id, context.RequestAborted);
            if (outcome == LookupOutcome.Unavailable)
            {
                response.Headers.RetryAfter = "2";
                await RefuseAsync(context, KernelProblems.Unavailable.Because("Views cannot be counted right now."));
                return;
            }
            if (slot.Item is not PublishedInstance instance)
            {
                await RefuseAsync(context, KernelProblems.NotFound.Because($"Nothing is published as {id}."));
                return;
            }
            // Whoever may not see it has not viewed it, and is told as much of it as its page tells.
            if (
                instance.IsPrivate && PrivateAccess.Judge(request, instance, embedTokens) is { Status: not 200 } refused
            )
            {
                await RefuseAsync(context, PrivateAccess.Problem(context.Response, refused));
                return;
            }
            if (!HttpMethods.IsHead(request.Method))
                instance.Views?.Count();
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            return;
        }
        // This stands before every other error handling of the host.
        catch (Exception e)
        {
            logger.AnswerFailed(request.Path.Value, RequestTrace.IdOf(context), e);
            await RefuseAsync(context, KernelProblems.Internal.Because("The server failed; its log has the reason."));
            return;
        }
        if (isBeacon)
        {
            response.StatusCode = StatusCodes.Status204NoContent;
            metrics.Answered(CacheLevel.Memory, StatusCodes.Status204NoContent, null);
            return;
        }
        response.ContentType = "image/gif";
        response.ContentLength = dot.Length;
        metrics.Answered(CacheLevel.Memory, StatusCodes.Status200OK, null);
        if (!HttpMethods.IsHead(request.Method))
            await response.Body.WriteAsync(dot, CancellationToken.None);
    }

    private Task RefuseAsync(HttpContext context, Problem problem)
    {
        metrics.Answered(CacheLevel.None, problem.Type.Status, null);
        return ProblemResponses.WriteAsync(context, problem);
    }
}
