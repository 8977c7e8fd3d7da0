using Platen.Access;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Platform.Blobs;
using Platen.Platform.Postgres;

namespace Platen.Templates;

/// <summary>
/// The bytes of versions, before and after their commit. Bytes that no version refers to are not readable: knowing a digest is
/// no right to what has it.
/// </summary>
internal sealed class StoreBlobs(PostgresPools pools, IBlobStore blobs, TimeProvider clock)
{
    public sealed record MissingBody(IReadOnlyList<Digest> Digests);

    public sealed record MissingView(IReadOnlyList<Digest> Missing);

    /// <summary>
    /// Stores bytes that must have the digest. They count with the owner's storage, whether a version refers to them or not; room for them
    /// is held before they come, so that of several at once none is refused after it has arrived.
    /// </summary>
    /// <returns>Whether they were not there before.</returns>
    public async Task<bool> PutAsync(
        Caller caller,
        TemplateName name,
        Digest digest,
        long? lengthBytes,
        Stream content,
        CancellationToken ct
    )
    {
        if (lengthBytes > TemplateLimits.ArtifactBytes)
            throw TooLarge();
        var operation = caller.Operation("push template file");
        var isHeld = await HoldAsync(operation, name, digest, lengthBytes, ct);
        try
        {
            switch (await blobs.PutAsync(caller.Owner, digest, lengthBytes, content, ct))
            {
                case PutOutcome.Stored:
                    await RecordAsync(operation, digest, isNew: true, ct);
                    isHeld = false;
                    return true;
                case PutOutcome.AlreadyStored:
                    if (isHeld)
                        await RecordAsync(operation, digest, isNew: false, ct);
                    isHeld = false;
                    return false;
                case PutOutcome.TooLarge:
                    throw TooLarge();
                case PutOutcome.WrongDigest(var actual):
                    throw TemplatesProblems
                        .WrongDigest.Because($"The bytes that came are {actual}, not {digest}. Nothing was stored.")
                        .With("actual", actual)
                        .AsException();
                default:
                    throw KernelProblems.Malformed.Because("Fewer bytes came than Content-Length said.").AsException();
            }
        }
        finally
        {
            if (isHeld)
                await LetGoAsync(operation, digest);
        }
    }

    /// <summary>
    /// Holds room for bytes that are not recorded yet, until they are recorded or given up. What the same bytes held when they were last on
    /// their way, and a killed server left behind, is held on.
    /// </summary>
    /// <returns>Whether they are to be recorded.</returns>
    /// <exception cref="ProblemException"><see cref="KernelProblems.LimitReached"/>.</exception>
    private async Task<bool> HoldAsync(
        OperationContext operation,
        TemplateName name,
        Digest digest,
        long? lengthBytes,
        CancellationToken ct
    )
    {
        await using var session = await pools.OpenAsync(operation, ct);
        if (await BlobRecord.ExistsAsync(session, digest, ct))
            return false;
        var upload = UploadOf(digest);
        await session.ExecuteAsync(
            "insert into platform.repository_upload (owner, id, subject) values ($1, $2, $3) on conflict do nothing",
            ct,
            Sql.Owner(operation.Owner),
            Sql.Uuid(upload.Value),
            Sql.Text(name.Subject)
        );
        // Of a length that nobody has said, as much as a file may have, or as there is: the commit says the last word.
        await Entitlements.HoldStorageAsync(
            session,
            upload,
            lengthBytes ?? 1,
            lengthBytes ?? TemplateLimits.ArtifactBytes,
            ct
        );
        await session.CommitAsync(ct);
        return true;
    }

    // Also when the client is gone: what is held is room that nobody else has.
    private async Task LetGoAsync(OperationContext operation, Digest digest)
    {
        await using var session = await pools.OpenAsync(operation, CancellationToken.None);
        await LetGoAsync(session, digest, CancellationToken.None);
        await session.CommitAsync(CancellationToken.None);
    }

    private static Task LetGoAsync(Session session, Digest digest, CancellationToken ct) =>
        session.ExecuteAsync(
            "delete from platform.repository_upload where id = $1",
            ct,
            Sql.Uuid(UploadOf(digest).Value)
        );

