using System.Net.Mail;
using System.Text.RegularExpressions;
using Platen.Kernel;

namespace Platen.Widgets.Gates;

/// <summary>Whether the links of a page lead somewhere: well-formed addresses, places that the page has, instances that there are.</summary>
internal static partial class LinksGate
{
    /// <summary>Checks what the page alone tells.</summary>
    /// <returns>The instances that it links to, for somebody to look up, each with where the link is.</returns>
    public static List<(PublicId Id, GateFinding IfMissing)> Check(PageReading page)
    {
        var instances = new List<(PublicId, GateFinding)>();
        foreach (var element in page.Elements)
        {
            if (
                element.LocalName == "form"
                && element.GetAttribute("action") is { } action
                && action.StartsWith("/s/", StringComparison.Ordinal)
            )
            {
                if (action != "/s/" + page.PublicId)
                    Report(
                        "form-action",
                        $"The form is sent to '{Short(action)}', which is not this instance.",
                        action
                    );
                continue;
            }
            if (element.LocalName is not ("a" or "area") || element.GetAttribute("href") is not { } href)
                continue;
            if (href.Length == 0)
                Report(
                    "address",
                    "The link leads nowhere; only addresses with https, http, mailto or tel are written into a page."
                );
            else if (href.AsSpan().ContainsAnyInRange('\0', ' ') || BadEscape().IsMatch(href))
                Report("address", $"'{Short(href)}' is no address: white space or a lone percent sign is in it.", href);
            else if (href[0] == '#')
                CheckPlace(href[1..]);
            else if (href[0] == '/' || !Scheme().IsMatch(href))
                CheckOwn(href);
            else
                CheckAbsolute(href);

            void CheckPlace(string fragment)
            {
                var place = Uri.UnescapeDataString(fragment);
                if (
                    place.Length > 0
                    && !place.Equals("top", StringComparison.OrdinalIgnoreCase)
                    && !page.ById.ContainsKey(place)
                )
                    Report("anchor", $"The page has no place '#{Short(fragment)}'.", href);
            }

            void CheckOwn(string address)
            {
                if (OwnInstance().Match(address) is not { Success: true } match)
                    return;
                var text = Uri.UnescapeDataString(match.Groups["id"].Value);
                var value = href;
                if (!PublicId.TryParse(text, out var id))
                    Report("instance", $"'{Short(text)}' is no public id.", value);
                else if (id.ToString() != page.PublicId)
                {
                    page.Report(
                        GateFinding.Links,
                        "instance",
                        element,
                        $"There is no instance '{id}' that is shown.",
                        value
                    );
                    instances.Add((id, page.Findings[^1]));
                    page.Findings.RemoveAt(page.Findings.Count - 1);
                }
            }

            void CheckAbsolute(string address)
            {
                var scheme = address[..address.IndexOf(':', StringComparison.Ordinal)].ToUpperInvariant();
                switch (scheme)
                {
                    case "HTTP" or "HTTPS":
                        if (
                            !Uri.TryCreate(address, UriKind.Absolute, out var uri)
                            || uri.Host.Length == 0
                            || uri.HostNameType == UriHostNameType.Unknown
                            || uri.UserInfo.Length > 0
                        )
                            Report("address", $"'{Short(address)}' is no address of a page.", address);
                        break;
                    case "MAILTO":
                        var to = Uri.UnescapeDataString(address[7..].Split('?')[0]);
                        if (to.Length == 0 || to.Split(',').Any(one => !MailAddress.TryCreate(one, out _)))
                            Report("address", $"'{Short(address)}' is no mail address.", address);
                        break;
                    case "TEL":
                        if (!Telephone().IsMatch(address[4..]))
                            Report("address", $"'{Short(address)}' is no telephone number.", address);
                        break;
                    default:
                        Report("scheme", "Links lead to https, http, mailto or tel.", address);
                        break;
                }
            }

            void Report(string rule, string message, string? value = null) =>
                page.Report(GateFinding.Links, rule, element, message, value);
        }
        return instances;
    }

    private static string Short(string text) => text.Length <= 80 ? text : text[..80] + "…";

    [GeneratedRegex("^[a-z][a-z0-9+.-]*:", RegexOptions.NonBacktracking | RegexOptions.IgnoreCase)]
    private static partial Regex Scheme();

    [GeneratedRegex(
        "%([^0-9A-Fa-f]|[0-9A-Fa-f][^0-9A-Fa-f]|.?$)",
        RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture
    )]
    private static partial Regex BadEscape();

    [GeneratedRegex("^/(e|w)/(?<id>[^/?#]+)", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex OwnInstance();

    // RFC 3966.
    [GeneratedRegex(@"^\+?[0-9.()-]+(;.*)?$", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex Telephone();
}
