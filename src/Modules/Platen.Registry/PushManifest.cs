using System.Buffers;
using System.Diagnostics;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Platform.Channels;
using Platen.Platform.Http;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;

namespace Platen.Registry;

/// <summary>
/// Records a manifest with its exact bytes, and moves the channel that its tag names, in one transaction with whatever the
/// repository's intake writes. A repeated push changes nothing. Of racing pushes to one tag each is a move, in some order; a push
/// with If-Match or If-None-Match is refused when the tag is not where it says.
/// </summary>
internal sealed class PushManifest(PostgresPools pools, IEnumerable<IReleaseIntake> intakes)
{
    private readonly IReleaseIntake[] intakes = [.. intakes];

    public async Task RunAsync(HttpContext context, string name, string referenceText, CancellationToken ct)
    {
        var repository = await RegistryRequest.RequireAsync(context, name, RepositoryActions.Push, ct);
        var intake = IntakeOf(repository.Caller, repository);
        var (declared, tag) = ReferenceOf(repository, referenceText);
        var bytes = await ReadBodyAsync(context, ct);
        var digest = Digest.Of(bytes);
        if (declared is { } expected && expected != digest)
        {
            throw RegistryProblems
                .DigestInvalid.Because($"The manifest has the digest {digest}, not {expected}.")
                .AsException();
        }
        var manifest = OciManifest.Parse(bytes, ContentTypeOf(context.Request));
        var precondition = Precondition.Read(context.Request.IfMatch(), context.Request.IfNoneMatch());

        await using (var session = await pools.OpenAsync(repository.Caller.Operation("pushed to the registry"), ct))
        {
            await CheckReferencesAsync(session, repository, manifest, ct);
            var isNew = await RecordAsync(session, repository, digest, manifest, bytes, ct);
            var channel = tag is null
                ? null
                : await ChannelStore.FindAsync(session, new ChannelKey(repository.Subject, tag), ct);
            if (intake is not null)
            {
                await intake.TakeInAsync(
                    session,
                    new IncomingRelease(
                        repository.Subject,
                        tag,
                        channel?.Release,
                        digest,
                        manifest.MediaType,
                        manifest.ArtifactType,
                        bytes,
                        AsRelease(manifest, bytes)
                    ),
                    ct
                );
            }
            var before = channel?.Release;
            if (tag is not null)
                before = await MoveAsync(
                    session,
                    new ChannelKey(repository.Subject, tag),
                    channel,
                    digest,
                    precondition,
                    ct
                );
            if (isNew || (tag is not null && before != digest))
            {
                var what = tag is null ? $"@{digest}" : $":{tag}";
                await AuditLog.RecordAsync(
                    session,
                    "manifest.pushed",
                    $"repository/{repository.Subject}{what}",
                    tag is null ? null : before,
                    digest,
                    detail: null,
                    ct
                );
            }
            await session.CommitAsync(ct);
        }
        var headers = context.Response.Headers;
        headers.Location = $"/v2/{name}/manifests/{digest}";
        headers["Docker-Content-Digest"] = digest.ToString();
        if (manifest.Subject is { } subject)
            headers["OCI-Subject"] = subject.ToString();
        context.Response.StatusCode = StatusCodes.Status201Created;
        context.Response.ContentLength = 0;
    }

    private IReleaseIntake? IntakeOf(Caller caller, Repository repository)
    {
        var intake = intakes.FirstOrDefault(i =>
            repository.Subject.StartsWith(i.SubjectPrefix, StringComparison.Ordinal)
        );
        if (intake is not null && !caller.Has(intake.Scope))
            throw RegistryProblems.Denied.Because($"The credential lacks the scope '{intake.Scope}'.").AsException();
        if (intake is null && RepositoryName.IsReserved(repository.Subject))
        {
            throw RegistryProblems
                .Denied.Because($"'{repository.Name}' is written by publishing, not by a push.")
                .AsException();
        }
        return intake;
    }

