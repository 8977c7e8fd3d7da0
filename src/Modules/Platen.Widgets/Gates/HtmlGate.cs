using System.Collections.Frozen;
using System.Globalization;
using System.Text.RegularExpressions;
using AngleSharp.Dom;

namespace Platen.Widgets.Gates;

/// <summary>
/// Whether a page is valid HTML: what the parser had to repair (HTML Living Standard 13.2), elements that do not exist any more or never
/// did (16.2), where an element may stand (chapter 4, content models), ids (3.2.6) and the values that authors can get wrong.
/// </summary>
internal static partial class HtmlGate
{
    private static readonly FrozenSet<string> Known = Set(
        "a abbr address area article aside audio b base bdi bdo blockquote body br button canvas caption cite code col colgroup data datalist "
            + "dd del details dfn dialog div dl dt em embed fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hgroup hr html i "
            + "iframe img input ins kbd label legend li link main map mark menu meta meter nav noscript object ol optgroup option output p "
            + "picture pre progress q rp rt ruby s samp script search section select selectedcontent slot small source span strong style sub "
            + "summary sup table tbody td template textarea tfoot th thead time title tr track u ul var video wbr"
    );

    private static readonly FrozenSet<string> FlowOnly = Set(
        "address article aside blockquote center details dialog div dl fieldset figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr main "
            + "menu nav ol p pre search section table ul"
    );

    private static readonly FrozenSet<string> Headings = Set("h1 h2 h3 h4 h5 h6 hgroup");

    private static readonly FrozenSet<string> PhrasingOnly = Set(
        "abbr b bdi bdo button cite code data dfn em h1 h2 h3 h4 h5 h6 i kbd label legend mark meter output p pre progress q rp rt ruby s "
            + "samp small span strong sub summary sup time u var"
    );

    private static readonly FrozenSet<string> Transparent = Set(
        "a ins del map object video audio canvas noscript slot"
    );

    private static readonly FrozenDictionary<string, FrozenSet<string>> Parents = new Dictionary<
        string,
        FrozenSet<string>
    >
    {
        ["li"] = Set("ul ol menu"),
        ["dt"] = Set("dl div"),
        ["dd"] = Set("dl div"),
        ["option"] = Set("select optgroup datalist"),
        ["optgroup"] = Set("select"),
        ["summary"] = Set("details"),
        ["legend"] = Set("fieldset optgroup"),
        ["figcaption"] = Set("figure"),
        ["source"] = Set("audio video picture"),
        ["track"] = Set("audio video"),
    }.ToFrozenDictionary();

    private static readonly FrozenDictionary<string, FrozenSet<string>> Children = new Dictionary<
        string,
        FrozenSet<string>
    >
    {
        ["ul"] = Set("li script template"),
        ["ol"] = Set("li script template"),
        ["menu"] = Set("li script template"),
        ["dl"] = Set("dt dd div script template"),
        ["select"] = Set("option optgroup hr script template button"),
        ["datalist"] = Set("option script template"),
        ["optgroup"] = Set("option legend script template"),
    }.ToFrozenDictionary();

    private static readonly FrozenDictionary<string, FrozenSet<string>> Values = new Dictionary<
        string,
        FrozenSet<string>
    >
    {
        ["dir"] = Set("ltr rtl auto"),
        ["translate"] = Set("yes no"),
        ["contenteditable"] = Set("true false plaintext-only"),
        ["draggable"] = Set("true false"),
        ["method"] = Set("get post dialog"),
        ["loading"] = Set("lazy eager"),
        ["preload"] = Set("none metadata auto"),
        ["scope"] = Set("row col rowgroup colgroup"),
        ["wrap"] = Set("soft hard"),
    }.ToFrozenDictionary();

    private static readonly FrozenSet<string> InputTypes = Set(
        "hidden text search tel url email password date month week time datetime-local number range color checkbox radio file submit image "
            + "reset button"
    );

    private static readonly FrozenSet<string> Flags = Set(
        "required disabled checked readonly multiple open hidden selected reversed autofocus novalidate async defer loop muted controls "
            + "autoplay itemscope inert"
    );

    public static void Check(PageReading page)
    {
        foreach (var (message, line, column) in page.Errors)
        {
            page.Findings.Add(
                new GateFinding(
                    GateFinding.Html,
                    "parse-error",
                    page.Locale,
                    Theme: null,
                    Selector: null,
                    line,
                    column,
                    Pointer: null,
                    $"A browser has to repair this: {message}"
                )
            );
        }
        if (string.IsNullOrWhiteSpace(page.Document.Title))
            page.Report(GateFinding.Html, "title", page.Document.Head, "The page has no title; give it one.");
        var mains = 0;
        foreach (var element in page.Elements)
        {
            if (element.NamespaceUri != NamespaceNames.HtmlUri)
                continue;
            if (!Known.Contains(element.LocalName) && !element.LocalName.Contains('-', StringComparison.Ordinal))
            {
                page.Report(
                    GateFinding.Html,
                    "element",
                    element,
                    $"<{element.LocalName}> is obsolete or was never an element."
                );
            }
            if (element.LocalName == "main" && !element.HasAttribute("hidden") && ++mains == 2)
                page.Report(GateFinding.Html, "content-model", element, "A page has one visible <main>.");
            CheckId(page, element);
            CheckPlace(page, element);
            CheckAttributes(page, element);
        }
    }

