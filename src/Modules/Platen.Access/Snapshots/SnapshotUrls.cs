using Platen.Kernel;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;

namespace Platen.Access.Snapshots;

/// <summary>A link that downloads one release, for a while.</summary>
/// <param name="Token">What the links are made of.</param>
/// <param name="ExpiresAt">Until when they work.</param>
public sealed record SnapshotUrl(string Token, DateTimeOffset ExpiresAt)
{
    /// <summary>The path that downloads it in a format: <c>zip</c> or <c>tar</c>.</summary>
    public string PathOf(string format) => $"/snapshots/{Token}.{format}";
}

/// <summary>
/// Makes links to one release of an owner, whole. A link is a token with the purpose <see cref="Tokens.TokenPurpose.Snapshot"/>, whose
/// subject is <c>{subject}@{digest}</c>: every node verifies it without a query, and it opens nothing else. Thread-safe.
/// </summary>
public sealed class SnapshotUrls
{
    /// <summary>How long a link works at most: an agent starts within minutes, a download of a large project ends within the hour.</summary>
    public static readonly TimeSpan MostLife = TimeSpan.FromHours(24);

    private readonly PostgresPools pools;
    private readonly Tokens.TokenSigner signer;
    private readonly TimeProvider clock;

    internal SnapshotUrls(PostgresPools pools, Tokens.TokenSigner signer, TimeProvider clock)
    {
        this.pools = pools;
        this.signer = signer;
        this.clock = clock;
    }

    /// <summary>A link to a release of the caller's owner.</summary>
    /// <param name="caller">Who may read it, which the caller of this has checked; the link does not outlive their credential.</param>
    /// <param name="subject">The release's subject, such as <c>projects/{id}</c>.</param>
    /// <param name="release">Its digest.</param>
    /// <param name="life">How long it works, up to <see cref="MostLife"/>.</param>
    /// <param name="ct">Cancels.</param>
    /// <returns>The link and the release.</returns>
    /// <exception cref="ProblemException"><see cref="KernelProblems.NotFound"/>: the owner has no such release, or it has no files;
    /// <see cref="KernelProblems.Conflict"/>: a path of it leads out of the folder it would be unpacked into.</exception>
    public async Task<(SnapshotUrl Url, Release Release)> MakeAsync(
        Caller caller,
        string subject,
        Digest release,
        TimeSpan life,
        CancellationToken ct
    )
    {
        Release found;
        await using (var session = await pools.OpenAsync(caller.Operation("make snapshot link"), ct))
            found = await FindAsync(session, subject, release, ct) ?? throw NoSuchRelease();
        if (ReleaseArchive.UnsafePath(found.Manifest) is { } path)
        {
            throw KernelProblems
                .Conflict.Because($"The release has a file named '{path}', which nobody should unpack.")
                .AsException();
        }
        var now = clock.GetUtcNow();
        if (caller.ExpiresAt is { } end && now + life > end)
            life = end - now;
        var token = signer.Issue(
            Tokens.TokenPurpose.Snapshot,
            caller.Owner,
            subject + "@" + release,
            life,
            actor: caller.Actor
        );
        return (new SnapshotUrl(token, DateTimeOffset.FromUnixTimeSeconds((now + life).ToUnixTimeSeconds())), found);
    }

    /// <summary>The release that a token opens, and whose it is.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Unauthenticated"/>: the token opens nothing;
    /// <see cref="KernelProblems.NotFound"/>: the release is gone.</exception>
    internal async Task<(OwnerId Owner, Release Release)> OpenAsync(string token, CancellationToken ct)
    {
        var claims = signer.Verify(token, Tokens.TokenPurpose.Snapshot) switch
        {
            Tokens.TokenCheck.Valid(var valid) => valid,
            Tokens.TokenCheck.Refused(var why) => throw KernelProblems.Unauthenticated.Because(why).AsException(),
            _ => throw new InvalidOperationException("The hierarchy is closed."),
        };
        var at = claims.Subject.LastIndexOf('@');
        await using var session = await pools.OpenAsync(
            new OperationContext(claims.Actor, claims.Owner, "download snapshot"),
            ct
        );
        var release =
            await FindAsync(session, claims.Subject[..at], Digest.Parse(claims.Subject.AsSpan(at + 1)), ct)
            ?? throw NoSuchRelease();
        return (claims.Owner, release);
    }

    // An image or an index has no files of its own.
    private static async Task<Release?> FindAsync(Session session, string subject, Digest release, CancellationToken ct)
    {
        try
        {
            return await ReleaseStore.FindAsync(session, subject, release, ct);
        }
        catch (System.Text.Json.JsonException)
        {
            return null;
        }
    }

    private static ProblemException NoSuchRelease() =>
        KernelProblems.NotFound.Because("There is no such release with files.").AsException();
}