    private static (Digest? Digest, string? Tag) ReferenceOf(Repository repository, string reference)
    {
        if (reference.Contains(':', StringComparison.Ordinal))
            return (RegistryRequest.RequireDigest(reference), null);
        if (
            !RepositoryName.IsValidTag(reference)
            || repository.Subject.Length + reference.Length > RegistryLimits.NameAndTagLength
        )
        {
            throw RegistryProblems
                .NameInvalid.Because($"'{RepositoryName.Shown(reference)}' is not a tag, or too long for this name.")
                .AsException();
        }
        return (null, reference);
    }

    private static async Task<byte[]> ReadBodyAsync(HttpContext context, CancellationToken ct)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
            limit.MaxRequestBodySize = 4L * RegistryLimits.ManifestBytes;
        var began = Stopwatch.GetTimestamp();
        var reader = context.Request.BodyReader;
        while (true)
        {
            var read = await reader.ReadAsync(ct);
            if (read.Buffer.Length > RegistryLimits.ManifestBytes)
            {
                reader.AdvanceTo(read.Buffer.End);
                throw RegistryProblems
                    .TooLarge.Because(
                        string.Create(
                            System.Globalization.CultureInfo.InvariantCulture,
                            $"A manifest has at most {RegistryLimits.ManifestBytes:N0} bytes."
                        )
                    )
                    .AsException();
            }
            if (read.IsCompleted)
            {
                var bytes = read.Buffer.ToArray();
                reader.AdvanceTo(read.Buffer.End);
                await context.RefuseLostCallerAsync(began, ct);
                return bytes;
            }
            reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }

    private static string? ContentTypeOf(HttpRequest request) =>
        request.ContentType?.Split(';')[0].Trim().ToLowerInvariant();

    private static async Task CheckReferencesAsync(
        Session session,
        Repository repository,
        OciManifest manifest,
        CancellationToken ct
    )
    {
        var needed = manifest.Blobs.Where(b => !b.IsElsewhere).ToList();
        var found =
            needed.Count == 0
                ? []
                : await Membership.HoldReadableAsync(
                    session,
                    repository.Subject,
                    [.. needed.Select(b => b.Digest).Distinct()],
                    ct
                );
        if (manifest.Manifests.Count > 0)
        {
            // Held against a deletion until this transaction has written that it needs them.
            var children = await session.ListAsync(
                """
                select digest, octet_length(manifest) from platform.release
                where subject = $1 and digest = any ($2) and withdrawn_at is null
                order by digest
                for share
                """,
                row => (Digest: Digest.Parse(row.GetString(0)), SizeBytes: (long)row.GetInt32(1)),
                ct,
                Sql.Text(repository.Subject),
                Membership.Texts(manifest.Manifests.Select(m => m.Digest.ToString()).Distinct())
            );
            foreach (var (digest, sizeBytes) in children)
                found[digest] = sizeBytes;
        }
        var references = needed.Concat(manifest.Manifests).ToList();
        var missing = references.Where(r => !found.ContainsKey(r.Digest)).Select(r => r.Digest).Distinct().ToList();
        if (missing.Count > 0)
        {
            throw RegistryProblems
                .ManifestBlobUnknown.Because($"'{repository.Name}' does not have {missing[0]} and needs it.")
                .With("digests", missing.Take(RegistryLimits.ListedDigests).Select(d => d.ToString()).ToArray())
                .AsException();
        }
        var wrong = references
            .Where(r => found[r.Digest] != r.SizeBytes)
            .Select(r => new Fault("/" + r.Path.TrimStart('@') + "/size", $"{r.Digest} has {found[r.Digest]} bytes."))
            .ToList();
        if (wrong.Count > 0)
        {
            throw RegistryProblems.SizeInvalid.Because("The manifest gives a wrong size.", wrong).AsException();
        }
    }

