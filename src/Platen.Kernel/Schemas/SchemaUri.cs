using System.Text;

namespace Platen.Kernel.Schemas;

/// <summary>
/// Reference resolution by RFC 3986 section 5.2 on text: <see cref="Uri"/> rewrites percent-escapes, refuses relative
/// references against URNs, and folds what a schema author wrote; identifiers here stay as they are written.
/// </summary>
internal readonly record struct SchemaUri(
    string? Scheme,
    string? Authority,
    string Path,
    string? Query,
    string? Fragment
)
{
    public static SchemaUri Parse(string text)
    {
        string? scheme = null;
        string? authority = null;
        string? query = null;
        string? fragment = null;
        var rest = text;
        if (rest.IndexOf('#') is var hash and >= 0)
        {
            fragment = rest[(hash + 1)..];
            rest = rest[..hash];
        }
        if (rest.IndexOf('?') is var mark and >= 0)
        {
            query = rest[(mark + 1)..];
            rest = rest[..mark];
        }
        if (rest.IndexOf(':') is var colon and > 0 && IsScheme(rest.AsSpan(0, colon)))
        {
            scheme = rest[..colon].ToLowerInvariant();
            rest = rest[(colon + 1)..];
        }
        if (rest.StartsWith("//", StringComparison.Ordinal))
        {
            var end = rest.IndexOf('/', 2);
            authority = (end < 0 ? rest[2..] : rest[2..end]).ToLowerInvariant();
            rest = end < 0 ? "" : rest[end..];
        }
        return new SchemaUri(scheme, authority, rest, query, fragment);
    }

    /// <summary>The target of <paramref name="reference"/> written in a place whose base is this.</summary>
    public SchemaUri Resolve(string reference)
    {
        var r = Parse(reference);
        if (r.Scheme is not null)
            return r with { Path = RemoveDotSegments(r.Path) };
        if (r.Authority is not null)
            return r with { Scheme = Scheme, Path = RemoveDotSegments(r.Path) };
        if (r.Path.Length == 0)
            return this with { Query = r.Query ?? Query, Fragment = r.Fragment };
        var path = r.Path[0] == '/' ? r.Path : Merge(r.Path);
        return new SchemaUri(Scheme, Authority, RemoveDotSegments(path), r.Query, r.Fragment);
    }

    public SchemaUri WithoutFragment() => this with { Fragment = null };

    public override string ToString()
    {
        var text = new StringBuilder();
        if (Scheme is not null)
            text.Append(Scheme).Append(':');
        if (Authority is not null)
            text.Append("//").Append(Authority);
        text.Append(Path);
        if (Query is not null)
            text.Append('?').Append(Query);
        if (Fragment is not null)
            text.Append('#').Append(Fragment);
        return text.ToString();
    }

    private string Merge(string relative)
    {
        if (Authority is not null && Path.Length == 0)
            return "/" + relative;
        return string.Concat(Path.AsSpan(0, Path.LastIndexOf('/') + 1), relative);
    }

    private static string RemoveDotSegments(string path)
    {
        if (!path.Contains('.', StringComparison.Ordinal) || (path.Length > 0 && path[0] != '/'))
            return path;
        var kept = new List<string>();
        var segments = path.Split('/');
        for (var i = 1; i < segments.Length; i++)
        {
            var last = i == segments.Length - 1;
            switch (segments[i])
            {
                case ".":
                    if (last)
                        kept.Add("");
                    break;
                case "..":
                    if (kept.Count > 0)
                        kept.RemoveAt(kept.Count - 1);
                    if (last)
                        kept.Add("");
                    break;
                default:
                    kept.Add(segments[i]);
                    break;
            }
        }
        return "/" + string.Join('/', kept);
    }

    private static bool IsScheme(ReadOnlySpan<char> text)
    {
        if (!char.IsAsciiLetter(text[0]))
            return false;
        foreach (var c in text)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('+' or '-' or '.'))
                return false;
        }
        return true;
    }
}
