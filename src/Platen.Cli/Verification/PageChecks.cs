using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Platen.Cli.Verification;

/// <summary>One page: its size, its policy, and what its markup does.</summary>
internal sealed partial class PageChecks(Wire wire, Findings findings)
{
    /// <summary>What a page may have at most and what it should have (docs/reference/verify.md).</summary>
    public const int MostGzipBytes = 10_240;
    public const int AimBrotliBytes = 6_144;

    private readonly Dictionary<string, string> forms = new(StringComparer.Ordinal);

    /// <summary>The markup of those pages that post a form, by public id.</summary>
    public IReadOnlyDictionary<string, string> Forms => forms;

    public async Task RunAsync(string id, CancellationToken ct)
    {
        var path = "/e/" + id;
        var plain = await wire.GetAsync(path, ct, ("Accept-Encoding", "identity"));
        if (!findings.RequireStatus("it is there", plain, 200))
            return;
        var gzip = await wire.GetAsync(path, ct, ("Accept-Encoding", "gzip"));
        var brotli = await wire.GetAsync(path, ct, ("Accept-Encoding", "br"));
        Measure(path, plain, gzip, brotli);

        findings.Require(
            "it is HTML in UTF-8",
            plain["Content-Type"].Equals("text/html; charset=utf-8", StringComparison.OrdinalIgnoreCase),
            plain["Content-Type"]
        );
        findings.Require("it sets no cookie", !plain.Has("Set-Cookie"), plain["Set-Cookie"]);
        findings.Require(
            "it is not sniffed",
            plain["X-Content-Type-Options"] == "nosniff",
            plain["X-Content-Type-Options"]
        );
        findings.Require("it says what referrers get", plain["Referrer-Policy"].Length > 0, plain["Referrer-Policy"]);
        findings.Require("it gives features up", plain["Permissions-Policy"].Length > 0, plain["Permissions-Policy"]);
        findings.Require(
            "other sites may show it",
            plain["Cross-Origin-Resource-Policy"] == "cross-origin",
            plain["Cross-Origin-Resource-Policy"]
        );
        findings.Require("it does not name the server's software", !plain.Has("Server"), plain["Server"]);
        if (wire.Server.Scheme == Uri.UriSchemeHttps)
            findings.Require(
                "it is https only",
                plain["Strict-Transport-Security"].Contains("max-age=", StringComparison.Ordinal),
                plain["Strict-Transport-Security"]
            );
        else
            findings.Skip("it is https only", "the address is http");

        var markup = plain.Text();
        CheckPolicy(plain["Content-Security-Policy"], markup);
        CheckMarkup(markup);
        if (FormElement().IsMatch(markup))
            forms[id] = markup;
        await CheckVariantsAsync(path, plain, ct);
        await CheckArtifactsAsync(id, ct);
    }

    private void Measure(string path, Answer plain, Answer gzip, Answer brotli)
    {
        var size = new Size(
            path,
            plain.Body.Length,
            gzip.Body.Length,
            brotli.Body.Length,
            MostGzipBytes,
            AimBrotliBytes
        );
        findings.Add(size);
        findings.Require(
            string.Create(CultureInfo.InvariantCulture, $"at most {MostGzipBytes} bytes with gzip"),
            size.IsWithinLimit && gzip["Content-Encoding"] == "gzip",
            string.Create(
                CultureInfo.InvariantCulture,
                $"{size.GzipBytes} bytes, Content-Encoding {gzip["Content-Encoding"]}"
            )
        );
        findings.Prefer(
            string.Create(CultureInfo.InvariantCulture, $"at most {AimBrotliBytes} bytes with brotli"),
            size.IsWithinAim && brotli["Content-Encoding"] == "br",
            string.Create(
                CultureInfo.InvariantCulture,
                $"{size.BrotliBytes} bytes, Content-Encoding {brotli["Content-Encoding"]}"
            )
        );
        findings.Require(
            "each coding holds the same page",
            plain.Body.AsSpan().SequenceEqual(gzip.Decoded()) && plain.Body.AsSpan().SequenceEqual(brotli.Decoded()),
            "identity, gzip and br decode to the same bytes"
        );
    }

