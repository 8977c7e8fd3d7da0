using Microsoft.AspNetCore.Http;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Platform.Channels;
using Platen.Platform.Postgres;

namespace Platen.Registry;

/// <summary>
/// Ends a tag (its channel then points at nothing, which is a move like any other) or withdraws a manifest together with its tags.
/// What is published is not deleted here: reserved repositories and protected channels refuse, and so does a manifest that
/// an index lists.
/// </summary>
internal sealed class DeleteManifest(PostgresPools pools, RegistryOptions options)
{
    public async Task RunAsync(HttpContext context, string name, string reference, CancellationToken ct)
    {
        var repository = await RegistryRequest.RequireAsync(context, name, RepositoryActions.Delete, ct);
        if (RepositoryName.IsReserved(repository.Subject))
            throw Unsupported($"'{name}' is unpublished, not deleted.");
        await using (var session = await pools.OpenAsync(repository.Caller.Operation("deleted in the registry"), ct))
        {
            if (reference.Contains(':', StringComparison.Ordinal))
                await WithdrawAsync(session, repository, RegistryRequest.RequireDigest(reference), ct);
            else
                await EndTagAsync(session, repository, reference, ct);
            await session.CommitAsync(ct);
        }
        context.Response.StatusCode = StatusCodes.Status202Accepted;
        context.Response.ContentLength = 0;
    }

    private async Task EndTagAsync(Session session, Repository repository, string tag, CancellationToken ct)
    {
        var channel = RepositoryName.IsValidTag(tag)
            ? await ChannelStore.FindAsync(session, new ChannelKey(repository.Subject, tag), ct)
            : null;
        if (channel?.Release is null)
            throw await UnknownAsync(session, repository, tag, ct);
        await EndAsync(session, channel, ct);
    }

    private async Task WithdrawAsync(Session session, Repository repository, Digest digest, CancellationToken ct)
    {
        var isThere = await session.FirstAsync(
            """
            select true from platform.release
            where subject = $1 and digest = $2 and withdrawn_at is null
            for no key update
            """,
            row => row.GetBoolean(0),
            ct,
            Sql.Text(repository.Subject),
            Sql.Digest(digest)
        );
        if (!isThere)
            throw await UnknownAsync(session, repository, digest.ToString(), ct);
        var parent = await session.FirstAsync(
            """
            select r.digest
            from platform.release_child c
            join platform.release r on r.owner = c.owner and r.subject = c.subject and r.digest = c.release_digest
            where c.subject = $1 and c.child_digest = $2 and r.withdrawn_at is null
            """,
            row => row.GetString(0),
            ct,
            Sql.Text(repository.Subject),
            Sql.Digest(digest)
        );
        if (parent is not null)
            throw Unsupported($"The index {parent} lists it: delete that first.");
        var tags = await session.ListAsync(
            """
            select name from platform.channel
            where subject = $1 and (release_digest = $2 or candidate_digest = $2)
            order by name collate "C"
            """,
            row => row.GetString(0),
            ct,
            Sql.Text(repository.Subject),
            Sql.Digest(digest)
        );
        foreach (var tag in tags)
        {
            if (await ChannelStore.FindAsync(session, new ChannelKey(repository.Subject, tag), ct) is { } channel)
                await EndAsync(session, channel, ct);
        }
        await session.ExecuteAsync(
            "update platform.release set withdrawn_at = now() where subject = $1 and digest = $2",
            ct,
            Sql.Text(repository.Subject),
            Sql.Digest(digest)
        );
        await AuditLog.RecordAsync(
            session,
            "manifest.withdrawn",
            $"repository/{repository.Subject}@{digest}",
            digest,
            after: null,
            detail: null,
            ct
        );
    }

    private async Task EndAsync(Session session, Channel channel, CancellationToken ct)
    {
        if (options.ProtectedTags.Contains(channel.Key.Name))
            throw Unsupported($"The tag '{channel.Key.Name}' is protected: push another manifest to it instead.");
        await AuditLog.RecordAsync(
            session,
            "tag.ended",
            $"repository/{channel.Key}",
            channel.Release,
            after: null,
            detail: null,
            ct
        );
        var move = await ChannelStore.MoveAsync(session, channel.Key, channel.Revision, to: null, ct);
        if (move is ChannelMove.Conflict)
        {
            throw KernelProblems
                .Conflict.Because($"The tag '{channel.Key.Name}' was moved just now; nothing was deleted.")
                .AsException();
        }
    }

    private static async Task<ProblemException> UnknownAsync(
        Session session,
        Repository repository,
        string reference,
        CancellationToken ct
    ) =>
        await Membership.ExistsAsync(session, repository.Subject, ct)
            ? RegistryProblems
                .ManifestUnknown.Because($"'{repository.Name}' has no manifest '{RepositoryName.Shown(reference)}'.")
                .AsException()
            : RegistryRequest.NameUnknown(repository.Name);

    private static ProblemException Unsupported(string detail) =>
        RegistryProblems.Unsupported.Because(detail).AsException();
}
