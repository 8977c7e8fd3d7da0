using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Platen.Access;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Platform.Blobs;
using Platen.Platform.Postgres;

namespace Platen.Registry;

/// <summary>
/// Uploads of blobs: in one request, in two, or in chunks that continue after a lost connection or a restarted server. How far an
/// upload is, the blob store knows; which repository it belongs to, its row knows. The blob is recorded when it is durable. Before
/// bytes are read, room is held for them in the owner's storage.
/// </summary>
internal sealed class PushBlob(PostgresPools pools, IBlobStore blobs, RegistryOptions options, TimeProvider clock)
{
    /// <summary>POST: a whole blob (<c>?digest=</c>), a mount of another repository's (<c>?mount=</c>), or the begin of an upload.</summary>
    public async Task BeginAsync(HttpContext context, string name, CancellationToken ct)
    {
        var repository = await RegistryRequest.RequireAsync(context, name, RepositoryActions.Push, ct);
        var query = context.Request.Query;
        if (query.TryGetValue("digest", out var whole))
        {
            var digest = RegistryRequest.RequireDigest(whole);
            var held = UploadId.New(clock);
            try
            {
                await PutAsync(context, repository, held, isOpen: false, digest, ct);
            }
            catch
            {
                await ForgetUploadAsync(repository, held);
                throw;
            }
            return;
        }
        if (query.TryGetValue("mount", out var mount))
        {
            var digest = RegistryRequest.RequireDigest(mount);
            if (await MountAsync(context, repository, digest, query["from"], ct))
            {
                AnswerCreated(context, repository, digest);
                return;
            }
        }
        var begun = await blobs.BeginUploadAsync(repository.Owner, ct);
        if (begun is not BeginUploadOutcome.Begun(var id))
        {
            throw RegistryProblems
                .TooManyUploads.Because(
                    string.Create(CultureInfo.InvariantCulture, $"{BlobLimits.OpenUploads} uploads are open.")
                )
                .AsException();
        }
        await using (var session = await pools.OpenAsync(repository.Caller.Operation("registry push"), ct))
        {
            await NoteUploadAsync(session, repository, id, ct);
            await session.CommitAsync(ct);
        }
        AnswerUpload(context, repository, id, 0, StatusCodes.Status202Accepted);
    }

    /// <summary>PATCH: the next chunk.</summary>
    public async Task AppendAsync(HttpContext context, string name, string idText, CancellationToken ct)
    {
        var repository = await RegistryRequest.RequireAsync(context, name, RepositoryActions.Push, ct);
        var (id, offset) = await RequireUploadAsync(context, repository, idText, ct);
        var now = await AppendBodyAsync(context, repository, id, offset, ct);
        AnswerUpload(context, repository, id, now, StatusCodes.Status202Accepted);
    }

    /// <summary>PUT: the last chunk, or all of it, or nothing more; and the digest that the whole must have.</summary>
    public async Task CompleteAsync(HttpContext context, string name, string idText, CancellationToken ct)
    {
        var repository = await RegistryRequest.RequireAsync(context, name, RepositoryActions.Push, ct);
        var (id, offset) = await RequireUploadAsync(context, repository, idText, ct);
        var digest = RegistryRequest.RequireDigest(context.Request.Query["digest"]);
        if (HasBody(context))
        {
            if (offset == 0 && context.Request.Headers.ContentRange.Count == 0)
            {
                // Nothing came before: hashed on its way in, it need not be read back.
                try
                {
                    await PutAsync(context, repository, id, isOpen: true, digest, ct);
                }
                catch
                {
                    await SettleAsync(repository, id, 0);
                    throw;
                }
                await blobs.AbortUploadAsync(repository.Owner, id, ct);
                return;
            }
            await AppendBodyAsync(context, repository, id, offset, ct);
        }
        switch (await blobs.CompleteUploadAsync(repository.Owner, id, digest, ct))
        {
            case CompleteUploadOutcome.Completed(_, var isNew):
                await RecordAsync(context, repository, digest, id, isNew, ct);
                return;
            case CompleteUploadOutcome.WrongDigest(var actual):
                await ForgetUploadAsync(repository, id);
                throw WrongDigest(actual, digest);
            case CompleteUploadOutcome.Busy:
                throw Busy();
            default:
                throw UploadUnknown(idText);
        }
    }