    private void CheckPolicy(string policy, string markup)
    {
        var directives = policy
            .Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(directive => directive.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .GroupBy(words => words[0], StringComparer.OrdinalIgnoreCase)
            .ToDictionary(group => group.Key, group => group.First()[1..], StringComparer.OrdinalIgnoreCase);
        findings.Require(
            "its policy allows nothing unless it says so",
            directives.GetValueOrDefault("default-src") is ["'none'"],
            policy
        );
        string[] loose = ["'unsafe-inline'", "'unsafe-eval'", "'unsafe-hashes'", "*", "data:", "http:", "https:"];
        var found = directives
            .Where(d => d.Key.EndsWith("-src", StringComparison.OrdinalIgnoreCase))
            .SelectMany(d =>
                d.Value.Where(value => loose.Contains(value, StringComparer.OrdinalIgnoreCase))
                    .Select(value => $"{d.Key} {value}")
            )
            .ToList();
        findings.Require(
            "its policy has no hole",
            found.Count == 0,
            found.Count == 0 ? "no unsafe source, no wildcard" : string.Join(", ", found)
        );
        findings.Require(
            "its policy is by hash, because the page is cached",
            !policy.Contains("'nonce-", StringComparison.OrdinalIgnoreCase),
            "a nonce in a cached page is none"
        );
        findings.Require(
            "its base cannot be moved",
            directives.GetValueOrDefault("base-uri") is ["'none'"],
            string.Join(' ', directives.GetValueOrDefault("base-uri") ?? [])
        );
        findings.Require(
            "it is sandboxed",
            directives.ContainsKey("sandbox"),
            string.Join(' ', directives.GetValueOrDefault("sandbox") ?? [])
        );
        foreach (var (element, directive) in ((string, string)[])[("style", "style-src"), ("script", "script-src")])
        {
            var allowed = directives.GetValueOrDefault(directive) ?? [];
            foreach (var hash in Inline(markup, element))
                findings.Require(
                    $"its {element} is the one that the policy allows",
                    allowed.Contains($"'sha256-{hash}'", StringComparer.Ordinal),
                    $"sha256-{hash}"
                );
        }
    }

    private void CheckMarkup(string markup)
    {
        var handlers = Handler().Matches(markup).Select(match => match.Value.Trim()).Distinct().ToList();
        findings.Require("it has no inline handler", handlers.Count == 0, string.Join(", ", handlers));
        var foreign = Loaded()
            .Matches(markup)
            .Select(match => match.Groups["address"].Value)
            .Where(address =>
                Uri.TryCreate(wire.Server, address, out var full)
                && full.GetLeftPart(UriPartial.Authority) != wire.Origin
                && full.Scheme is "http" or "https"
            )
            .ToList();
        findings.Require("it loads nothing from anybody else", foreign.Count == 0, string.Join(", ", foreign));
        findings.Require("it says its language", LanguageOf().IsMatch(markup), "html lang");
    }

    private async Task CheckVariantsAsync(string path, Answer plain, CancellationToken ct)
    {
        var tags = new HashSet<string>(StringComparer.Ordinal) { plain["ETag"] };
        foreach (var theme in (string[])["light", "dark"])
        {
            var page = await wire.GetAsync($"{path}?theme={theme}&device=desktop", ct, ("Accept-Encoding", "identity"));
            findings.Require(
                $"it comes in {theme}",
                page.Status == 200 && tags.Add(page["ETag"]),
                $"{page.Status}, ETag {page["ETag"]}"
            );
        }
        var unknown = await wire.GetAsync(
            $"{path}?utm_source=x&theme=plaid&%00=%ff",
            ct,
            ("Accept-Encoding", "identity")
        );
        findings.Require(
            "what it does not know changes nothing",
            unknown.Status == 200 && unknown["ETag"] == plain["ETag"],
            $"{unknown.Status}, ETag {unknown["ETag"]}"
        );
    }

    private async Task CheckArtifactsAsync(string id, CancellationToken ct)
    {
        var manifest = await wire.GetAsync($"/w/{id}/manifest.json", ct);
        if (!findings.RequireStatus("its manifest is there", manifest, 200))
            return;
        findings.Require(
            "its manifest is revalidated",
            CachingChecks.IsRevalidated(manifest) && manifest.Has("ETag"),
            manifest["Cache-Control"]
        );
        using var document = JsonDocument.Parse(manifest.Decoded());
        foreach (var locale in document.RootElement.GetProperty("locales").EnumerateObject())
        {
            var address = locale.Value.GetProperty("artifact").GetString()!;
            var artifact = await wire.GetAsync(address, ct);
            var hash = Convert.ToHexStringLower(SHA256.HashData(artifact.Decoded()));
            findings.Require(
                $"the artifact of {locale.Name} is what its name says, for ever",
                artifact.Status == 200
                    && address.Contains(hash, StringComparison.Ordinal)
                    && artifact["Cache-Control"].Contains("immutable", StringComparison.Ordinal),
                $"{artifact.Status}, sha256 {hash[..12]}…, {artifact["Cache-Control"]}"
            );
        }
    }

    // Without attributes that name another place or kind: what is between the tags is what a hash is of.
    private static IEnumerable<string> Inline(string markup, string element) =>
        Regex
            .Matches(
                markup,
                $@"<{element}(?![^>]*\bsrc=)(?:\s[^>]*)?>(?<text>.*?)</{element}>",
                RegexOptions.Singleline | RegexOptions.IgnoreCase,
                TimeSpan.FromSeconds(1)
            )
            .Select(match =>
                Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(match.Groups["text"].Value)))
            );

    [GeneratedRegex(@"<form\b[^>]*\baction=""(?<action>[^""]*)""", RegexOptions.IgnoreCase, 1_000)]
    internal static partial Regex FormElement();

    [GeneratedRegex(@"<[a-z][^<>]*\s(?<handler>on[a-z]+)\s*=", RegexOptions.IgnoreCase, 1_000)]
    private static partial Regex Handler();

    [GeneratedRegex(
        @"<(?:script|img|iframe|source|video|audio|embed|object|link)\b[^>]*\s(?:src|href|data)=""(?<address>[^""]*)""",
        RegexOptions.IgnoreCase,
        1_000
    )]
    private static partial Regex Loaded();

    [GeneratedRegex(@"<html[^>]*\slang=""[a-zA-Z-]+""", RegexOptions.IgnoreCase, 1_000)]
    private static partial Regex LanguageOf();
}
