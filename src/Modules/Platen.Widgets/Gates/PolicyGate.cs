using System.Security.Cryptography;
using System.Text;
using AngleSharp.Dom;

namespace Platen.Widgets.Gates;

/// <summary>
/// Whether a page works under the policy it is served with (CSP Level 3): nothing inline that the policy would block, every style and
/// script there by its hash, and no request to anybody else.
/// </summary>
internal static class PolicyGate
{
    private static readonly string[] Prefetches =
    [
        "stylesheet",
        "preload",
        "modulepreload",
        "prefetch",
        "preconnect",
        "dns-prefetch",
        "icon",
        "manifest",
    ];

    public static void Check(PageReading page)
    {
        var policy = Parse(page.Policy);
        foreach (var element in page.Elements)
        {
            foreach (var attribute in element.Attributes)
            {
                if (attribute.LocalName.StartsWith("on", StringComparison.Ordinal) && attribute.LocalName.Length > 2)
                {
                    Report(
                        "inline-handler",
                        $"The policy blocks {attribute.LocalName}=: pages handle nothing inline.",
                        attribute.Value
                    );
                }
                else if (attribute.LocalName == "style")
                {
                    if (!Allows(SourcesOf("style-src-attr", "style-src"), "'unsafe-inline'"))
                        Report(
                            "inline-style",
                            "The policy blocks style=: write it in the type's style sheet.",
                            attribute.Value
                        );
                }
                else if (attribute.Value.TrimStart().StartsWith("javascript:", StringComparison.OrdinalIgnoreCase))
                {
                    Report("script-address", $"The policy blocks a script in {attribute.LocalName}=.", attribute.Value);
                }
            }
            switch (element.LocalName)
            {
                case "style":
                    if (!Allows(SourcesOf("style-src-elem", "style-src"), HashOf(element.TextContent)))
                        Report("style-hash", "The policy does not hold the hash of this style.");
                    foreach (var part in (ReadOnlySpan<string>)["@import", "url("])
                    {
                        if (element.TextContent.Contains(part, StringComparison.OrdinalIgnoreCase))
                            Report("style-request", $"The style asks for a file with {part.TrimEnd('(')}.");
                    }
                    break;
                case "script" when element.GetAttribute("src") is { } source:
                    Request("script-src", source);
                    break;
                case "script" when IsRun(element.GetAttribute("type")):
                    if (!Allows(SourcesOf("script-src-elem", "script-src"), HashOf(element.TextContent)))
                        Report("script-hash", "The policy does not hold the hash of this script.");
                    break;
                case "link" when Prefetches.Intersect(Words(element.GetAttribute("rel"))).Any():
                    Request("default-src", element.GetAttribute("href"));
                    break;
                case "img" or "image":
                    Request("img-src", element.GetAttribute("src") ?? element.GetAttribute("href"));
                    Request("img-src", element.GetAttribute("srcset"));
                    break;
                case "iframe" or "frame":
                    Request("frame-src", element.GetAttribute("src"));
                    break;
                case "audio" or "video" or "source" or "track":
                    Request("media-src", element.GetAttribute("src"));
                    Request("img-src", element.GetAttribute("poster"));
                    break;
                case "object" or "embed":
                    Request("object-src", element.GetAttribute("data") ?? element.GetAttribute("src"));
                    break;
                case "form" when element.GetAttribute("method") != "dialog":
                    Post("form-action", element.GetAttribute("action") ?? "");
                    break;
                case "input" or "button" when element.GetAttribute("formaction") is { } action:
                    Post("form-action", action);
                    break;
                case "base" when element.GetAttribute("href") is { } home:
                    Post("base-uri", home);
                    break;
                case "meta"
                    when string.Equals(
                        element.GetAttribute("http-equiv"),
                        "refresh",
                        StringComparison.OrdinalIgnoreCase
                    ):
                    Report("refresh", "A page does not take its reader elsewhere by itself.");
                    break;
            }

            void Report(string rule, string message, string? value = null) =>
                page.Report(GateFinding.Csp, rule, element, message, value);

            void Request(string directive, string? address)
            {
                if (string.IsNullOrEmpty(address))
                    return;
                if (IsForeign(address))
                    Report(
                        "third-party-request",
                        $"The page would ask '{Short(address)}'; it asks nobody else.",
                        address
                    );
                else if (!AllowsAddress(SourcesOf(directive), address))
                    Report("blocked-request", $"The policy blocks '{Short(address)}' ({directive}).", address);
            }

            void Post(string directive, string address)
            {
                // These two do not fall back to default-src.
                if (policy.TryGetValue(directive, out var sources) && !AllowsAddress(sources, address))
                    Report("blocked-request", $"The policy blocks '{Short(address)}' ({directive}).", address);
            }
        }

        string[] SourcesOf(string directive, string? fallback = null) =>
            policy.GetValueOrDefault(directive)
            ?? (fallback is null ? null : policy.GetValueOrDefault(fallback))
            ?? policy.GetValueOrDefault("default-src")
            ?? ["*"];
    }

    private static Dictionary<string, string[]> Parse(string policy)
    {
        var directives = new Dictionary<string, string[]>(StringComparer.OrdinalIgnoreCase);
        foreach (
            var directive in policy.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
        )
        {
            var words = Words(directive);
            // The first of a name counts.
            directives.TryAdd(words[0], words[1..]);
        }
        return directives;
    }

    private static bool Allows(string[] sources, string source) => sources.Contains(source, StringComparer.Ordinal);

    private static bool AllowsAddress(string[] sources, string address) =>
        sources.Contains("*", StringComparer.Ordinal)
        || (!IsForeign(address) && !address.Contains(':', StringComparison.Ordinal) && Allows(sources, "'self'"))
        || (address.StartsWith("data:", StringComparison.OrdinalIgnoreCase) && Allows(sources, "data:"));

    /// <summary>Whether it leads to another origin, as far as an address says.</summary>
    private static bool IsForeign(string address) =>
        address.StartsWith("//", StringComparison.Ordinal)
        || address.StartsWith("\\\\", StringComparison.Ordinal)
        || address.StartsWith("http:", StringComparison.OrdinalIgnoreCase)
        || address.StartsWith("https:", StringComparison.OrdinalIgnoreCase);

    private static bool IsRun(string? type) =>
        string.IsNullOrEmpty(type)
        || type.Equals("module", StringComparison.OrdinalIgnoreCase)
        || type.Contains("javascript", StringComparison.OrdinalIgnoreCase)
        || type.Contains("ecmascript", StringComparison.OrdinalIgnoreCase);

    private static string HashOf(string text) =>
        $"'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text)))}'";

    private static string[] Words(string? text) =>
        (text ?? "").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);

    private static string Short(string text) => text.Length <= 80 ? text : text[..80] + "…";
}
