using System.Globalization;
using System.Text;
using Platen.Kernel;

namespace Platen.Widgets.Gates;

/// <summary>What a gate has against a page, and where.</summary>
/// <param name="Gate"><c>size</c>, <c>html</c>, <c>accessibility</c>, <c>csp</c> or <c>links</c>.</param>
/// <param name="Rule">The rule that is broken; for accessibility the id that axe-core gives it.</param>
/// <param name="Locale">Of the page.</param>
/// <param name="Theme">Of the page; null when it is so in every theme.</param>
/// <param name="Selector">The element, as a CSS selector; null when it is about the whole page.</param>
/// <param name="Line">In the page's source, from 1.</param>
/// <param name="Column">In the line, from 1.</param>
/// <param name="Pointer">Where in the content it comes from; null when it comes from the widget type.</param>
/// <param name="Message">What is wrong, and what would be right.</param>
internal sealed record GateFinding(
    string Gate,
    string Rule,
    string Locale,
    string? Theme,
    string? Selector,
    int? Line,
    int? Column,
    string? Pointer,
    string Message
)
{
    public const string Size = "size";
    public const string Html = "html";
    public const string Accessibility = "accessibility";
    public const string Csp = "csp";
    public const string Links = "links";

    /// <summary>The same, as one of the faults of an input.</summary>
    public Fault AsFault() => new(Pointer ?? "", Sentence());

    /// <summary>Rule, page, place and what is wrong, in a line.</summary>
    public string Sentence()
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{Gate}/{Rule} in '{Locale}'");
        if (Theme is not null)
            text.Append(CultureInfo.InvariantCulture, $", theme {Theme}");
        if (Selector is not null)
            text.Append(CultureInfo.InvariantCulture, $", {Selector}");
        if (Line is not null)
            text.Append(CultureInfo.InvariantCulture, $", line {Line}:{Column}");
        return text.Append(": ").Append(Message).ToString();
    }
}
