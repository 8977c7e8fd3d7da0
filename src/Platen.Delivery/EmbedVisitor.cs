using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Platen.Kernel;
using Platen.Platform.Http;

namespace Platen.Delivery;

/// <summary>Answers a request for the loader or its manifest. It asks nothing of the database or the store.</summary>
internal static class EmbedVisitor
{
    // Five minutes until a page elsewhere has a corrected loader; and while this server is away, they go on with what they have.
    private static readonly StringValues shortLived =
        "public, max-age=300, stale-while-revalidate=86400, stale-if-error=604800";
    private static readonly StringValues immutable = "public, max-age=31536000, immutable";
    private static readonly StringValues notStored = "no-store";
    private static readonly StringValues varyByCoding = "Accept-Encoding";
    private static readonly StringValues nosniff = "nosniff";
    private static readonly StringValues anyOrigin = "*";
    private static readonly StringValues crossOrigin = "cross-origin";
    private static readonly StringValues readMethods = "GET, HEAD";

    private const string CrossOriginResourcePolicy = "Cross-Origin-Resource-Policy";

    public static bool Owns(string? path) =>
        path is not null && path.StartsWith(EmbedFiles.Prefix, StringComparison.Ordinal);

    public static Task AnswerAsync(HttpContext context, DeliveryMetrics metrics)
    {
        var (request, response) = (context.Request, context.Response);
        var headers = response.Headers;
        headers.XContentTypeOptions = nosniff;
        // Any page may load it, also one that asks by CORS for the sake of an integrity value, or that isolates itself.
        headers.AccessControlAllowOrigin = anyOrigin;
        headers[CrossOriginResourcePolicy] = crossOrigin;
        if (!HttpMethods.IsGet(request.Method) && !HttpMethods.IsHead(request.Method))
        {
            headers.Allow = readMethods;
            return RefuseAsync(
                context,
                metrics,
                KernelProblems.MethodNotAllowed.Because("It is read with GET and HEAD.")
            );
        }
        if (EmbedFiles.Find(request.Path.Value!) is not { } file)
        {
            return RefuseAsync(
                context,
                metrics,
                KernelProblems.NotFound.Because(
                    "There is /embed/v1/loader.js; /embed/v1/manifest.json names the address of this version alone."
                )
            );
        }
        if (AcceptEncoding.Read(request.Headers.AcceptEncoding).Choose(file.Asset) is not { } variant)
        {
            return RefuseAsync(
                context,
                metrics,
                DeliveryProblems.NotAcceptable.Because("Allow identity, gzip or br in Accept-Encoding.")
            );
        }

        headers.ETag = variant.ETag;
        headers.CacheControl = file.Immutable ? immutable : shortLived;
        headers.Vary = varyByCoding;
        var ifMatch = request.Headers.IfMatch;
        if (ifMatch.Count != 0 && !EntityTags.AnyStronglyEqual(ifMatch, variant.Tag))
        {
            headers.CacheControl = notStored;
            response.StatusCode = StatusCodes.Status412PreconditionFailed;
            response.ContentLength = 0;
            metrics.Answered(CacheLevel.Memory, response.StatusCode, null);
            return Task.CompletedTask;
        }
        if (EntityTags.AnyWeaklyEqual(request.Headers.IfNoneMatch, variant.Tag))
        {
            response.StatusCode = StatusCodes.Status304NotModified;
            metrics.Answered(CacheLevel.Memory, response.StatusCode, null);
            return Task.CompletedTask;
        }
        headers.ContentType = variant.ContentType;
        if (variant.ContentEncoding.Count != 0)
            headers.ContentEncoding = variant.ContentEncoding;
        response.ContentLength = variant.SizeBytes;
        metrics.Answered(CacheLevel.Memory, StatusCodes.Status200OK, variant.Coding);
        return HttpMethods.IsHead(request.Method)
            ? Task.CompletedTask
            : response.Body.WriteAsync(variant.Bytes!, CancellationToken.None).AsTask();
    }

    private static Task RefuseAsync(HttpContext context, DeliveryMetrics metrics, Problem problem)
    {
        context.Response.Headers.CacheControl = notStored;
        metrics.Answered(CacheLevel.None, problem.Type.Status, null);
        return ProblemResponses.WriteAsync(context, problem);
    }
}
