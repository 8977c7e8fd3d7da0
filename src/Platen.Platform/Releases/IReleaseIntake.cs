using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Platform.Releases;

/// <summary>
/// A manifest that a client pushes into the registry, before its transaction commits. Its blobs are stored, readable in the
/// subject and recorded; it is recorded itself.
/// </summary>
/// <param name="Subject">The repository, such as <c>templates/section7</c>.</param>
/// <param name="Channel">The tag it is pushed to; null when it is pushed by its digest and no channel moves.</param>
/// <param name="Replaces">Where the channel points now; null when nowhere, or when there is no channel.</param>
/// <param name="Digest">Its identity.</param>
/// <param name="MediaType">Of the manifest itself: an image manifest or an index.</param>
/// <param name="ArtifactType">Its artifact type, or its config's media type; empty when it has neither.</param>
/// <param name="ManifestBytes">Exactly what was pushed.</param>
/// <param name="Manifest">The same, when each layer is a file with a path; null when it is of another shape.</param>
public sealed record IncomingRelease(
    string Subject,
    string? Channel,
    Digest? Replaces,
    Digest Digest,
    string MediaType,
    string ArtifactType,
    ReadOnlyMemory<byte> ManifestBytes,
    ReleaseManifest? Manifest
);

/// <summary>
/// Takes in what is pushed under a repository prefix. Repositories of the reserved prefixes are written only through the one
/// intake that is registered for them; where there is none they cannot be pushed to. Registered as a singleton service of this
/// type; called by several requests at once.
/// </summary>
public interface IReleaseIntake
{
    /// <summary>Which subjects are its own, with the slash: <c>templates/</c>. No two intakes have the same.</summary>
    string SubjectPrefix { get; }

    /// <summary>What the caller's credential needs beside <c>registry:push</c>: one of the known scopes.</summary>
    string Scope { get; }

    /// <summary>
    /// Checks a pushed manifest and writes what follows from it, in the transaction that records it. When it returns and
    /// <see cref="IncomingRelease.Channel"/> is not null, the channel is moved next; when it throws, nothing was recorded.
    /// </summary>
    /// <param name="session">Open for the subject's owner. Not to be committed.</param>
    /// <param name="release">What is pushed.</param>
    /// <param name="ct">Cancels.</param>
    /// <exception cref="ProblemException">It is refused: the pusher gets an OCI error with the problem in its <c>detail</c>.</exception>
    Task TakeInAsync(Session session, IncomingRelease release, CancellationToken ct);
}