    /// <summary>GET: how far the upload is.</summary>
    public async Task StatusAsync(HttpContext context, string name, string idText, CancellationToken ct)
    {
        var repository = await RegistryRequest.RequireAsync(context, name, RepositoryActions.Push, ct);
        var (id, offset) = await RequireUploadAsync(context, repository, idText, ct);
        AnswerUpload(context, repository, id, offset, StatusCodes.Status204NoContent);
    }

    /// <summary>DELETE: gives it up.</summary>
    public async Task CancelAsync(HttpContext context, string name, string idText, CancellationToken ct)
    {
        var repository = await RegistryRequest.RequireAsync(context, name, RepositoryActions.Push, ct);
        var (id, _) = await RequireUploadAsync(context, repository, idText, ct);
        await blobs.AbortUploadAsync(repository.Owner, id, ct);
        await using var session = await pools.OpenAsync(repository.Caller.Operation("registry push"), ct);
        await ForgetUploadAsync(session, id, ct);
        await session.CommitAsync(ct);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private async Task<(UploadId Id, long Offset)> RequireUploadAsync(
        HttpContext context,
        Repository repository,
        string idText,
        CancellationToken ct
    )
    {
        if (!UploadId.TryParse(idText, null, out var id))
            throw UploadUnknown(idText);
        await using (var session = await pools.OpenAsync(repository.Caller.Operation("registry push"), ct))
        {
            var isOfRepository = await session.FirstAsync(
                "select true from platform.repository_upload where id = $1 and subject = $2",
                row => row.GetBoolean(0),
                ct,
                Sql.Uuid(id.Value),
                Sql.Text(repository.Subject)
            );
            if (!isOfRepository)
                throw UploadUnknown(idText);
        }
        var offset = await blobs.GetUploadOffsetAsync(repository.Owner, id, ct);
        return (id, offset ?? throw UploadUnknown(idText));
    }

    /// <summary>Stores a whole blob and records it; room for it is held under an upload, which is forgotten with that.</summary>
    /// <param name="isOpen">Whether the upload has been begun, so that there is something to forget.</param>
    private async Task PutAsync(
        HttpContext context,
        Repository repository,
        UploadId upload,
        bool isOpen,
        Digest digest,
        CancellationToken ct
    )
    {
        var body = LimitBody(context, options.MaxBlobBytes);
        var operation = repository.Caller.Operation("registry push");
        var (isThere, allowed) = await pools.ReadAsync(
            operation,
            BlobRecord.Exists(digest),
            Entitlements.Allowed(Entitlements.StorageBytes),
            ct
        );
        // What the owner has already takes no room, and whoever has no limit has it.
        if (!isThere[0] && allowed[0] is not null)
        {
            await using var session = await pools.OpenAsync(operation, ct);
            await NoteUploadAsync(session, repository, upload, ct);
            body = await HoldAsync(session, repository, upload, 0, context.Request.ContentLength, body, ct);
            await session.CommitAsync(ct);
            isOpen = true;
        }
        UploadId? over = isOpen ? upload : null;
        switch (await blobs.PutAsync(repository.Owner, digest, context.Request.ContentLength, body, ct))
        {
            case PutOutcome.Stored:
                await RecordAsync(context, repository, digest, over, isNew: true, ct);
                return;
            case PutOutcome.AlreadyStored:
                await RecordAsync(context, repository, digest, over, isNew: false, ct);
                return;
            case PutOutcome.WrongDigest(var actual):
                throw WrongDigest(actual, digest);
            case PutOutcome.WrongSize(var readBytes):
                throw WrongSize(context.Request.ContentLength ?? 0, readBytes);
            default:
                throw TooLarge();
        }
    }

    private async Task<long> AppendBodyAsync(
        HttpContext context,
        Repository repository,
        UploadId id,
        long offset,
        CancellationToken ct
    )
    {
        var length = context.Request.ContentLength;
        Stream body;
        OpenLimit(context);
        if (context.Request.Headers.ContentRange is [{ } field])
        {
            if (ChunkRange(field) is not var (first, last) || first != offset)
                throw OutOfOrder(context, repository, id, offset);
            var announced = last - first + 1;
            if (length is { } sent && sent != announced)
                throw WrongSize(announced, sent);
            if (announced > options.MaxBlobBytes - offset)
                throw TooLarge();
            length = announced;
            body = new LimitedBody(
                context.Request.Body,
                announced,
                clock,
                (_, _) => throw WrongSize(announced, announced + 1)
            );
        }
        else
        {
            body = LimitBody(context, options.MaxBlobBytes - offset);
        }
        await using (var session = await pools.OpenAsync(repository.Caller.Operation("registry push"), ct))
        {
            body = await HoldAsync(session, repository, id, offset, length, body, ct);
            await session.CommitAsync(ct);
        }
        switch (await AppendOrGiveUpAsync(repository, id, offset, body, ct))
        {
            case AppendOutcome.Appended(var now) when length is null:
                await SettleAsync(repository, id, now);
                return now;
            case AppendOutcome.Appended(var now) when now - offset == length:
                return now;
            case AppendOutcome.Appended(var now):
                throw WrongSize(length.Value, now - offset);
            case AppendOutcome.WrongOffset(var now):
                throw OutOfOrder(context, repository, id, now);
            case AppendOutcome.Busy:
                throw Busy();
            case AppendOutcome.TooLarge:
                throw TooLarge();
            default:
                throw UploadUnknown(id.ToString());
        }
    }

    /// <summary>Appends; an upload for which there was no room left on the way is given up, with what it had.</summary>
    private async Task<AppendOutcome> AppendOrGiveUpAsync(
        Repository repository,
        UploadId id,
        long offset,
        Stream body,
        CancellationToken ct
    )
    {
        try
        {
            return await blobs.AppendAsync(repository.Owner, id, offset, body, ct);
        }
        catch (ProblemException refused) when (refused.Problem.Type == KernelProblems.LimitReached)
        {
            await blobs.AbortUploadAsync(repository.Owner, id, CancellationToken.None);
            await ForgetUploadAsync(repository, id);
            throw;
        }
        catch
        {
            await SettleAsync(
                repository,
                id,
                await blobs.GetUploadOffsetAsync(repository.Owner, id, CancellationToken.None) ?? 0
            );
            throw;
        }
    }

    /// <summary>
    /// Holds room for a body in the owner's storage, all of it when its length is known; else some, and more each time that has come. The
    /// caller commits the session before it reads.
    /// </summary>
    private async Task<Stream> HoldAsync(
        Session session,
        Repository repository,
        UploadId upload,
        long offset,
        long? lengthBytes,
        Stream body,
        CancellationToken ct
    )
    {
        var most = offset + (lengthBytes ?? RegistryLimits.HeldBytes);
        var held = await Entitlements.HoldStorageAsync(session, upload, offset + (lengthBytes ?? 1), most, ct);
        return new LimitedBody(
            body,
            held - offset,
            clock,
            async (readBytes, token) =>
            {
                var has = offset + readBytes;
                await using var more = await pools.OpenAsync(repository.Caller.Operation("registry push"), token);
                held = await Entitlements.HoldStorageAsync(more, upload, has, has + RegistryLimits.HeldBytes, token);
                await more.CommitAsync(token);
                return held - offset;
            }
        );
    }

    private async Task<bool> MountAsync(
        HttpContext context,
        Repository repository,
        Digest digest,
        string? from,
        CancellationToken ct
    )
    {
        await using var session = await pools.OpenAsync(repository.Caller.Operation("registry mount"), ct);
        var sources = await SourcesOfAsync(context, repository, from, ct);
        await Membership.HoldAsync(session, [digest], ct);
        var sizeBytes = await FindSourceAsync(session, sources, digest, ct);
        if (sizeBytes is null || await blobs.StatAsync(repository.Owner, digest, ct) is null)
            return false;
        await Membership.RecordAsync(session, repository.Subject, digest, sizeBytes.Value, ct);
        await session.CommitAsync(ct);
        return true;
    }

    /// <summary>The subjects that the caller lets the blob be mounted from; null for any of the owner's.</summary>
    private static async Task<List<string>?> SourcesOfAsync(
        HttpContext context,
        Repository target,
        string? from,
        CancellationToken ct
    )
    {
        IEnumerable<string> names;
        if (!string.IsNullOrEmpty(from))
            names = [from];
        else if (context.Features.Get<TokenGrant>() is { } grant)
            names = grant.Repositories.Keys;
        else
            return target.Caller.Has(Scopes.RegistryPull) ? null : [];
        var subjects = new List<string>();
        foreach (var name in names)
        {
            var source = await RegistryRequest.FindReadableAsync(context, name, ct);
            if (source?.Owner == target.Owner)
                subjects.Add(source.Subject);
        }
        return subjects;
    }

    private static async Task<long?> FindSourceAsync(
        Session session,
        List<string>? subjects,
        Digest digest,
        CancellationToken ct
    )
    {
        if (subjects is null)
        {
            return await session.FirstAsync(
                """
                select b.size_bytes
                from platform.blob b
                where b.digest = $1
                    and (
                        exists (select from platform.repository_blob p where p.digest = b.digest)
                        or exists (
                            select from platform.release_blob f
                            join platform.release r
                                on r.owner = f.owner and r.subject = f.subject and r.digest = f.release_digest
                            where f.blob_digest = b.digest and r.withdrawn_at is null
                        )
                    )
                """,
                row => (long?)row.GetInt64(0),
                ct,
                Sql.Digest(digest)
            );
        }
        foreach (var subject in subjects)
        {
            var found = await Membership.ReadableAsync(session, subject, [digest], ct);
            if (found.TryGetValue(digest, out var sizeBytes))
                return sizeBytes;
        }
        return null;
    }

    private async Task RecordAsync(
        HttpContext context,
        Repository repository,
        Digest digest,
        UploadId? upload,
        bool isNew,
        CancellationToken ct
    )
    {
        var storedBefore = clock.GetUtcNow();
        var operation = repository.Caller.Operation("registry push");
        var stat =
            await blobs.StatAsync(repository.Owner, digest, ct)
            ?? throw KernelProblems.Unavailable.Because("The blob was stored and then set aside.").AsException();
        try
        {
            await using var session = await pools.OpenAsync(operation, ct);
            await Membership.RecordAsync(session, repository.Subject, digest, stat.SizeBytes, ct);
            // Whoever was removing the bytes has been waited for by now.
            if (await blobs.StatAsync(repository.Owner, digest, ct) is null)
                throw KernelProblems
                    .Unavailable.Because("The blob was removed meanwhile: push it again.")
                    .AsException();
            if (upload is { } over)
                await ForgetUploadAsync(session, over, ct);
            await session.CommitAsync(ct);
        }
        catch (ProblemException refused) when (refused.Problem.Type == KernelProblems.LimitReached)
        {
            if (isNew)
            {
                await BlobRecord.RemoveRefusedAsync(
                    pools,
                    blobs,
                    operation,
                    digest,
                    storedBefore,
                    CancellationToken.None
                );
            }
            if (upload is { } over)
                await ForgetUploadAsync(repository, over);
            throw;
        }
        AnswerCreated(context, repository, digest);
    }

    private static Task NoteUploadAsync(Session session, Repository repository, UploadId id, CancellationToken ct) =>
        session.ExecuteAsync(
            "insert into platform.repository_upload (owner, id, subject) values ($1, $2, $3) on conflict do nothing",
            ct,
            Sql.Owner(repository.Owner),
            Sql.Uuid(id.Value),
            Sql.Text(repository.Subject)
        );

    /// <summary>Gives back what an upload holds beyond what it has, also when the client is gone.</summary>
    private async Task SettleAsync(Repository repository, UploadId id, long sizeBytes)
    {
        await using var session = await pools.OpenAsync(
            repository.Caller.Operation("registry push"),
            CancellationToken.None
        );
        await session.ExecuteAsync(
            "update platform.repository_upload set held_bytes = $2 where id = $1",
            CancellationToken.None,
            Sql.Uuid(id.Value),
            Sql.Long(sizeBytes)
        );
        await session.CommitAsync(CancellationToken.None);
    }

    // Also when the client is gone: what an upload holds is room that nobody else has.
    private async Task ForgetUploadAsync(Repository repository, UploadId id)
    {
        await using var session = await pools.OpenAsync(
            repository.Caller.Operation("registry push"),
            CancellationToken.None
        );
        await ForgetUploadAsync(session, id, CancellationToken.None);
        await session.CommitAsync(CancellationToken.None);
    }

    private static Task ForgetUploadAsync(Session session, UploadId id, CancellationToken ct) =>
        session.ExecuteAsync("delete from platform.repository_upload where id = $1", ct, Sql.Uuid(id.Value));

    private Stream LimitBody(HttpContext context, long limitBytes)
    {
        OpenLimit(context);
        if (context.Request.ContentLength > limitBytes)
            throw TooLarge();
        return new LimitedBody(context.Request.Body, limitBytes, clock, (_, _) => throw TooLarge());
    }

    // The server's own limit is one for JSON; ours is held by LimitedBody. Raised also for what is refused: the server then reads
    // on for seconds, so that a client which sends before it listens gets to hear why.
    private static void OpenLimit(HttpContext context)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
            limit.MaxRequestBodySize = null;
    }

