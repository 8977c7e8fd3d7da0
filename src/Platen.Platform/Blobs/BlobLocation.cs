using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;
using System.Web;

namespace Platen.Platform.Blobs;

/// <summary>Where blobs are kept, as <c>PLATEN_BLOBS</c> says it: <c>file:PATH</c> or <c>s3://BUCKET/PREFIX?…</c>.</summary>
internal abstract partial record BlobLocation
{
    private BlobLocation() { }

    /// <summary>A folder on this machine; relative paths count from the working folder.</summary>
    public sealed record Folder(string Path) : BlobLocation;

    /// <summary>A bucket.</summary>
    /// <param name="Bucket">Its name.</param>
    /// <param name="Prefix">What every key begins with: empty, or ending in '/'.</param>
    /// <param name="Endpoint">The server's address, or null for Amazon's own.</param>
    /// <param name="Region">The region requests are signed for.</param>
    /// <param name="PathStyle">Whether the bucket stands in the path and not in the host name.</param>
    public sealed record S3(string Bucket, string Prefix, Uri? Endpoint, string Region, bool PathStyle) : BlobLocation
    {
        public override string ToString() =>
            $"s3://{Bucket}/{Prefix}{(Endpoint is null ? "" : $"?endpoint={Endpoint.GetLeftPart(UriPartial.Authority)}")}";
    }

    /// <summary>Reads a location.</summary>
    /// <exception cref="BlobLocationException">It is not one; the message says what is wrong, without repeating a
    /// credential that somebody put there.</exception>
    public static BlobLocation Parse(string text)
    {
        if (text.StartsWith("file:", StringComparison.Ordinal))
        {
            var path = text["file:".Length..];
            if (path.StartsWith("//", StringComparison.Ordinal))
                path = path[2..];
            return path.Length > 0
                ? new Folder(path)
                : throw new BlobLocationException(
                    "The blob location 'file:' needs a folder, as in 'file:/var/lib/platen'."
                );
        }
        if (text.StartsWith("s3:", StringComparison.Ordinal))
            return ParseS3(text);
        throw new BlobLocationException("A blob location begins with 'file:' or 's3:'.");
    }

    private static S3 ParseS3(string text)
    {
        var withSlashes = text.StartsWith("s3://", StringComparison.Ordinal) ? text : "s3://" + text["s3:".Length..];
        if (!Uri.TryCreate(withSlashes, UriKind.Absolute, out var uri))
            throw new BlobLocationException("An S3 location is written 's3://BUCKET/PREFIX?region=…'.");
        if (uri.UserInfo.Length > 0)
            throw NoCredentials();
        if (!BucketName().IsMatch(uri.Host))
            throw new BlobLocationException($"'{uri.Host}' is not a bucket's name: 3 to 63 of a-z, 0-9, '.' and '-'.");
        var prefix = uri.AbsolutePath.Trim('/');
        if (!PrefixText().IsMatch(prefix))
        {
            throw new BlobLocationException(
                $"The prefix '{prefix}' can only have letters, digits, '-', '_', and '/' between them."
            );
        }
        Uri? endpoint = null;
        string? region = null;
        bool? pathStyle = null;
        var query = HttpUtility.ParseQueryString(uri.Query);
        foreach (var name in query.AllKeys)
        {
            var value = query[name] ?? "";
            switch (name)
            {
                case "endpoint":
                    endpoint = ParseEndpoint(value);
                    break;
                case "region":
                    region = RegionText().IsMatch(value)
                        ? value
                        : throw new BlobLocationException($"'{value}' is not a region, such as 'eu-central-1'.");
                    break;
                case "pathStyle":
                    pathStyle = bool.TryParse(value, out var isPathStyle)
                        ? isPathStyle
                        : throw new BlobLocationException("pathStyle is 'true' or 'false'.");
                    break;
                case { } key
                    when key.Contains("key", StringComparison.OrdinalIgnoreCase)
                        || key.Contains("secret", StringComparison.OrdinalIgnoreCase)
                        || key.Contains("token", StringComparison.OrdinalIgnoreCase):
                    throw NoCredentials();
                default:
                    throw new BlobLocationException(
                        $"An S3 location knows endpoint, region and pathStyle, not '{name}'."
                    );
            }
        }
        if (region is null)
            throw new BlobLocationException("An S3 location needs its region, as in '?region=eu-central-1'.");
        return new S3(
            uri.Host,
            prefix.Length == 0 ? "" : prefix + "/",
            endpoint,
            region,
            pathStyle ?? endpoint is not null
        );
    }

    private static Uri ParseEndpoint(string value) =>
        TryParseEndpoint(value, out var endpoint)
            ? endpoint
            : throw new BlobLocationException(
                "endpoint is the server's address, such as 'https://s3.example.net:9000'."
            );

    private static bool TryParseEndpoint(string value, [NotNullWhen(true)] out Uri? endpoint)
    {
        if (!Uri.TryCreate(value, UriKind.Absolute, out endpoint))
            return false;
        if (endpoint.UserInfo.Length > 0)
            throw NoCredentials();
        return endpoint.Scheme is "http" or "https" && endpoint.PathAndQuery == "/";
    }

    private static BlobLocationException NoCredentials() =>
        new(
            "A blob location is logged, so it holds no credentials: set PLATEN_BLOBS_ACCESS_KEY and PLATEN_BLOBS_SECRET_KEY."
        );

    [GeneratedRegex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex BucketName();

    [GeneratedRegex("^([A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*)?$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex PrefixText();

    [GeneratedRegex("^[a-z0-9-]{1,63}$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex RegionText();
}

/// <summary>The configured location of a blob store cannot be used; the message says why and what would do.</summary>
public sealed class BlobLocationException : Exception
{
    public BlobLocationException(string message)
        : base(message) { }

    public BlobLocationException(string message, Exception cause)
        : base(message, cause) { }
}