    private static void CheckId(PageReading page, IElement element)
    {
        if (element.GetAttribute("id") is not { } id)
            return;
        if (id.Length == 0 || id.AsSpan().ContainsAny(" \t\n\f\r"))
            page.Report(GateFinding.Html, "id", element, "An id is a text without white space.", id);
        else if (page.ById[id] != element)
        {
            page.Report(
                GateFinding.Html,
                "duplicate-id",
                element,
                $"The id '{id}' is in the page twice: at {page.SelectorOf(page.ById[id])} as well. Give one of them another.",
                id
            );
        }
    }

    private static void CheckPlace(PageReading page, IElement element)
    {
        var name = element.LocalName;
        if (element.ParentElement is not { } parent)
            return;
        if (
            Parents.TryGetValue(name, out var parents)
            && !parents.Contains(parent.LocalName)
            && parent.LocalName != "template"
        )
            Misplaced($"<{name}> does not stand in <{parent.LocalName}>.");
        else if (name is "dt" or "dd" && parent.LocalName == "div" && parent.ParentElement?.LocalName != "dl")
            Misplaced($"<{name}> stands in a <dl>.");
        if (Children.TryGetValue(parent.LocalName, out var children) && !children.Contains(name))
            Misplaced($"<{parent.LocalName}> does not hold <{name}>.");
        if (
            name is "summary" or "legend"
            && parent.LocalName is "details" or "fieldset"
            && parent.FirstElementChild != element
        )
            Misplaced($"<{name}> is the first in its <{parent.LocalName}>.");
        if (name == "details" && element.FirstElementChild?.LocalName != "summary")
            Misplaced("<details> begins with a <summary>.");
        if (FlowOnly.Contains(name))
        {
            var around = parent;
            while (Transparent.Contains(around.LocalName) && around.ParentElement is { } outer)
                around = outer;
            if (
                PhrasingOnly.Contains(around.LocalName)
                && !(around.LocalName is "summary" or "legend" && Headings.Contains(name))
            )
                Misplaced(
                    $"<{name}> does not stand in <{around.LocalName}>, which holds text and what goes along in a line."
                );
        }
        if (IsInteractive(element))
        {
            for (var around = parent; around is not null; around = around.ParentElement)
            {
                if ((around.LocalName == "a" && around.HasAttribute("href")) || around.LocalName == "button")
                {
                    Misplaced(
                        $"<{name}> does not stand in <{around.LocalName}>: nobody could tell which of them is meant."
                    );
                    break;
                }
            }
        }

        void Misplaced(string message) => page.Report(GateFinding.Html, "content-model", element, message);
    }

    private static bool IsInteractive(IElement element) =>
        element.LocalName switch
        {
            "a" => element.HasAttribute("href"),
            "input" => element.GetAttribute("type") != "hidden",
            "button" or "select" or "textarea" or "label" or "details" or "iframe" or "embed" => true,
            _ => element.HasAttribute("tabindex"),
        };

    private static void CheckAttributes(PageReading page, IElement element)
    {
        foreach (var attribute in element.Attributes)
        {
            var (name, value) = (attribute.LocalName, attribute.Value);
            if (Values.TryGetValue(name, out var values) && !values.Contains(value))
                Bad(name, value, $"one of {string.Join(", ", values.Order(StringComparer.Ordinal))}");
            else if (
                Flags.Contains(name)
                && value.Length > 0
                && value != name
                && !(name == "hidden" && value == "until-found")
            )
                Bad(name, value, "nothing: it is there or it is not");
            else if (
                name is "tabindex"
                && !int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _)
            )
                Bad(name, value, "a whole number");
            else if (
                name
                    is "maxlength"
                        or "minlength"
                        or "rows"
                        or "cols"
                        or "colspan"
                        or "rowspan"
                        or "size"
                        or "width"
                        or "height"
                && !uint.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out _)
            )
                Bad(name, value, "a whole number");
            else if (name == "datetime" && element.LocalName == "time" && !Time().IsMatch(value))
                Bad(name, value, "a date or a time such as 2026-04-23 or 2026-04-23T18:00+02:00");
            else if (name == "type" && element.LocalName == "input" && !InputTypes.Contains(value))
                Bad(name, value, "a type of field");
            else if (name == "type" && element.LocalName == "button" && value is not ("submit" or "reset" or "button"))
                Bad(name, value, "submit, reset or button");
            else if (
                name == "for"
                && element.LocalName == "label"
                && !(page.ById.TryGetValue(value, out var field) && IsLabelable(field))
            )
                Bad(name, value, "the id of a field");
        }
        if (element.LocalName == "img" && string.IsNullOrEmpty(element.GetAttribute("src")))
            page.Report(GateFinding.Html, "attribute", element, "<img> needs a 'src'.");

        void Bad(string name, string value, string right) =>
            page.Report(GateFinding.Html, "attribute", element, $"{name}=\"{Short(value)}\" is to be {right}.", value);
    }

    private static bool IsLabelable(IElement element) =>
        element.LocalName is "button" or "meter" or "output" or "progress" or "select" or "textarea"
        || (element.LocalName == "input" && element.GetAttribute("type") != "hidden");

    private static string Short(string text) => text.Length <= 60 ? text : text[..60] + "…";

    private static FrozenSet<string> Set(string names) => names.Split(' ').ToFrozenSet(StringComparer.Ordinal);

    // HTML Living Standard 4.5.14: a year, month, date, yearless date, time, date and time, offset, week or duration.
    [GeneratedRegex(
        @"^(\d{4,}|\d{4,}-(0[1-9]|1[0-2])|\d{4,}-W[0-5]\d|(\d{4,}-)?(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
            + @"|(\d{4,}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[T ])?([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,3})?)?(Z|[+-]([01]\d|2[0-3]):?[0-5]\d)?"
            + @"|P(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d{1,3})?S)?)?)$",
        RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture
    )]
    private static partial Regex Time();
}
