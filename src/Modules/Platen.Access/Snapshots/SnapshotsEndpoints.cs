using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Platform.Blobs;
using Platen.Platform.Http;
using Platen.Platform.Http.RateLimits;
using Platen.Platform.Releases;

namespace Platen.Access.Snapshots;

/// <summary>Where a release is downloaded whole.</summary>
/// <param name="Zip">As a zip archive; whoever has the link may.</param>
/// <param name="Tar">As a tar archive.</param>
/// <param name="Subject">What the release is of.</param>
/// <param name="Release">Its digest.</param>
/// <param name="Files">How many files it has.</param>
/// <param name="SizeBytes">Their bytes, unpacked.</param>
/// <param name="ExpiresAt">Until when the links work.</param>
internal sealed record SnapshotUrlView(
    string Zip,
    string Tar,
    string Subject,
    Digest Release,
    int Files,
    long SizeBytes,
    DateTimeOffset ExpiresAt
);

/// <summary>Links to one release of an owner, and the downloads behind them.</summary>
internal static class SnapshotsEndpoints
{
    private const int DefaultSeconds = 900;
    private const string ZipType = "application/zip";
    private const string TarType = "application/x-tar";
    private static readonly int MostSeconds = (int)SnapshotUrls.MostLife.TotalSeconds;

    /// <param name="Subject">What the release is of, such as <c>templates/greeting</c>.</param>
    /// <param name="Release">Its digest.</param>
    /// <param name="LifeSeconds">How long the links work, 10 to 86400; a quarter of an hour unless said.</param>
    public sealed record Body(string Subject, string Release, int LifeSeconds = DefaultSeconds);

    public static void Map(IEndpointRouteBuilder app)
    {
        // Who may pull a release file by file may hand it out whole, for a while.
        app.MapPost("/v1/snapshot-urls", Make)
            .WithName("createSnapshotUrl")
            .Refuses(KernelProblems.Conflict)
            .RateLimited(RateLimitPolicies.Token)
            .NotAudited("a link is not kept: it downloads one release for a while for somebody who may read it")
            .WithTags("releases")
            .Accepts<Body>("application/json")
            .NeedsScope(Scopes.RegistryPull);
        app.MapPost("/v1/workspaces/{ws}/snapshot-urls", Make)
            .WithName("createWorkspaceSnapshotUrl")
            .Refuses(KernelProblems.Conflict)
            .RateLimited(RateLimitPolicies.Token)
            .NotAudited("a link is not kept: it downloads one release for a while for somebody who may read it")
            .WithTags("releases")
            .Accepts<Body>("application/json")
            .NeedsWorkspace(Scopes.RegistryPull);
        // The token in the address is the credential. A large release takes as long as its bytes flow.
        app.MapGet("/snapshots/{token}.zip", Zip)
            .WithName("downloadSnapshotAsZip")
            .Produces(200, contentType: ZipType)
            .Refuses(KernelProblems.Unauthenticated)
            .DisableRequestTimeout()
            .WithTags("releases")
            .AllowAnonymous();
        app.MapGet("/snapshots/{token}.tar", Tar)
            .WithName("downloadSnapshotAsTar")
            .Produces(200, contentType: TarType)
            .Refuses(KernelProblems.Unauthenticated)
            .DisableRequestTimeout()
            .WithTags("releases")
            .AllowAnonymous();
    }

    private static async Task<Ok<SnapshotUrlView>> Make(SnapshotUrls urls, HttpContext context, CancellationToken ct)
    {
        var body = await context.BodyAsync<Body>(ct);
        var faults = new List<Fault>();
        if (body.Subject is not { Length: > 0 and <= 255 } subject || subject.Any(char.IsControl))
            faults.Add(new Fault("/subject", "What the release is of, such as templates/greeting."));
        if (!Digest.TryParse(body.Release, out var release))
            faults.Add(new Fault("/release", "Must be the release's digest."));
        if (body.LifeSeconds < 10 || body.LifeSeconds > MostSeconds)
        {
            faults.Add(
                new Fault("/lifeSeconds", string.Create(CultureInfo.InvariantCulture, $"Must be 10 to {MostSeconds}."))
            );
        }
        AccessRequests.ThrowIfAny(faults);
        var (url, found) = await urls.MakeAsync(
            context.Caller(),
            body.Subject,
            release,
            TimeSpan.FromSeconds(body.LifeSeconds),
            ct
        );
        context.Response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(
            new SnapshotUrlView(
                url.PathOf("zip"),
                url.PathOf("tar"),
                found.Subject,
                found.Digest,
                found.Manifest.Files.Length,
                found.Manifest.Files.Sum(file => file.SizeBytes),
                url.ExpiresAt
            )
        );
    }

    private static Task Zip(
        string token,
        SnapshotUrls urls,
        IBlobStore blobs,
        ILoggerFactory log,
        HttpContext context,
        CancellationToken ct
    ) => SendAsync(token, "zip", ZipType, ReleaseArchive.WriteZipAsync, urls, blobs, log, context, ct);

    private static Task Tar(
        string token,
        SnapshotUrls urls,
        IBlobStore blobs,
        ILoggerFactory log,
        HttpContext context,
        CancellationToken ct
    ) => SendAsync(token, "tar", TarType, ReleaseArchive.WriteTarAsync, urls, blobs, log, context, ct);

    private static async Task SendAsync(
        string token,
        string format,
        string mediaType,
        Func<Stream, IBlobStore, OwnerId, ReleaseManifest, DateTimeOffset, CancellationToken, Task> write,
        SnapshotUrls urls,
        IBlobStore blobs,
        ILoggerFactory log,
        HttpContext context,
        CancellationToken ct
    )
    {
        var (owner, release) = await urls.OpenAsync(token, ct);
        var response = context.Response;
        response.ContentType = mediaType;
        response.Headers.CacheControl = "private, no-store";
        response.Headers["Referrer-Policy"] = "no-referrer";
        response.Headers.ContentDisposition = $"attachment; filename=\"{NameOf(release)}.{format}\"";
        response.Headers["X-Platen-Release"] = release.Digest.ToString();
        if (HttpMethods.IsHead(context.Request.Method))
            return;
        try
        {
            await write(response.Body, blobs, owner, release.Manifest, release.CreatedAt, ct);
        }
        catch (Exception e) when (response.HasStarted && !ct.IsCancellationRequested)
        {
            // Half an archive must not look like a whole one.
            Log.SnapshotCut(log.CreateLogger("Platen.Access.Snapshots"), release.Digest, e);
            context.Abort();
        }
    }

    private static string NameOf(Release release) => release.Subject.Replace('/', '-') + "-" + release.Digest.Hex[..12];
}