    private static bool HasBody(HttpContext context) =>
        context.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: true }
        && context.Request.ContentLength != 0;

    // "0-1023" in the specification, "bytes 0-1023/*" in HTTP.
    private static (long First, long Last)? ChunkRange(string field)
    {
        var text = field.StartsWith("bytes ", StringComparison.Ordinal)
            ? field["bytes ".Length..].Split('/')[0]
            : field;
        return
            text.Split('-') is [var first, var last]
            && long.TryParse(first, NumberStyles.None, CultureInfo.InvariantCulture, out var from)
            && long.TryParse(last, NumberStyles.None, CultureInfo.InvariantCulture, out var to)
            && from <= to
            ? (from, to)
            : null;
    }

    private static void AnswerUpload(HttpContext context, Repository repository, UploadId id, long offset, int status)
    {
        DescribeUpload(context, repository, id, offset);
        context.Response.StatusCode = status;
        if (status != StatusCodes.Status204NoContent)
            context.Response.ContentLength = 0;
    }

    private static void DescribeUpload(HttpContext context, Repository repository, UploadId id, long offset)
    {
        var headers = context.Response.Headers;
        headers.Location = $"/v2/{repository.Name}/blobs/uploads/{id}";
        // The last byte that is there; of nothing the specification has no form, and clients know this one.
        headers["Range"] = string.Create(CultureInfo.InvariantCulture, $"0-{Math.Max(0, offset - 1)}");
        headers["Docker-Upload-UUID"] = id.ToString();
        headers.CacheControl = "no-store";
    }

    private static void AnswerCreated(HttpContext context, Repository repository, Digest digest)
    {
        context.Response.Headers.Location = $"/v2/{repository.Name}/blobs/{digest}";
        context.Response.Headers["Docker-Content-Digest"] = digest.ToString();
        context.Response.StatusCode = StatusCodes.Status201Created;
        context.Response.ContentLength = 0;
    }

    private static ProblemException OutOfOrder(HttpContext context, Repository repository, UploadId id, long offset)
    {
        DescribeUpload(context, repository, id, offset);
        return RegistryProblems
            .UploadRange.Because(
                string.Create(CultureInfo.InvariantCulture, $"The upload has {offset} bytes; send on from there.")
            )
            .AsException();
    }

    private static ProblemException UploadUnknown(string id) =>
        RegistryProblems
            .UploadUnknown.Because($"The repository has no upload '{RepositoryName.Shown(id)}'.")
            .AsException();

    private static ProblemException Busy() =>
        RegistryProblems.UploadBusy.Because("Another request is writing to this upload.").AsException();

    private static ProblemException WrongDigest(Digest actual, Digest declared) =>
        RegistryProblems
            .DigestInvalid.Because($"The content has the digest {actual}, not {declared}. Nothing was stored.")
            .AsException();

    private static ProblemException WrongSize(long declared, long actual) =>
        RegistryProblems
            .SizeInvalid.Because(
                string.Create(CultureInfo.InvariantCulture, $"{declared} bytes were announced, {actual} or more came.")
            )
            .AsException();

    private ProblemException TooLarge() =>
        RegistryProblems
            .TooLarge.Because(
                string.Create(CultureInfo.InvariantCulture, $"A blob has at most {options.MaxBlobBytes:N0} bytes here.")
            )
            .AsException();
}
