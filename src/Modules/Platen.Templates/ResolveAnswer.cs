using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;
using Platen.Kernel;

namespace Platen.Templates;

/// <summary>A resolve's answer as it is sent: made once, shared by every request that gets it, never changed.</summary>
internal sealed class ResolveAnswer
{
    // Whoever asks is told what holds now; what was told before may be used while nobody can be asked.
    private static readonly StringValues revalidated = "private, no-cache, stale-if-error=86400";
    private static readonly StringValues vary = "Authorization, Origin";
    private static readonly StringValues json = "application/json; charset=utf-8";

    private readonly byte[] body;
    private readonly string tag;
    private readonly StringValues tagField;
    private readonly StringValues deprecation;
    private readonly StringValues sunset;
    private readonly StringValues link;

    /// <param name="body">The JSON.</param>
    /// <param name="path">The template's address, for the link to a successor.</param>
    /// <param name="deprecated">Why the version is not to be used any more, or null.</param>
    public ResolveAnswer(byte[] body, string path, DeprecationView? deprecated)
    {
        this.body = body;
        tag = $"\"{Digest.Of(body).Hex}\"";
        tagField = tag;
        if (deprecated is null)
            return;
        // RFC 9745 (Deprecation), RFC 8594 (Sunset) and the link relation of RFC 5829.
        deprecation = string.Create(CultureInfo.InvariantCulture, $"@{deprecated.At.ToUnixTimeSeconds()}");
        if (deprecated.SunsetAt is { } end)
            sunset = end.ToString("R", CultureInfo.InvariantCulture);
        if (deprecated.Successor is { } successor)
            link = $"<{path}/versions/{successor}>; rel=\"successor-version\"";
    }

    /// <summary>Bytes held, near enough.</summary>
    public int SizeBytes => body.Length + 512;

    /// <summary>Sends it, or 304 to whoever has it.</summary>
    public Task WriteAsync(HttpContext context)
    {
        var response = context.Response;
        var headers = response.Headers;
        headers.ETag = tagField;
        headers.CacheControl = revalidated;
        headers.Vary = vary;
        if (deprecation.Count != 0)
            headers["Deprecation"] = deprecation;
        if (sunset.Count != 0)
            headers["Sunset"] = sunset;
        if (link.Count != 0)
            headers.Link = link;
        if (IsKnown(context.Request.Headers.IfNoneMatch))
        {
            response.StatusCode = StatusCodes.Status304NotModified;
            return Task.CompletedTask;
        }
        headers.ContentType = json;
        response.ContentLength = body.Length;
        // A token here would make Kestrel allocate a source for every request; a write to a closed connection ends by itself.
        var written = response.BodyWriter.WriteAsync(body, CancellationToken.None);
        return written.IsCompletedSuccessfully ? Task.CompletedTask : written.AsTask();
    }

    /// <summary>RFC 9110 section 13.1.2: any of the tags, by weak comparison, or <c>*</c>.</summary>
    private bool IsKnown(StringValues field)
    {
        if (field.Count == 0)
            return false;
        if (field.Count == 1 && string.Equals(field[0], tag, StringComparison.Ordinal))
            return true;
        if (!EntityTagHeaderValue.TryParseList([.. field.OfType<string>()], out var known))
            return false;
        return known.Any(one => one.Equals(EntityTagHeaderValue.Any) || one.Tag.Equals(tag, StringComparison.Ordinal));
    }
}
