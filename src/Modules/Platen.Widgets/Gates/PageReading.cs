using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using AngleSharp.Dom;
using AngleSharp.Html.Dom;
using AngleSharp.Html.Dom.Events;
using AngleSharp.Html.Parser;
using Platen.Kernel.Json;

namespace Platen.Widgets.Gates;

/// <summary>A page as a browser reads it, for the gates to look at. Of one thread.</summary>
internal sealed class PageReading : IDisposable
{
    private static readonly HtmlParserOptions Options = new() { IsKeepingSourceReferences = true, IsScripting = true };

    private readonly JsonElement config;
    private readonly JsonPointer configAt;
    private readonly HashSet<IElement> hidden = [];

    /// <param name="html">The page.</param>
    /// <param name="publicId">The instance it is of.</param>
    /// <param name="locale">Its locale.</param>
    /// <param name="policy">The Content-Security-Policy it is served with.</param>
    /// <param name="config">What it was rendered from.</param>
    /// <param name="configAt">Where that is in what the author wrote.</param>
    public PageReading(
        string html,
        string publicId,
        string locale,
        string policy,
        JsonElement config,
        JsonPointer configAt
    )
    {
        (PublicId, Locale, Policy, this.config, this.configAt) = (publicId, locale, policy, config, configAt);
        var errors = ImmutableArray.CreateBuilder<(string, int, int)>();
        var parser = new HtmlParser(Options);
        parser.Error += (_, raised) =>
        {
            if (raised is HtmlErrorEvent error)
                errors.Add((error.Message, error.Position.Line, error.Position.Column));
        };
        Document = parser.ParseDocument(html);
        Errors = errors.ToImmutable();
        Elements = [.. Document.All];
        Labels = [.. Elements.Where(e => e.LocalName == "label")];
        foreach (var element in Elements)
        {
            if (element.Id is { Length: > 0 } id)
                ById.TryAdd(id, element);
            // In the order of the document, so what is around an element has been looked at.
            if (HidesItself(element) || (element.ParentElement is { } around && hidden.Contains(around)))
                hidden.Add(element);
        }
    }

    public string PublicId { get; }

    public string Locale { get; }

    public string Policy { get; }

    public IHtmlDocument Document { get; }

    /// <summary>What the parser had to repair: the message, the line and the column.</summary>
    public ImmutableArray<(string Message, int Line, int Column)> Errors { get; }

    /// <summary>Every element, in the order of the document.</summary>
    public ImmutableArray<IElement> Elements { get; }

    public ImmutableArray<IElement> Labels { get; }

    /// <summary>The first element with each id.</summary>
    public Dictionary<string, IElement> ById { get; } = new(StringComparer.Ordinal);

    public List<GateFinding> Findings { get; } = [];

    /// <summary>Notes something about an element.</summary>
    /// <param name="gate">Which gate has it.</param>
    /// <param name="rule">The rule.</param>
    /// <param name="element">Where; null for the whole page.</param>
    /// <param name="message">What is wrong, and what would be right.</param>
    /// <param name="value">A text of the page that is the cause, to find where the author wrote it.</param>
    public void Report(string gate, string rule, IElement? element, string message, string? value = null)
    {
        var position = element?.SourceReference?.Position;
        Findings.Add(
            new GateFinding(
                gate,
                rule,
                Locale,
                Theme: null,
                element is null ? null : SelectorOf(element),
                position?.Line,
                position?.Column,
                PointerTo(value) ?? PointerTo(element?.TextContent.Trim()),
                message
            )
        );
    }

    /// <summary>Whether it is kept from everybody: by an attribute of itself or around it, or because it is no content.</summary>
    public bool IsHidden(IElement element) => hidden.Contains(element);

    private static bool HidesItself(IElement element) =>
        element.HasAttribute("hidden")
        || element.HasAttribute("inert")
        || element.GetAttribute("aria-hidden") == "true"
        || element.LocalName is "template" or "head" or "script" or "style" or "noscript"
        || (element.LocalName == "dialog" && !element.HasAttribute("open"))
        || (element.LocalName == "input" && element.GetAttribute("type") == "hidden");

    /// <summary>A CSS selector that leads to this element and no other.</summary>
    public string SelectorOf(IElement element)
    {
        var steps = new List<string>();
        for (var at = element; at is not null; at = at.ParentElement)
        {
            if (
                at.Id is { Length: > 0 } id
                && id.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-')
                && ById[id] == at
            )
            {
                steps.Add((char.IsAsciiLetter(id[0]) || id[0] == '_') ? "#" + id : $"[id=\"{id}\"]");
                break;
            }
            if (at.LocalName is "html" or "body" && at != element)
                break;
            var alike = at.ParentElement?.Children.Where(c => c.LocalName == at.LocalName).ToList();
            steps.Add(
                alike is { Count: > 1 }
                    ? string.Create(
                        CultureInfo.InvariantCulture,
                        $"{at.LocalName}:nth-of-type({alike.IndexOf(at) + 1})"
                    )
                    : at.LocalName
            );
        }
        steps.Reverse();
        return string.Join(" > ", steps);
    }

    /// <summary>Where the author wrote a text; templates put a prefix such as <c>g_</c> before ids.</summary>
    private string? PointerTo(string? value)
    {
        if (string.IsNullOrEmpty(value))
            return null;
        return Find(config, value, configAt)
            ?? (
                value.IndexOf('_', StringComparison.Ordinal) is var at and >= 0
                    ? Find(config, value[(at + 1)..], configAt)
                    : null
            );
    }

    private static string? Find(JsonElement within, string value, JsonPointer at)
    {
        switch (within.ValueKind)
        {
            case JsonValueKind.String:
                return value.Length > 0 && within.ValueEquals(value) ? at.ToString() : null;
            case JsonValueKind.Object:
                foreach (var member in within.EnumerateObject())
                {
                    if (Find(member.Value, value, at.Append(member.Name)) is { } found)
                        return found;
                }
                return null;
            case JsonValueKind.Array:
                foreach (var (index, item) in within.EnumerateArray().Index())
                {
                    if (Find(item, value, at.Append(index)) is { } found)
                        return found;
                }
                return null;
            default:
                return null;
        }
    }

    public void Dispose() => Document.Dispose();
}
