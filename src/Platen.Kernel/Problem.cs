using System.Collections.Immutable;

namespace Platen.Kernel;

/// <summary>
/// One kind of problem a client can meet, as listed in <c>docs/reference/problems.md</c>. Modules declare theirs as static
/// readonly fields of a class named <c>*Problems</c>; the catalogue is collected from there.
/// </summary>
/// <param name="Slug">Its name in the problem type's URI, <c>/problems/{slug}</c>; never changes.</param>
/// <param name="Status">The HTTP status it is answered with.</param>
/// <param name="Title">A short summary that is the same at every occurrence (RFC 9457 section 3.1.3).</param>
/// <param name="Advice">What the caller should do about it.</param>
public sealed record ProblemType(string Slug, int Status, string Title, string Advice)
{
    /// <summary>The problem type's URI reference, resolved against the server.</summary>
    public string Uri => "/problems/" + Slug;

    /// <summary>An occurrence of this problem.</summary>
    /// <param name="detail">What happened here, and how to fix it: names the field, the value, the limit.</param>
    public Problem Because(string detail) => new(this, detail);

    /// <summary>An occurrence with several faults in the input, each with its place.</summary>
    public Problem Because(string detail, IEnumerable<Fault> faults) =>
        new(this, detail) { Faults = [.. faults.Take(Limits.Faults)] };
}

/// <summary>One thing wrong with an input.</summary>
/// <param name="Pointer">Where: a JSON Pointer (RFC 6901) into the request body; empty for the whole of it.</param>
/// <param name="Message">What is wrong and what would be right.</param>
public sealed record Fault(string Pointer, string Message);

/// <summary>An occurrence of a problem: becomes an RFC 9457 body at the HTTP edge.</summary>
public sealed record Problem(ProblemType Type, string Detail)
{
    /// <summary>Everything wrong with the input, at most <see cref="Limits.Faults"/>; empty when it is not about input.</summary>
    public ImmutableArray<Fault> Faults { get; init; } = [];

    /// <summary>Further members of the body, such as <c>currentVersion</c>; names are camelCase.</summary>
    public ImmutableSortedDictionary<string, object> Extensions { get; init; } =
        ImmutableSortedDictionary<string, object>.Empty.WithComparers(StringComparer.Ordinal);

    /// <summary>This problem with one more member in its body.</summary>
    public Problem With(string name, object value) => this with { Extensions = Extensions.SetItem(name, value) };

    /// <summary>The problem as an exception, for throwing where only the client cares.</summary>
    public ProblemException AsException() => new(this);
}

/// <summary>
/// Ends an operation with a problem the HTTP client should see. The open transaction rolls back; nothing is logged as an
/// error, because nothing is broken.
/// </summary>
public sealed class ProblemException(Problem problem) : Exception($"{problem.Type.Slug}: {problem.Detail}")
{
    public Problem Problem { get; } = problem;
}

/// <summary>The problems every endpoint can answer with.</summary>
public static class KernelProblems
{
    public static readonly ProblemType Invalid = new(
        "invalid",
        422,
        "The input is not valid",
        "Fix every fault listed under 'faults'; each names its place with a JSON Pointer."
    );

    public static readonly ProblemType Malformed = new(
        "malformed",
        400,
        "The request cannot be read",
        "Send well-formed UTF-8 JSON of the documented shape."
    );

    public static readonly ProblemType NotFound = new(
        "not-found",
        404,
        "There is no such resource",
        "Check the address, and that the key you use may see it."
    );

    public static readonly ProblemType Unauthenticated = new(
        "unauthenticated",
        401,
        "A valid credential is needed",
        "Send 'Authorization: Bearer KEY'. The owner key is in the data folder's owner.key."
    );

    public static readonly ProblemType Forbidden = new(
        "forbidden",
        403,
        "The credential does not allow this",
        "Use a key with the scope that the detail names."
    );

    public static readonly ProblemType PreconditionRequired = new(
        "precondition-required",
        428,
        "State the version you saw",
        "Read the resource and send its ETag in If-Match; send 'If-None-Match: *' to create it."
    );

    public static readonly ProblemType StaleVersion = new(
        "stale-version",
        412,
        "Somebody else changed it first",
        "Read the current version, apply your change to it, and send its ETag in If-Match."
    );

    public static readonly ProblemType TooLarge = new(
        "too-large",
        413,
        "The request body is too large",
        "Send less than the limit that the detail names."
    );

    public static readonly ProblemType UnsupportedMediaType = new(
        "unsupported-media-type",
        415,
        "The body's media type is not accepted",
        "Send 'Content-Type: application/json'."
    );

    public static readonly ProblemType MethodNotAllowed = new(
        "method-not-allowed",
        405,
        "The resource does not have this method",
        "Use one of the methods that the Allow header names."
    );

    public static readonly ProblemType Conflict = new(
        "conflict",
        409,
        "The state of the resource does not allow this",
        "Read the detail: it names what is in the way."
    );

    public static readonly ProblemType Unavailable = new(
        "unavailable",
        503,
        "A part the server depends on does not answer",
        "Try again after the time in Retry-After; /readyz names the part."
    );

    public static readonly ProblemType LimitReached = new(
        "limit-reached",
        409,
        "The plan does not allow more of this",
        "Remove some, or ask the platform's operator for another plan; 'limit', 'used' and 'allowed' say which and how much."
    );

    public static readonly ProblemType StorageFull = new(
        "storage-full",
        507,
        "There is no room left to store this",
        "Free space on the server's blob store, then repeat the request: nothing was half-written."
    );

    public static readonly ProblemType Internal = new(
        "internal",
        500,
        "The server failed",
        "Report the traceId to the operator; the log has the rest."
    );

    /// <summary><see cref="Malformed"/>, for a page that is asked for by a cursor which no list gave out.</summary>
    public static ProblemException UnknownCursor() =>
        Malformed.Because("The cursor is not one that a list gave out.").AsException();
}
