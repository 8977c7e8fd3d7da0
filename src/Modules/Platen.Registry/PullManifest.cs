using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;
using Platen.Access;
using Platen.Kernel;
using Platen.Platform.Http;
using Platen.Platform.Postgres;

namespace Platen.Registry;

/// <summary>Gives a manifest's exact bytes, by digest or by the tag that a channel is.</summary>
internal sealed class PullManifest(PostgresPools pools)
{
    private sealed record Found(Digest Digest, string MediaType, byte[] Bytes);

    public async Task RunAsync(HttpContext context, string name, string reference, CancellationToken ct)
    {
        var repository = await RegistryRequest.RequireAsync(context, name, RepositoryActions.Pull, ct);
        var found = await FindAsync(repository.Caller, repository, reference, ct);
        var headers = context.Response.Headers;
        headers.Vary = "Accept";
        if (!Accepts(context.Request.Headers.Accept, found.MediaType))
        {
            throw RegistryProblems
                .ManifestUnknown.Because($"The manifest is {found.MediaType}, which the Accept header does not allow.")
                .AsException();
        }
        headers["Docker-Content-Digest"] = found.Digest.ToString();
        headers.ETag = $"\"{found.Digest}\"";
        headers.CacheControl = reference.Contains(':', StringComparison.Ordinal)
            ? "private, max-age=31536000, immutable"
            : "private, no-cache";
        if (context.Request.Headers.IfNoneMatch.Any(v => v!.Contains($"\"{found.Digest}\"", StringComparison.Ordinal)))
        {
            context.Response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }
        context.Response.ContentType = found.MediaType;
        context.Response.ContentLength = found.Bytes.Length;
        if (!context.WantsNoBody())
            await context.Response.Body.WriteAsync(found.Bytes, ct);
    }

    private async Task<Found> FindAsync(Caller caller, Repository repository, string reference, CancellationToken ct)
    {
        var isDigest = reference.Contains(':', StringComparison.Ordinal);
        if (isDigest)
            RegistryRequest.RequireDigest(reference);
        await using var session = await pools.OpenAsync(caller.Operation("registry pull"), ct);
        var sql = isDigest
            ? """
                select r.digest, r.media_type, r.manifest
                from platform.release r
                where r.subject = $1 and r.digest = $2 and r.withdrawn_at is null
                """
            : """
                select r.digest, r.media_type, r.manifest
                from platform.channel c
                join platform.release r on r.owner = c.owner and r.subject = c.subject and r.digest = c.release_digest
                where c.subject = $1 and c.name = $2 and r.withdrawn_at is null
                """;
        var found = await session.FirstAsync(
            sql,
            row => new Found(Digest.Parse(row.GetString(0)), row.GetString(1), row.GetFieldValue<byte[]>(2)),
            ct,
            Sql.Text(repository.Subject),
            Sql.Text(reference.Replace("\0", "", StringComparison.Ordinal))
        );
        if (found is not null)
            return found;
        throw await Membership.ExistsAsync(session, repository.Subject, ct)
            ? RegistryProblems
                .ManifestUnknown.Because($"'{repository.Name}' has no manifest '{RepositoryName.Shown(reference)}'.")
                .AsException()
            : RegistryRequest.NameUnknown(repository.Name);
    }

    /// <summary>Whether a client that sent this Accept field can read the type; one that sent none reads everything.</summary>
    internal static bool Accepts(Microsoft.Extensions.Primitives.StringValues accept, string mediaType)
    {
        if (accept.Count == 0)
            return true;
        // What cannot be read is no statement.
        if (!MediaTypeHeaderValue.TryParseList([.. accept.OfType<string>()], out var ranges) || ranges.Count == 0)
            return true;
        var type = new MediaTypeHeaderValue(mediaType);
        return ranges.Any(range => range.Quality is not 0 && type.IsSubsetOf(range));
    }
}