    // The digest is its name: the same bytes, sent again or twice at once, hold their room once.
    private static UploadId UploadOf(Digest digest) => new(new Guid(digest.Bytes[..16]));

    private async Task RecordAsync(OperationContext operation, Digest digest, bool isNew, CancellationToken ct)
    {
        var storedBefore = clock.GetUtcNow();
        try
        {
            await using var session = await pools.OpenAsync(operation, ct);
            var size = (await blobs.StatAsync(operation.Owner, digest, ct))?.SizeBytes;
            // Before the counter's row, which the commit locks: whoever holds room locks them in this order too.
            await LetGoAsync(session, digest, ct);
            await BlobRecord.AddAsync(session, digest, size ?? 0, ct);
            // Whoever was removing the bytes has been waited for by now.
            if (size is null || await blobs.StatAsync(operation.Owner, digest, ct) is null)
                throw KernelProblems
                    .Unavailable.Because("The bytes were removed meanwhile: push them again.")
                    .AsException();
            await session.CommitAsync(ct);
        }
        catch (ProblemException refused) when (isNew && refused.Problem.Type == KernelProblems.LimitReached)
        {
            await BlobRecord.RemoveRefusedAsync(pools, blobs, operation, digest, storedBefore, CancellationToken.None);
            throw;
        }
    }

    /// <summary>Which of the digests the caller's owner has no bytes for.</summary>
    public async Task<MissingView> MissingAsync(Caller caller, MissingBody body, CancellationToken ct)
    {
        if (body.Digests.Count > TemplatesLimits.Digests)
        {
            throw KernelProblems
                .Invalid.Because(
                    "Too many digests.",
                    [new Fault("/digests", $"At most {TemplatesLimits.Digests} at once.")]
                )
                .AsException();
        }
        return new MissingView(await MissingAsync(caller.Owner, body.Digests, ct));
    }

    public async Task<List<Digest>> MissingAsync(OwnerId owner, IEnumerable<Digest> digests, CancellationToken ct)
    {
        var missing = new System.Collections.Concurrent.ConcurrentBag<Digest>();
        await Parallel.ForEachAsync(
            digests.Distinct(),
            new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = ct },
            async (digest, token) =>
            {
                // What is there is about to be referred to: it must not be collected meanwhile.
                if (!await blobs.RefreshAsync(owner, digest, token))
                    missing.Add(digest);
            }
        );
        return [.. missing.Order()];
    }

    /// <summary>The size of bytes that the caller's owner has stored, committed or not; null when they are not there.</summary>
    public async Task<long?> SizeAsync(Caller caller, Digest digest, CancellationToken ct) =>
        (await blobs.StatAsync(caller.Owner, digest, ct))?.SizeBytes;

    /// <summary>The bytes of a file of one of the template's versions.</summary>
    public async Task<(OpenOutcome.Found Found, string ContentType)> OpenAsync(
        Caller caller,
        TemplateName name,
        Digest digest,
        CancellationToken ct
    )
    {
        foreach (var context in TemplateRequests.Owners(caller, "read template file"))
        {
            string? contentType;
            await using (var session = await pools.OpenAsync(context, ct))
            {
                contentType = await session.FirstAsync(
                    "select content_type from templates.artifact where template = $1 and sha256 = $2 limit 1",
                    row => row.GetString(0),
                    ct,
                    Sql.Text(name.Value),
                    Sql.Digest(digest)
                );
            }
            if (contentType is null)
                continue;
            return await blobs.OpenAsync(context.Owner, digest, ct) is OpenOutcome.Found found
                ? (found, contentType)
                : throw KernelProblems
                    .Unavailable.Because(
                        $"The bytes of {digest} are recorded, but the store has lost them. Push them again."
                    )
                    .AsException();
        }
        throw KernelProblems.NotFound.Because($"No version of '{name}' has a file {digest}.").AsException();
    }

    private static ProblemException TooLarge() =>
        KernelProblems
            .TooLarge.Because($"An artifact has at most {TemplateLimits.ArtifactBytes:N0} bytes.")
            .AsException();
}
