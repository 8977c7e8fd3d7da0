namespace Platen.Cli.Verification;

/// <summary>What is tried on every server in the open: other people's paths, fields that poison caches, ids that are not there.</summary>
internal sealed class AttackChecks(Wire wire, Findings findings)
{
    /// <summary>Fields that some server or proxy somewhere lets change an answer, and that no cache keeps apart.</summary>
    private static readonly string[] Unkeyed =
    [
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Scheme",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Host",
        "X-HTTP-Method-Override",
        "Forwarded",
        "Cookie",
        "Origin",
        "Referer",
        "User-Agent",
        "X-Embed-Token",
        "X-Store-Hostname",
    ];

    public async Task RunAsync(string id, CancellationToken ct)
    {
        var path = "/e/" + id;
        var plain = await wire.GetAsync(path, ct, ("Accept-Encoding", "identity"));
        foreach (var field in Unkeyed)
        {
            var answer = await wire.GetAsync(
                path,
                ct,
                ("Accept-Encoding", "identity"),
                (field, field == "Forwarded" ? "host=platen-verify.example;proto=https" : "platen-verify.example")
            );
            var isReflected =
                answer.Text().Contains("platen-verify.example", StringComparison.Ordinal)
                || answer.Fields.Values.Any(value => value.Contains("platen-verify.example", StringComparison.Ordinal));
            findings.Require(
                $"{field} changes nothing that a cache would keep",
                !isReflected
                    && (
                        answer["ETag"] == plain["ETag"]
                        || answer["Cache-Control"].Contains("no-store", StringComparison.Ordinal)
                    ),
                $"{answer.Status}, {answer["Cache-Control"]}"
            );
        }

        var missing = await wire.GetAsync("/e/wgt_curated_platen-verify-not-there", ct, ("Accept", "text/html"));
        findings.Require(
            "an id that is not there: 404 that nobody keeps and that helps",
            missing.Status == 404
                && missing["Cache-Control"].Contains("no-store", StringComparison.Ordinal)
                && missing["Content-Type"].StartsWith("text/html", StringComparison.Ordinal)
                && missing["Content-Security-Policy"].Contains("default-src 'none'", StringComparison.Ordinal),
            $"{missing.Status}, {missing["Content-Type"]}, {missing["Cache-Control"]}"
        );
        var problem = await wire.GetAsync("/e/wgt_curated_platen-verify-not-there", ct, ("Accept", "application/json"));
        findings.Require(
            "the same for programs: a problem (RFC 9457)",
            problem.Status == 404
                && problem["Content-Type"].StartsWith("application/problem+json", StringComparison.Ordinal),
            $"{problem.Status}, {problem["Content-Type"]}"
        );
        foreach (
            var trick in (string[])
                [
                    "/e/..%2f..%2fetc%2fpasswd",
                    "/e/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
                    "/e/%00",
                    "/e/%c0%ae%c0%ae%c0%af",
                    $"/w/{id}/..%2fmanifest.json",
                    $"/w/{id}/en.%2e%2e.json",
                    "/e/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
                ]
        )
        {
            var answer = await wire.GetAsync(trick, ct);
            findings.Require(
                $"{trick} leads nowhere",
                answer.Status is 400 or 404 && !answer.Text().Contains("<script>alert", StringComparison.Ordinal),
                $"{answer.Status}"
            );
        }
    }
}
