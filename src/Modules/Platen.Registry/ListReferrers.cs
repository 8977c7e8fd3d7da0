using System.Buffers;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Platen.Access;
using Platen.Kernel;
using Platen.Platform.Http;
using Platen.Platform.Postgres;

namespace Platen.Registry;

/// <summary>
/// The manifests that say they are about another one, as an index of their descriptors. Of a repository that does not exist, or is
/// another owner's, the answer is an empty index: the specification has no 404 here.
/// </summary>
internal sealed class ListReferrers(PostgresPools pools)
{
    private sealed record Referrer(string Digest, string MediaType, string ArtifactType, byte[] Manifest);

    /// <param name="Referrers">In the order of their digests.</param>
    /// <param name="Found">How many there are from the first of them on, as far as anybody looked: more than are here when those are many or large.</param>
    private sealed record Page(List<Referrer> Referrers, long Found);

    public async Task RunAsync(HttpContext context, string name, string digestText, CancellationToken ct)
    {
        var digest = RegistryRequest.RequireDigest(digestText);
        var filter = context.Request.Query["artifactType"].ToString();
        var (_, last) = RegistryRequest.Page(context);
        var workspaces = RegistryRequest.Workspaces(context);
        var page = await RepositoryName.ResolveAsync(workspaces, name, context.Caller(), ct) is null
            ? new Page([], 0)
            : await FindAsync(
                context,
                await RegistryRequest.RequireAsync(context, name, RepositoryActions.Pull, ct),
                digest,
                filter,
                last,
                ct
            );
        var body = new ArrayBufferWriter<byte>(4096);
        var listed = Write(body, page.Referrers);
        if (filter.Length > 0)
            context.Response.Headers["OCI-Filters-Applied"] = "artifactType";
        if (listed < page.Found)
        {
            RegistryRequest.LinkNext(
                context,
                $"/v2/{name}/referrers/{digest}",
                ("artifactType", filter),
                ("last", page.Referrers[listed - 1].Digest)
            );
        }
        context.Response.ContentType = OciManifest.Index;
        context.Response.ContentLength = body.WrittenCount;
        if (!context.WantsNoBody())
            await context.Response.Body.WriteAsync(body.WrittenMemory, ct);
    }

    // The length of a manifest is known without reading it, so that only those are read which the page can have.
    private async Task<Page> FindAsync(
        HttpContext context,
        Repository repository,
        Digest digest,
        string filter,
        string last,
        CancellationToken ct
    )
    {
        await using var session = await pools.OpenAsync(repository.Caller.Operation("registry list"), ct);
        var found = await session.ListAsync(
            """
            select digest, media_type, artifact_type, manifest, found
            from (
                select *, sum(size_bytes) over (order by digest) - size_bytes as bytes_before, count(*) over () as found
                from (
                    select digest, media_type, artifact_type, manifest, octet_length(manifest) as size_bytes
                    from platform.release
                    where subject = $1 and refers_to = $2 and withdrawn_at is null and digest > $3
                        and ($4 = '' or artifact_type = $4)
                    order by digest
                    limit $5
                ) referrer
            ) counted
            where bytes_before < $6
            order by digest
            """,
            row =>
                (
                    Referrer: new Referrer(
                        row.GetString(0),
                        row.GetString(1),
                        row.GetString(2),
                        row.GetFieldValue<byte[]>(3)
                    ),
                    Found: row.GetInt64(4)
                ),
            ct,
            Sql.Text(repository.Subject),
            Sql.Digest(digest),
            Sql.Text(last),
            Sql.Text(filter.Replace("\0", "", StringComparison.Ordinal)),
            Sql.Int(RegistryLimits.PageReferrers + 1),
            Sql.Long(RegistryLimits.PageReferrersReadBytes)
        );
        return new Page([.. found.Select(f => f.Referrer)], found.Count == 0 ? 0 : found[0].Found);
    }

    /// <summary>Writes as many as fit on a page, at least one, and returns how many those were.</summary>
    private static int Write(ArrayBufferWriter<byte> body, List<Referrer> referrers)
    {
        var listed = 0;
        using var json = new Utf8JsonWriter(body);
        json.WriteStartObject();
        json.WriteNumber("schemaVersion", 2);
        json.WriteString("mediaType", OciManifest.Index);
        json.WriteStartArray("manifests");
        foreach (var referrer in referrers.Take(RegistryLimits.PageReferrers))
        {
            if (json.BytesCommitted + json.BytesPending > RegistryLimits.PageReferrersBytes)
                break;
            json.WriteStartObject();
            json.WriteString("mediaType", referrer.MediaType);
            json.WriteString("digest", referrer.Digest);
            json.WriteNumber("size", referrer.Manifest.Length);
            if (referrer.ArtifactType.Length > 0)
                json.WriteString("artifactType", referrer.ArtifactType);
            WriteAnnotations(json, referrer.Manifest);
            json.WriteEndObject();
            listed++;
        }
        json.WriteEndArray();
        json.WriteEndObject();
        return listed;
    }

    private static void WriteAnnotations(Utf8JsonWriter json, byte[] manifest)
    {
        using var document = JsonDocument.Parse(manifest);
        if (
            document.RootElement.TryGetProperty("annotations", out var annotations)
            && annotations.ValueKind == JsonValueKind.Object
            && annotations.GetRawText().Length <= RegistryLimits.ReferrerAnnotationsBytes
        )
        {
            json.WritePropertyName("annotations");
            json.WriteRawValue(annotations.GetRawText());
        }
    }
}
