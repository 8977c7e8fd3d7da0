using Microsoft.AspNetCore.Http;
using Platen.Access.Audit;
using Platen.Platform.Postgres;

namespace Platen.Registry;

/// <summary>
/// Takes a pushed blob out of a repository that no manifest of it refers to. The bytes go when nothing of the owner needs
/// them; that is for garbage collection.
/// </summary>
internal sealed class DeleteBlob(PostgresPools pools)
{
    public async Task RunAsync(HttpContext context, string name, string digestText, CancellationToken ct)
    {
        var repository = await RegistryRequest.RequireAsync(context, name, RepositoryActions.Delete, ct);
        var digest = RegistryRequest.RequireDigest(digestText);
        await using var session = await pools.OpenAsync(repository.Caller.Operation("registry delete"), ct);
        var isReferred = await session.FirstAsync(
            """
            select exists (
                select from platform.release_blob f
                join platform.release r on r.owner = f.owner and r.subject = f.subject and r.digest = f.release_digest
                where f.subject = $1 and f.blob_digest = $2 and r.withdrawn_at is null
            )
            """,
            row => row.GetBoolean(0),
            ct,
            Sql.Text(repository.Subject),
            Sql.Digest(digest)
        );
        if (isReferred)
        {
            throw RegistryProblems
                .Unsupported.Because($"A manifest of '{name}' refers to {digest}: delete that first.")
                .AsException();
        }
        var deleted = await session.ExecuteAsync(
            "delete from platform.repository_blob where subject = $1 and digest = $2",
            ct,
            Sql.Text(repository.Subject),
            Sql.Digest(digest)
        );
        if (deleted == 0)
        {
            throw await Membership.ExistsAsync(session, repository.Subject, ct)
                ? RegistryProblems.BlobUnknown.Because($"The repository has no blob {digest}.").AsException()
                : RegistryRequest.NameUnknown(name);
        }
        await AuditLog.RecordAsync(
            session,
            "blob.removed",
            $"repository/{repository.Subject}@{digest}",
            digest,
            after: null,
            detail: null,
            ct
        );
        await session.CommitAsync(ct);
        context.Response.StatusCode = StatusCodes.Status202Accepted;
        context.Response.ContentLength = 0;
    }
}