    /// <returns>Whether it is new in the repository, or was withdrawn before.</returns>
    private static async Task<bool> RecordAsync(
        Session session,
        Repository repository,
        Digest digest,
        OciManifest manifest,
        byte[] bytes,
        CancellationToken ct
    )
    {
        var owner = Sql.Owner(repository.Owner);
        // Updated also when it is there: a deletion that runs now waits, and sees what this transaction does. A collection may
        // have taken the list of its files since it was withdrawn, so that is written again. What was there before is read with the
        // row held, so that of pushes at once one is new, and a deletion that was first is seen; a row that was inserted has no xmax.
        var isNew = false;
        var pipeline = new Pipeline(session);
        var recorded = new Query<bool>(
            """
            with before as materialized (
                select withdrawn_at from platform.release
                where owner = $1 and subject = $2 and digest = $3
                for no key update
            )
            insert into platform.release (
                owner, subject, digest, artifact_type, media_type, refers_to, manifest, created_by, created_by_name, pushed_at
            )
            -- Counted, so that it is read before anything is written.
            select $1, $2, $3, $4, $5, $6, $7, $8, $9, clock_timestamp() from (select count(*) from before) b
            on conflict (owner, subject, digest) do update set withdrawn_at = null, pushed_at = excluded.pushed_at
            returning xmax = 0 or exists (select from before where withdrawn_at is not null)
            """,
            row => row.GetBoolean(0),
            owner,
            Sql.Text(repository.Subject),
            Sql.Digest(digest),
            Sql.Text(manifest.ArtifactType),
            Sql.Text(manifest.MediaType),
            Sql.Digest(manifest.Subject),
            Sql.Bytes(bytes),
            Sql.Uuid(session.Context.Actor.Id.Value),
            Sql.Text(session.Context.Actor.Name)
        );
        pipeline.Add(recorded, rows => isNew = rows.Single());
        var blobs = manifest.Blobs.Where(b => !b.IsElsewhere).ToList();
        pipeline.Add(
            """
            with listed as (
                insert into platform.release_blob (owner, subject, release_digest, path, blob_digest)
                select $1, $2, $3, f.path, f.digest from unnest($4::text[], $5::text[]) as f (path, digest)
                on conflict do nothing
            )
            insert into platform.release_child (owner, subject, release_digest, child_digest)
            select $1, $2, $3, c.digest from unnest($6::text[]) as c (digest)
            on conflict do nothing
            """,
            Sql.Owner(repository.Owner),
            Sql.Text(repository.Subject),
            Sql.Digest(digest),
            Membership.Texts(blobs.Select(b => b.Path)),
            Membership.Texts(blobs.Select(b => b.Digest.ToString())),
            Membership.Texts(manifest.Manifests.Select(m => m.Digest.ToString()).Distinct())
        );
        await pipeline.SendAsync(ct);
        return isNew;
    }

    /// <returns>Where the channel pointed before.</returns>
    private static async Task<Digest?> MoveAsync(
        Session session,
        ChannelKey key,
        Channel? seen,
        Digest to,
        Precondition? precondition,
        CancellationToken ct
    )
    {
        var (revision, release) = (seen?.Revision ?? 0, seen?.Release);
        while (true)
        {
            precondition?.Check(release is { } current ? $"\"{current}\"" : null);
            var move = await ChannelStore.MoveAsync(session, key, revision, to, ct);
            switch (move)
            {
                case ChannelMove.Moved or ChannelMove.Unchanged:
                    return release;
                // Another push was first. The channel's row is held since this attempt, so the next one is the last.
                case ChannelMove.Conflict(var now, var live):
                    (revision, release) = (now, live);
                    break;
                default:
                    throw new InvalidOperationException($"The manifest was recorded, and yet: {move}.");
            }
        }
    }

    private static ReleaseManifest? AsRelease(OciManifest manifest, byte[] bytes)
    {
        if (OciManifest.IsIndex(manifest.MediaType))
            return null;
        try
        {
            return ReleaseManifest.Parse(bytes);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
