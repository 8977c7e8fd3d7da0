using System.Globalization;
using AngleSharp.Dom;
using Platen.Kernel.Languages;

namespace Platen.Widgets.Gates;

/// <summary>
/// The rules of axe-core (4.x) that markup alone decides, under its ids. What needs colours, sizes or a layout is decided by axe-core
/// itself in the tests of the widget types; an author's content cannot change it.
/// </summary>
internal static class AccessibilityGate
{
    public static void Check(PageReading page)
    {
        CheckPage(page);
        CheckHeadings(page);
        CheckLandmarks(page);
        var keys = new Dictionary<string, IElement>(StringComparer.OrdinalIgnoreCase);
        foreach (var element in page.Elements)
        {
            CheckLanguage(page, element);
            if (page.IsHidden(element))
                continue;
            CheckName(page, element);
            CheckAria(page, element);
            CheckStructure(page, element);
            CheckKeyboard(page, element, keys);
        }
    }

    private static void CheckPage(PageReading page)
    {
        var root = page.Document.DocumentElement;
        if (string.IsNullOrWhiteSpace(root.GetAttribute("lang")))
            Report(page, "html-has-lang", root, "The page says no language.");
        if (string.IsNullOrWhiteSpace(page.Document.Title))
            Report(page, "document-title", root, "The page has no title.");
        if (page.Document.Body?.GetAttribute("aria-hidden") == "true")
            Report(page, "aria-hidden-body", page.Document.Body, "The whole page is hidden from assistive technology.");
        foreach (var meta in page.Elements.Where(e => e.LocalName == "meta"))
        {
            var content = meta.GetAttribute("content") ?? "";
            switch (meta.GetAttribute("name") ?? meta.GetAttribute("http-equiv"))
            {
                case "viewport" when ForbidsZoom(content):
                    Report(
                        page,
                        "meta-viewport",
                        meta,
                        "Readers may enlarge the page: no user-scalable=no and no maximum-scale below 2."
                    );
                    break;
                case "refresh" when content.Trim() is not ("" or "0"):
                    Report(page, "meta-refresh", meta, "A page does not reload by itself.");
                    break;
            }
        }
    }

