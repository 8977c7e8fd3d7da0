using Microsoft.AspNetCore.Http;
using Platen.Access.Keys;

namespace Platen.Access;

/// <summary>
/// Callers whom this node knows without asking the database, for answers that are given before authentication. Thread-safe.
/// </summary>
public sealed class RememberedCallers
{
    private const string Bearer = "Bearer ";
    private readonly KeyVerifier keys;

    internal RememberedCallers(KeyVerifier keys) => this.keys = keys;

    /// <summary>
    /// The caller whose machine key the request carries, when the key was verified within the last seconds and nothing of its owner's
    /// keys has changed since; null otherwise, for people and short-lived tokens too. A request with null goes on to authentication,
    /// which decides.
    /// </summary>
    /// <param name="context">The request.</param>
    public Caller? Find(HttpContext context)
    {
        var fields = context.Request.Headers.Authorization;
        return fields.Count == 1 && fields[0] is { } field && field.StartsWith(Bearer, StringComparison.Ordinal)
            ? keys.Remembered(field.AsSpan(Bearer.Length))
            : null;
    }
}
