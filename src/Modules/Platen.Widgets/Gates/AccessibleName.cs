using System.Text;
using AngleSharp.Dom;

namespace Platen.Widgets.Gates;

/// <summary>What assistive technology calls an element (Accessible Name and Description Computation 1.2), as far as markup alone says.</summary>
internal static class AccessibleName
{
    public static string Of(PageReading page, IElement element)
    {
        if (Referenced(page, element.GetAttribute("aria-labelledby")) is { Length: > 0 } labelled)
            return labelled;
        if (element.GetAttribute("aria-label")?.Trim() is { Length: > 0 } label)
            return label;
        if (Native(page, element) is { Length: > 0 } native)
            return native;
        if (IsNamedByContent(element) && Text(page, element) is { Length: > 0 } content)
            return content;
        return element.GetAttribute("title")?.Trim() ?? "";
    }

    /// <summary>The texts of the elements that a list of ids names.</summary>
    public static string Referenced(PageReading page, string? ids) =>
        string.Join(
                ' ',
                (ids ?? "")
                    .Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)
                    .Select(id => page.ById.TryGetValue(id, out var named) ? Text(page, named) : "")
            )
            .Trim();

    /// <summary>The labels of a field.</summary>
    public static IEnumerable<IElement> LabelsOf(PageReading page, IElement field) =>
        page.Labels.Where(l =>
            l.HasAttribute("for") ? field.Id is { Length: > 0 } id && l.GetAttribute("for") == id : l.Contains(field)
        );

    private static string Native(PageReading page, IElement element) =>
        element.LocalName switch
        {
            "input" when element.GetAttribute("type") is "submit" or "reset" => element.GetAttribute("value")
                is { } value
                ? value.Trim()
                // Browsers have a word of their own for these.
                : "submit",
            "input" when element.GetAttribute("type") == "button" => element.GetAttribute("value")?.Trim() ?? "",
            "input" when element.GetAttribute("type") == "image" => Of(element, "alt"),
            "input" or "select" or "textarea" or "meter" or "output" or "progress" or "button" => string.Join(
                    ' ',
                    LabelsOf(page, element).Select(l => Text(page, l, except: element))
                )
                .Trim(),
            "img" or "area" => Of(element, "alt"),
            "fieldset" => Child(page, element, "legend"),
            "table" => Child(page, element, "caption"),
            "figure" => Child(page, element, "figcaption"),
            "svg" => Child(page, element, "title"),
            _ => "",
        };

    private static string Of(IElement element, string attribute) => element.GetAttribute(attribute)?.Trim() ?? "";

    private static string Child(PageReading page, IElement element, string name) =>
        element.Children.FirstOrDefault(c => c.LocalName == name) is { } child ? Text(page, child) : "";

    private static bool IsNamedByContent(IElement element) =>
        element.GetAttribute("role") switch
        {
            null or "" => element.LocalName
                is "a"
                    or "button"
                    or "summary"
                    or "option"
                    or "label"
                    or "legend"
                    or "caption"
                    or "td"
                    or "th"
                    or "h1"
                    or "h2"
                    or "h3"
                    or "h4"
                    or "h5"
                    or "h6"
                    or "object",
            "button"
            or "link"
            or "checkbox"
            or "radio"
            or "switch"
            or "tab"
            or "menuitem"
            or "menuitemcheckbox"
            or "menuitemradio"
            or "option"
            or "treeitem"
            or "heading"
            or "cell"
            or "columnheader"
            or "rowheader"
            or "row"
            or "tooltip" => true,
            _ => false,
        };

    private static string Text(PageReading page, IElement element, IElement? except = null)
    {
        var text = new StringBuilder();
        Add(page, element, except, text);
        return text.ToString().Trim();
    }

    private static void Add(PageReading page, INode node, IElement? except, StringBuilder text)
    {
        foreach (var child in node.ChildNodes)
        {
            if (child is IText words)
            {
                text.Append(words.Data);
            }
            else if (child is IElement element && element != except)
            {
                if (
                    element.HasAttribute("hidden")
                    || element.GetAttribute("aria-hidden") == "true"
                    || element.LocalName is "script" or "style"
                )
                    continue;
                if (element.GetAttribute("aria-label")?.Trim() is { Length: > 0 } label)
                    text.Append(' ').Append(label);
                else if (element.LocalName is "img" or "svg")
                    text.Append(' ').Append(Of(page, element));
                else
                    Add(page, element, except, text);
                text.Append(' ');
            }
        }
    }
}
