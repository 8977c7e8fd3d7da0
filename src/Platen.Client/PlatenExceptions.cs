using System.Collections.Immutable;
using System.Net;
using System.Text.Json;
using Platen.Kernel;

namespace Platen.Client;

/// <summary>
/// Why a call to the server brought no result. Every subclass says what to do in <see cref="Advice"/>. No message ever
/// contains the key.
/// </summary>
public abstract class PlatenException(string message, string advice, Exception? inner = null)
    : Exception(message, inner)
{
    /// <summary>What the caller should do about it, in one sentence.</summary>
    public string Advice { get; } = advice;
}

/// <summary>The server answered with a problem (RFC 9457), or a gateway in between with an error of its own.</summary>
public sealed class PlatenProblemException : PlatenException
{
    /// <summary>The slug when the answer was an error without a problem document.</summary>
    public const string NoProblemDocument = "no-problem-document";

    internal PlatenProblemException(HttpStatusCode status, ProblemDocument document, int attempts, TimeSpan? retryAfter)
        : base(
            document.Detail is { Length: > 0 } detail ? detail : document.Title ?? "The server refused the request.",
            document.Advice ?? $"Look up the server's page '{document.Type ?? "/problems"}'."
        )
    {
        Status = status;
        Slug = document.Slug;
        Title = document.Title ?? status.ToString();
        Detail = document.Detail ?? "";
        TraceId = document.TraceId;
        Faults = [.. (document.Faults ?? []).Select(fault => new Fault(fault.Pointer ?? "", fault.Message ?? ""))];
        Extensions = document.Extensions is { } members
            ? members.ToImmutableSortedDictionary(StringComparer.Ordinal)
            : ImmutableSortedDictionary<string, JsonElement>.Empty;
        Attempts = attempts;
        RetryAfter = retryAfter;
    }

    /// <summary>The HTTP status of the answer.</summary>
    public HttpStatusCode Status { get; }

    /// <summary>The problem type's name, such as <c>stale-version</c>, or <see cref="NoProblemDocument"/>.</summary>
    public string Slug { get; }

    /// <summary>The same at every occurrence of the slug.</summary>
    public string Title { get; }

    /// <summary>What happened this time; empty when the server did not say.</summary>
    public string Detail { get; }

    /// <summary>What the operator finds in the server's log; null when the server did not say.</summary>
    public string? TraceId { get; }

    /// <summary>Everything wrong with the input, each with a JSON Pointer into the request's body; may be empty.</summary>
    public ImmutableArray<Fault> Faults { get; }

    /// <summary>Further members of the problem document, such as <c>currentVersion</c> or <c>validTypes</c>.</summary>
    public ImmutableSortedDictionary<string, JsonElement> Extensions { get; }

    /// <summary>
    /// How often the request was sent, 1 or more. After more than one, an earlier attempt may have been carried out although
    /// its answer was lost: a conditional write that ends in <see cref="IsStale"/> may be the caller's own.
    /// </summary>
    public int Attempts { get; }

    /// <summary>When the server says to try again, counted from its answer; null when it did not say.</summary>
    public TimeSpan? RetryAfter { get; }

    /// <summary>The credential is missing, unknown or not enough (401, 403).</summary>
    public bool IsNotAllowed => Status is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden;

    /// <summary>Somebody else changed it first, or the write did not say what it saw (409, 412, 428).</summary>
    public bool IsStale =>
        Status is HttpStatusCode.Conflict or HttpStatusCode.PreconditionFailed or HttpStatusCode.PreconditionRequired;

    /// <summary>There is no such resource, or none that the credential may know of (404).</summary>
    public bool IsNotFound => Status is HttpStatusCode.NotFound;

    /// <summary>The texts of an array among <see cref="Extensions"/>; empty when there is none of that name.</summary>
    public IReadOnlyList<string> ExtensionTexts(string name) =>
        Extensions.TryGetValue(name, out var value) && value.ValueKind == JsonValueKind.Array
            ?
            [
                .. value
                    .EnumerateArray()
                    .Where(item => item.ValueKind == JsonValueKind.String)
                    .Select(item => item.GetString()!),
            ]
            : [];
}

/// <summary>No answer came: nothing listens, the name does not resolve, the connection broke, or time ran out.</summary>
public sealed class PlatenUnreachableException : PlatenException
{
    internal PlatenUnreachableException(Uri server, string what, string advice, Exception? inner)
        : base($"{server.GetLeftPart(UriPartial.Authority)}: {what}", advice, inner) => Server = server;

    /// <summary>Who did not answer.</summary>
    public Uri Server { get; }
}

/// <summary>An answer came that is not Platen's: another program at the address, or a server of another version.</summary>
public sealed class PlatenAnswerException(string message, string advice, Exception? inner = null)
    : PlatenException(message, advice, inner);