    private static bool ForbidsZoom(string content)
    {
        foreach (var part in content.Split([',', ';'], StringSplitOptions.TrimEntries))
        {
            if (part.Split('=', 2, StringSplitOptions.TrimEntries) is not [var name, var value])
                continue;
            if (name == "user-scalable" && value is "no" or "0")
                return true;
            if (
                name == "maximum-scale"
                && double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var scale)
                && scale is >= 0 and < 2
            )
                return true;
        }
        return false;
    }

    private static void CheckHeadings(PageReading page)
    {
        var before = 0;
        var hasFirst = false;
        foreach (var element in page.Elements)
        {
            if (LevelOf(element) is not { } level || page.IsHidden(element))
                continue;
            hasFirst |= level == 1;
            if (before > 0 && level > before + 1)
            {
                Report(
                    page,
                    "heading-order",
                    element,
                    string.Create(CultureInfo.InvariantCulture, $"Level {level} follows level {before}.")
                );
            }
            before = level;
            if (AccessibleName.Of(page, element).Length == 0)
                Report(page, "empty-heading", element, "The heading has no text.");
        }
        if (!hasFirst)
            Report(page, "page-has-heading-one", page.Document.DocumentElement, "The page has no heading of level 1.");
    }

    private static int? LevelOf(IElement element) =>
        element.GetAttribute("role") switch
        {
            "heading" => int.TryParse(element.GetAttribute("aria-level"), CultureInfo.InvariantCulture, out var level)
                ? level
                : 2,
            null or "" => element.LocalName is ['h', >= '1' and <= '6'] ? element.LocalName[1] - '0' : null,
            _ => null,
        };

    private static void CheckLandmarks(PageReading page)
    {
        var seen = new Dictionary<(string Role, string Name), IElement>();
        IElement? main = null;
        foreach (var element in page.Elements)
        {
            if (LandmarkOf(page, element) is not { } role || page.IsHidden(element))
                continue;
            if (role == "main")
            {
                if (main is not null)
                    Report(page, "landmark-no-duplicate-main", element, "The page has more than one main landmark.");
                main ??= element;
            }
            else if (role is "banner" or "contentinfo" && seen.Keys.Any(k => k.Role == role))
                Report(page, $"landmark-no-duplicate-{role}", element, $"The page has more than one {role} landmark.");
            if (
                role is "main" or "banner" or "contentinfo"
                && Ancestors(element).FirstOrDefault(a => LandmarkOf(page, a) is not (null or "form")) is { } around
            )
            {
                var rule = $"landmark-{role}-is-top-level";
                Report(page, rule, element, $"The landmark {role} stands in another, {page.SelectorOf(around)}.");
            }
            var name = AccessibleName.Of(page, element);
            if (
                !seen.TryAdd((role, name.ToUpperInvariant()), element)
                && role is not ("main" or "banner" or "contentinfo")
            )
            {
                Report(
                    page,
                    "landmark-unique",
                    element,
                    $"{page.SelectorOf(seen[(role, name.ToUpperInvariant())])} is a landmark {role} "
                        + (name.Length == 0 ? "without a name too." : $"named '{name}' too.")
                );
            }
        }
        if (main is null)
            Report(page, "landmark-one-main", page.Document.DocumentElement, "The page has no main landmark.");
        if (page.Document.Body is { } body)
            CheckRegions(page, body);
    }

    /// <summary>Whatever is read belongs to a landmark.</summary>
    private static void CheckRegions(PageReading page, IElement within)
    {
        foreach (var node in within.ChildNodes)
        {
            if (node is IText text && !string.IsNullOrWhiteSpace(text.Data))
            {
                Report(page, "region", within, "This stands outside of every landmark.");
                return;
            }
            if (
                node is IElement element
                && !page.IsHidden(element)
                && LandmarkOf(page, element) is null
                && element.LocalName != "dialog"
                && element.GetAttribute("role") is not ("dialog" or "alertdialog" or "alert" or "status" or "log")
                && element.GetAttribute("aria-live") is null or "off"
            )
                CheckRegions(page, element);
        }
    }

    private static string? LandmarkOf(PageReading page, IElement element)
    {
        if (element.GetAttribute("role")?.Trim() is { Length: > 0 } role)
        {
            return role switch
            {
                "main" or "banner" or "contentinfo" or "navigation" or "complementary" or "search" => role,
                "region" or "form" when AccessibleName.Of(page, element).Length > 0 => role,
                _ => null,
            };
        }
        return element.LocalName switch
        {
            "main" => "main",
            "nav" => "navigation",
            "search" => "search",
            "aside" when !InSectioning(element) || AccessibleName.Of(page, element).Length > 0 => "complementary",
            "header" when !InSectioning(element) => "banner",
            "footer" when !InSectioning(element) => "contentinfo",
            "section" when AccessibleName.Of(page, element).Length > 0 => "region",
            "form" when AccessibleName.Of(page, element).Length > 0 => "form",
            _ => null,
        };
    }

    private static bool InSectioning(IElement element) =>
        Ancestors(element)
            .Any(a =>
                a.LocalName is "article" or "aside" or "main" or "nav" or "section"
                || a.GetAttribute("role") is "article" or "complementary" or "main" or "navigation" or "region"
            );

    private static IEnumerable<IElement> Ancestors(IElement element)
    {
        for (var at = element.ParentElement; at is not null; at = at.ParentElement)
            yield return at;
    }

    private static void CheckLanguage(PageReading page, IElement element)
    {
        if (element.GetAttribute("lang") is not { Length: > 0 } lang || LanguageTag.TryParse(lang, out _))
            return;
        var rule = element.LocalName == "html" ? "html-lang-valid" : "valid-lang";
        Report(page, rule, element, $"'{lang}' is not a language tag.", lang);
    }

    private static void CheckName(PageReading page, IElement element)
    {
        var role = element.GetAttribute("role")?.Trim();
        var type = element.GetAttribute("type");
        var (rule, what) = element.LocalName switch
        {
            _ when role is "none" or "presentation" && !element.HasAttribute("tabindex") => default,
            "button" when role is null or "" or "button" => ("button-name", "The button"),
            "a" when element.HasAttribute("href") && role is null or "" => ("link-name", "The link"),
            "area" when element.HasAttribute("href") => ("area-alt", "The area"),
            "img" when role is null or "" or "img" => element.GetAttribute("alt") is ""
                ? default
                : ("image-alt", "The image"),
            "input" when type == "image" => ("input-image-alt", "The button"),
            "input" when type is "submit" or "reset" or "button" => ("input-button-name", "The button"),
            "input" or "textarea" when type != "hidden" => ("label", "The field"),
            "select" => ("select-name", "The choice"),
            "object" when role is null or "" => ("object-alt", "The object"),
            "iframe" or "frame" => ("frame-title", "The frame"),
            "summary" when element.ParentElement?.LocalName == "details" => ("summary-name", "The summary"),
            "svg" when role is "img" or "graphics-document" or "graphics-symbol" => ("svg-img-alt", "The drawing"),
            _ => role switch
            {
                "img" => ("role-img-alt", "The image"),
                "button" or "link" or "menuitem" => ("aria-command-name", "The control"),
                "checkbox" or "radio" or "switch" or "menuitemcheckbox" or "menuitemradio" or "option" => (
                    "aria-toggle-field-name",
                    "The choice"
                ),
                "combobox" or "listbox" or "searchbox" or "slider" or "spinbutton" or "textbox" => (
                    "aria-input-field-name",
                    "The field"
                ),
                "dialog" or "alertdialog" => ("aria-dialog-name", "The dialog"),
                "meter" => ("aria-meter-name", "The meter"),
                "progressbar" => ("aria-progressbar-name", "The progress bar"),
                "tooltip" => ("aria-tooltip-name", "The tooltip"),
                "treeitem" => ("aria-treeitem-name", "The item"),
                _ => default,
            },
        };
        if (rule is null)
            return;
        if (AccessibleName.Of(page, element).Length == 0)
        {
            Report(page, rule, element, $"{what} has no name that a screen reader could say.");
        }
        else if (
            rule == "label"
            && element.HasAttribute("title")
            && !element.HasAttribute("aria-label")
            && !element.HasAttribute("aria-labelledby")
            && !AccessibleName.LabelsOf(page, element).Any()
        )
            Report(page, "label-title-only", element, "A title alone is no label: nobody who types sees it.");
    }

    private static void CheckAria(PageReading page, IElement element)
    {
        foreach (var attribute in element.Attributes)
        {
            var (name, value) = (attribute.LocalName, attribute.Value);
            if (!name.StartsWith("aria-", StringComparison.Ordinal))
                continue;
            if (!AriaVocabulary.Attributes.Contains(name))
                Report(page, "aria-valid-attr", element, $"There is no '{name}'.");
            else if (AriaVocabulary.Words.TryGetValue(name, out var words) && !words.Contains(value.Trim()))
                Value($"'{value}' is none of {string.Join(", ", words.Order(StringComparer.Ordinal))}.");
            else if (
                AriaVocabulary.Numbers.Contains(name)
                && !double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out _)
            )
                Value($"'{value}' is not a number.");
            else if (AriaVocabulary.References.Contains(name))
            {
                var missing = Words(value).FirstOrDefault(id => !page.ById.ContainsKey(id));
                if (missing is not null || (name is "aria-labelledby" && Words(value).Length == 0))
                    Value($"The page has no element with the id '{missing}'.");
            }

            void Value(string message) => Report(page, "aria-valid-attr-value", element, $"{name}: {message}", value);
        }
        if (element.GetAttribute("role") is not { } roles || Words(roles) is not { Length: > 0 } named)
            return;
        if (named.FirstOrDefault(r => !AriaVocabulary.Roles.Contains(r) && !IsDocumentRole(r)) is { } unknown)
            Report(page, "aria-roles", element, $"There is no role '{unknown}'.");
        var role = named.FirstOrDefault(AriaVocabulary.Roles.Contains);
        if (role is null)
            return;
        if (role == "directory")
            Report(page, "aria-deprecated-role", element, "The role 'directory' is deprecated; use a list.");
        if (
            AriaVocabulary.Required.TryGetValue(role, out var required)
            && !(element.LocalName == "input" && role is "checkbox" or "radio" or "switch")
            && required.FirstOrDefault(r => !element.HasAttribute(r)) is { } missed
            && !(element.LocalName is ['h', _] && role == "heading")
        )
            Report(page, "aria-required-attr", element, $"The role '{role}' needs {missed}.");
        CheckRelatives(page, element, role);
    }

    private static bool IsDocumentRole(string role) =>
        role.StartsWith("doc-", StringComparison.Ordinal) || role.StartsWith("graphics-", StringComparison.Ordinal);

    private static void CheckRelatives(PageReading page, IElement element, string role)
    {
        if (AriaVocabulary.Parents.TryGetValue(role, out var parents))
        {
            var around = Ancestors(element)
                .Select(RoleOf)
                .FirstOrDefault(r => r is not (null or "none" or "presentation" or "generic" or "group"));
            if (around is null || !parents.Contains(around))
            {
                var right = string.Join(" or ", parents.Order(StringComparer.Ordinal));
                Report(page, "aria-required-parent", element, $"The role '{role}' stands in {right}.");
            }
        }
        if (
            AriaVocabulary.Children.TryGetValue(role, out var children)
            && element
                .Children.Select(RoleOf)
                .FirstOrDefault(r => r is not (null or "none" or "presentation") && !children.Contains(r))
                is { } wrong
        )
            Report(page, "aria-required-children", element, $"The role '{role}' does not hold '{wrong}'.");
    }

    /// <summary>The role of an element, said or its own; null when it has none that counts.</summary>
    private static string? RoleOf(IElement element) =>
        element.GetAttribute("role") is { } said && Words(said) is { Length: > 0 } roles
            ? roles.FirstOrDefault(AriaVocabulary.Roles.Contains)
            : element.LocalName switch
            {
                "ul" or "ol" or "menu" => "list",
                "li" => "listitem",
                "table" => "table",
                "thead" or "tbody" or "tfoot" => "rowgroup",
                "tr" => "row",
                "td" => "cell",
                "th" => "columnheader",
                "button" or "summary" => "button",
                "a" when element.HasAttribute("href") => "link",
                "nav" => "navigation",
                "main" => "main",
                "h1" or "h2" or "h3" or "h4" or "h5" or "h6" => "heading",
                "select" => "listbox",
                "option" => "option",
                _ => null,
            };

    private static void CheckStructure(PageReading page, IElement element)
    {
        var parent = element.ParentElement;
        switch (element.LocalName)
        {
            case "ul" or "ol" when element.GetAttribute("role") is null or "" or "list":
                if (Strays(element, "li", "script", "template") is { } stray)
                    Report(page, "list", element, $"A list holds <li> only, not {stray}.");
                break;
            case "li" when !element.HasAttribute("role"):
                if (
                    parent is not null
                    && parent.LocalName is not ("ul" or "ol" or "menu")
                    && parent.GetAttribute("role") != "list"
                )
                    Report(page, "listitem", element, "<li> stands in a list.");
                break;
            case "dl" when !element.HasAttribute("role"):
                if (Strays(element, "dt", "dd", "div", "script", "template") is { } odd)
                    Report(page, "definition-list", element, $"<dl> holds <dt> and <dd>, not {odd}.");
                break;
            case "dt" or "dd" when !element.HasAttribute("role"):
                var list = parent?.LocalName == "div" ? parent.ParentElement : parent;
                if (list?.LocalName != "dl")
                    Report(page, "dlitem", element, $"<{element.LocalName}> stands in a <dl>.");
                break;
            case "th" when AccessibleName.Of(page, element).Length == 0:
                Report(page, "empty-table-header", element, "The heading of the row or column has no text.");
                break;
            case "td" or "th" when element.GetAttribute("headers") is { } headers:
                if (
                    Words(headers)
                        .Any(id => !page.ById.TryGetValue(id, out var cell) || cell.LocalName is not ("th" or "td"))
                )
                    Report(
                        page,
                        "td-headers-attr",
                        element,
                        $"'{headers}' names cells that the table does not have.",
                        headers
                    );
                break;
            case "blink" or "marquee":
                Report(page, element.LocalName, element, "Nothing blinks or runs.");
                break;
            case "input"
            or "select"
            or "textarea" when element.GetAttribute("autocomplete") is { Length: > 0 } autocomplete:
                if (!IsAutofill(autocomplete))
                    Report(
                        page,
                        "autocomplete-valid",
                        element,
                        $"'{autocomplete}' is nothing that browsers fill in.",
                        autocomplete
                    );
                break;
        }
        if (
            element.GetAttribute("scope") is { } scope
            && (element.LocalName != "th" || scope is not ("row" or "col" or "rowgroup" or "colgroup"))
        )
            Report(
                page,
                "scope-attr-valid",
                element,
                "'scope' is row, col, rowgroup or colgroup, and of a <th>.",
                scope
            );
        if (
            (
                element.LocalName == "button"
                || (element.GetAttribute("role") is { } role && AriaVocabulary.Opaque.Contains(role))
            ) && element.Descendants<IElement>().FirstOrDefault(d => IsFocusable(d) && !page.IsHidden(d)) is { } inner
        )
            Report(page, "nested-interactive", element, $"What is in it, {page.SelectorOf(inner)}, cannot be reached.");
    }

    private static string? Strays(IElement list, params ReadOnlySpan<string> allowed)
    {
        foreach (var node in list.ChildNodes)
        {
            if (node is IText text && !string.IsNullOrWhiteSpace(text.Data))
                return "text";
            if (
                node is IElement child
                && !allowed.Contains(child.LocalName)
                && child.GetAttribute("role") is null or ""
            )
                return $"<{child.LocalName}>";
        }
        return null;
    }

    private static bool IsAutofill(string value)
    {
        var tokens = Words(value.ToLowerInvariant());
        if (tokens is ["on"] or ["off"])
            return true;
        return tokens.Length > 0
            && tokens[..^1]
                .All(t =>
                    t.StartsWith("section-", StringComparison.Ordinal)
                    || t is "shipping" or "billing" or "home" or "work" or "mobile" or "fax" or "pager" or "webauthn"
                )
            && AriaVocabulary.Autofill.Contains(tokens[^1]);
    }

    private static void CheckKeyboard(PageReading page, IElement element, Dictionary<string, IElement> keys)
    {
        if (int.TryParse(element.GetAttribute("tabindex"), CultureInfo.InvariantCulture, out var index) && index > 0)
            Report(
                page,
                "tabindex",
                element,
                "The order of the page is the order of the keyboard: no tabindex above 0."
            );
        if (element.GetAttribute("accesskey") is { Length: > 0 } key && !keys.TryAdd(key, element))
            Report(
                page,
                "accesskeys",
                element,
                $"The key '{key}' leads elsewhere too, to {page.SelectorOf(keys[key])}.",
                key
            );
    }

    /// <summary>Whether the keyboard reaches it, hidden or not.</summary>
    private static bool IsFocusable(IElement element)
    {
        if (element.GetAttribute("tabindex") is { } text)
            return int.TryParse(text, CultureInfo.InvariantCulture, out var index) && index >= 0;
        return element.LocalName switch
        {
            "a" or "area" => element.HasAttribute("href"),
            "button" or "select" or "textarea" => !element.HasAttribute("disabled"),
            "input" => !element.HasAttribute("disabled") && element.GetAttribute("type") != "hidden",
            "summary" => element.ParentElement?.LocalName == "details",
            "iframe" => true,
            _ => false,
        };
    }

    /// <summary>What is hidden from screen readers and yet reached by the keyboard.</summary>
    public static void CheckHidden(PageReading page)
    {
        foreach (var element in page.Elements)
        {
            if (
                element.GetAttribute("aria-hidden") != "true"
                || element.HasAttribute("hidden")
                || element.HasAttribute("inert")
            )
                continue;
            if (IsFocusable(element) || element.Descendants<IElement>().Any(IsFocusable))
                Report(
                    page,
                    "aria-hidden-focus",
                    element,
                    "It is hidden from screen readers, and yet the keyboard reaches it."
                );
        }
    }

    private static void Report(
        PageReading page,
        string rule,
        IElement? element,
        string message,
        string? value = null
    ) => page.Report(GateFinding.Accessibility, rule, element, message, value);

    private static string[] Words(string text) => text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
}
