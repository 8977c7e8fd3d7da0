using System.Collections.Frozen;
using System.Text.RegularExpressions;

namespace Platen.Widgets.Packages;

/// <summary>
/// Where in the markup a template writes a value. Escaping makes a value harmless as text and between double quotes, and nowhere else;
/// an address must be made safe first, and JSON belongs into a data script. Markup is read from its beginning to its end, both
/// branches of a block one after the other, so each branch closes the tags and quotes that it opens.
/// </summary>
internal sealed partial class TemplateContexts
{
    /// <summary>Attributes whose value a browser follows, loads or sends to.</summary>
    private static readonly FrozenSet<string> Addresses = FrozenSet.Create(
        StringComparer.OrdinalIgnoreCase,
        "href",
        "src",
        "srcset",
        "action",
        "formaction",
        "cite",
        "data",
        "poster",
        "ping",
        "itemid",
        "background"
    );

    private readonly string file;
    private Place place;
    private string tag = "";
    private string attribute = "";
    private string written = "";

    private TemplateContexts(string file) => this.file = file;

    private enum Place
    {
        Text,
        Script,
        Tag,
        Value,
    }

    /// <exception cref="WidgetPackageException">A value stands where escaping does not protect the page.</exception>
    public static void Check(string source, string file)
    {
        var contexts = new TemplateContexts(file);
        var from = 0;
        foreach (Match expression in Expression().Matches(source))
        {
            contexts.Read(source.AsSpan(from, expression.Index - from));
            contexts.Meet(expression.Value, expression.Groups["inner"].Value.Trim());
            from = expression.Index + expression.Length;
        }
        contexts.Read(source.AsSpan(from));
        if (contexts.place != Place.Text)
            throw new WidgetPackageException(file, "The markup ends inside a tag or a script.");
    }

    private void Read(ReadOnlySpan<char> markup)
    {
        while (!markup.IsEmpty)
        {
            markup = place switch
            {
                Place.Text => ReadText(markup),
                Place.Script => ReadScript(markup),
                Place.Tag => ReadTag(markup),
                _ => ReadValue(markup),
            };
        }
    }

    private ReadOnlySpan<char> ReadText(ReadOnlySpan<char> markup)
    {
        var open = markup.IndexOf('<');
        if (open < 0)
            return [];
        markup = markup[(open + 1)..];
        if (markup.StartsWith("!"))
            throw new WidgetPackageException(file, "Write comments as {{! … }}.");
        var name = markup.IndexOfAnyExcept(NameLetters);
        tag = (name < 0 ? markup : markup[..name]).ToString();
        (place, attribute) = (Place.Tag, "");
        return name < 0 ? [] : markup[name..];
    }

    private ReadOnlySpan<char> ReadScript(ReadOnlySpan<char> markup)
    {
        var end = markup.IndexOf("</script>", StringComparison.OrdinalIgnoreCase);
        if (end < 0)
            return [];
        place = Place.Text;
        return markup[(end + "</script>".Length)..];
    }

    private ReadOnlySpan<char> ReadTag(ReadOnlySpan<char> markup)
    {
        var stop = markup.IndexOfAny(">\"'=");
        attribute = LastWord(attribute, stop < 0 ? markup : markup[..stop]);
        if (stop < 0)
            return [];
        switch (markup[stop])
        {
            case '>':
                place = string.Equals(tag, "script", StringComparison.OrdinalIgnoreCase) ? Place.Script : Place.Text;
                return markup[(stop + 1)..];
            case '=' when markup.Length > stop + 1 && markup[stop + 1] == '"':
                (place, written) = (Place.Value, "");
                return markup[(stop + 2)..];
            default:
                throw new WidgetPackageException(
                    file,
                    $"The value of '{attribute}' in <{tag}> does not stand between double quotes."
                );
        }
    }

    private ReadOnlySpan<char> ReadValue(ReadOnlySpan<char> markup)
    {
        var end = markup.IndexOf('"');
        written += (end < 0 ? markup : markup[..end]).ToString();
        if (end < 0)
            return [];
        (place, attribute) = (Place.Tag, "");
        return markup[(end + 1)..];
    }

    private void Meet(string expression, string inner)
    {
        if (inner.StartsWith('!'))
            return;
        var isBlock = inner is "else" || inner.StartsWith('#') || inner.StartsWith('/') || inner.StartsWith('^');
        var isAddress = place == Place.Value && Addresses.Contains(attribute);
        var reason = place switch
        {
            Place.Value when isAddress && isBlock => "an address is one value; put the block around the element",
            _ when isBlock => null,
            Place.Script => inner.StartsWith("json ", StringComparison.Ordinal)
                ? null
                : "a data script holds {{json …}}",
            _ when inner.StartsWith("json ", StringComparison.Ordinal) => "{{json …}} belongs into a data script",
            Place.Tag => "a value stands in text or between the double quotes of an attribute",
            Place.Value when isAddress && !SafeStart().IsMatch(written) && !IsUrl(inner) =>
                $"an address in '{attribute}' is written with {{{{url …}}}}",
            _ => null,
        };
        if (reason is not null)
            throw new WidgetPackageException(file, $"'{expression}': {reason}.");
    }

    private bool IsUrl(string inner) => written.Length == 0 && inner.StartsWith("url ", StringComparison.Ordinal);

    private static string LastWord(string before, ReadOnlySpan<char> text)
    {
        var trimmed = text.TrimEnd();
        var start = trimmed.LastIndexOfAny(" \t\r\n/") + 1;
        return start == 0 ? before + trimmed.ToString() : trimmed[start..].ToString();
    }

    private static readonly System.Buffers.SearchValues<char> NameLetters = System.Buffers.SearchValues.Create(
        "/abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
    );

    [GeneratedRegex(@"\{\{(?<inner>[^}]*)\}\}", RegexOptions.NonBacktracking)]
    private static partial Regex Expression();

    /// <summary>What makes the rest of an address harmless: a fragment, a path on this host, a mail address.</summary>
    [GeneratedRegex(@"^(#|/[^/\\]|mailto:)", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex SafeStart();
}
