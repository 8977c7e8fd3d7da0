using System.Buffers;
using System.Globalization;
using Microsoft.AspNetCore.Http;
using Platen.Access;
using Platen.Kernel;
using Platen.Platform.Blobs;
using Platen.Platform.Http;
using Platen.Platform.Postgres;

namespace Platen.Registry;

/// <summary>Gives a blob of a repository, whole (and then verified to its last byte) or a range of it.</summary>
internal sealed class PullBlob(PostgresPools pools, IBlobStore blobs)
{
    public async Task RunAsync(HttpContext context, string name, string digestText, CancellationToken ct)
    {
        var repository = await RegistryRequest.RequireAsync(context, name, RepositoryActions.Pull, ct);
        var digest = RegistryRequest.RequireDigest(digestText);
        var sizeBytes = await SizeAsync(repository.Caller, repository, digest, ct);
        var tag = $"\"{digest}\"";
        var headers = context.Response.Headers;
        headers["Docker-Content-Digest"] = digest.ToString();
        headers.ETag = tag;
        headers.AcceptRanges = "bytes";
        headers.CacheControl = "private, max-age=31536000, immutable";
        if (Matches(context.Request.Headers.IfNoneMatch, tag))
        {
            context.Response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }
        context.Response.ContentType = "application/octet-stream";
        if (context.WantsNoBody())
        {
            // Only what can be read is there: a client that is told so does not push it.
            if (await blobs.StatAsync(repository.Owner, digest, ct) is not { } stat)
                throw Unknown(digest);
            context.Response.ContentLength = stat.SizeBytes;
            return;
        }
        var range = RangeOf(context.Request, tag);
        if (range is { } some)
            await SendRangeAsync(context, repository, digest, some, sizeBytes, ct);
        else
            await SendAsync(context, await blobs.OpenAsync(repository.Owner, digest, ct), digest, ct);
    }

    private async Task<long> SizeAsync(Caller caller, Repository repository, Digest digest, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(caller.Operation("registry pull"), ct);
        var found = await Membership.ReadableAsync(session, repository.Subject, [digest], ct);
        if (found.TryGetValue(digest, out var sizeBytes))
            return sizeBytes;
        throw await Membership.ExistsAsync(session, repository.Subject, ct)
            ? Unknown(digest)
            : RegistryRequest.NameUnknown(repository.Name);
    }

    private async Task SendRangeAsync(
        HttpContext context,
        Repository repository,
        Digest digest,
        BlobRange range,
        long sizeBytes,
        CancellationToken ct
    )
    {
        var size = sizeBytes.ToString(CultureInfo.InvariantCulture);
        if (range.In(sizeBytes) is not var (offset, length))
        {
            context.Response.Headers.ContentRange = $"bytes */{size}";
            throw RegistryProblems
                .RangeInvalid.Because($"The blob has {size} bytes; '{context.Request.Headers.Range}' is not in it.")
                .AsException();
        }
        var opened = await blobs.OpenRangeAsync(repository.Owner, digest, offset, length, ct);
        context.Response.StatusCode = StatusCodes.Status206PartialContent;
        context.Response.Headers.ContentRange = string.Create(
            CultureInfo.InvariantCulture,
            $"bytes {offset}-{offset + length - 1}/{sizeBytes}"
        );
        await SendAsync(context, opened, digest, ct);
    }

    private static async Task SendAsync(HttpContext context, OpenOutcome opened, Digest digest, CancellationToken ct)
    {
        if (opened is not OpenOutcome.Found found)
            throw Unreadable(context, digest);
        await using var content = found.Content;
        context.Response.ContentLength = found.LengthBytes;
        try
        {
            await CopyAsync(content, context.Response.Body, ct);
        }
        catch (BlobCorruptException) when (!context.Response.HasStarted)
        {
            throw Unreadable(context, digest);
        }
        catch (BlobCorruptException)
        {
            // The store has logged it and set the bytes aside. The last of them was kept back, so nobody takes this for the whole.
            context.Abort();
        }
    }

    /// <summary>Sends one block while the next is read and hashed.</summary>
    private static async Task CopyAsync(Stream content, Stream body, CancellationToken ct)
    {
        var (filled, free) = (
            ArrayPool<byte>.Shared.Rent(RegistryLimits.CopyBytes),
            ArrayPool<byte>.Shared.Rent(RegistryLimits.CopyBytes)
        );
        var sending = Task.CompletedTask;
        try
        {
            int read;
            while ((read = await content.ReadAsync(free, ct)) > 0)
            {
                (filled, free) = (free, filled);
                await sending;
                sending = body.WriteAsync(filled.AsMemory(0, read), ct).AsTask();
            }
        }
        finally
        {
            // Also after a failure: a block that is still being sent is not given back.
            await sending;
            ArrayPool<byte>.Shared.Return(filled);
            ArrayPool<byte>.Shared.Return(free);
        }
    }

    private static BlobRange? RangeOf(HttpRequest request, string tag) =>
        request.Headers.IfRange is { Count: > 0 } condition && condition != tag
            ? null
            : BlobRange.Parse(request.Headers.Range is [{ } one] ? one : null);

    private static bool Matches(Microsoft.Extensions.Primitives.StringValues field, string tag) =>
        field.Any(value => value is not null && (value.Trim() == "*" || value.Contains(tag, StringComparison.Ordinal)));

    private static ProblemException Unreadable(HttpContext context, Digest digest)
    {
        var headers = context.Response.Headers;
        headers.ContentLength = null;
        headers.Remove("Content-Range");
        return Unknown(digest);
    }

    private static ProblemException Unknown(Digest digest) =>
        RegistryProblems.BlobUnknown.Because($"The repository has no blob {digest}.").AsException();
}
