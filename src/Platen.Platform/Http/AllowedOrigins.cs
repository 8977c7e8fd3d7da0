using System.Collections.Frozen;

namespace Platen.Platform.Http;

/// <summary>
/// Origins (RFC 6454) whose pages may use the API: spelled out, as <c>https://*.example.com</c> for every host below a name, or
/// <c>*</c> for all. Immutable.
/// </summary>
public sealed class AllowedOrigins
{
    /// <summary>Nobody but the server's own pages.</summary>
    public static readonly AllowedOrigins None = new([], [], any: false);

    private readonly FrozenSet<string> exact;
    private readonly IReadOnlyList<(string Before, string After)> below;

    private AllowedOrigins(IEnumerable<string> exact, IReadOnlyList<(string Before, string After)> below, bool any)
    {
        this.exact = exact.ToFrozenSet(StringComparer.OrdinalIgnoreCase);
        this.below = below;
        Any = any;
    }

    /// <summary>Whether every origin may; then no answer may be read with the visitor's credentials.</summary>
    public bool Any { get; }

    /// <summary>Reads origins separated by commas or spaces.</summary>
    /// <exception cref="FormatException">One of them is none.</exception>
    public static AllowedOrigins Parse(string? text)
    {
        var whole = new List<string>();
        var patterns = new List<(string, string)>();
        var any = false;
        foreach (var part in HttpGuards.Parts(text))
        {
            if (part == "*")
                any = true;
            else if (part.IndexOf("://*.", StringComparison.Ordinal) is > 0 and var at)
                patterns.Add((part[..(at + 3)], Normal(part[..(at + 3)] + part[(at + 5)..], part)[(at + 3)..]));
            else
                whole.Add(Normal(part, part));
        }
        return new AllowedOrigins(whole, [.. patterns.Select(one => (one.Item1, "." + one.Item2))], any);
    }

    /// <summary>Whether the origin is spelled out: only then may a page use the visitor's credentials.</summary>
    public bool Names(string origin) => exact.Contains(origin);

    /// <summary>Whether pages of this origin may. <c>null</c> (a sandboxed frame, a file) never may: anybody can be that.</summary>
    public bool Allows(string origin)
    {
        if (origin is "null" or "")
            return false;
        if (Any || exact.Contains(origin))
            return true;
        foreach (var (before, after) in below)
        {
            if (
                origin.Length > before.Length + after.Length
                && origin.StartsWith(before, StringComparison.OrdinalIgnoreCase)
                && origin.EndsWith(after, StringComparison.OrdinalIgnoreCase)
                && !origin.AsSpan(before.Length, origin.Length - before.Length - after.Length).ContainsAny("/:@")
            )
                return true;
        }
        return false;
    }

    /// <summary>As a browser writes it: lower case, without the scheme's own port, and nothing after the host.</summary>
    private static string Normal(string origin, string given) =>
        Uri.TryCreate(origin, UriKind.Absolute, out var uri)
        && uri.Scheme is "http" or "https"
        && uri.PathAndQuery == "/"
        && uri.UserInfo.Length == 0
        && uri.Fragment.Length == 0
        && !origin.EndsWith('/')
            ? uri.GetLeftPart(UriPartial.Authority)
            : throw new FormatException(
                $"PLATEN_CORS_ORIGINS has '{given}'; write origins such as https://app.example.com, https://*.example.com, or *."
            );
}
