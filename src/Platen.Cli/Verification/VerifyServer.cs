using System.Globalization;
using System.Text.Json;

namespace Platen.Cli.Verification;

/// <summary>What to verify.</summary>
/// <param name="Ids">The instances whose pages are looked at; none for the baseline of each widget type.</param>
/// <param name="AllowedOrigin">An origin that the operator allows besides the server's own; null when none is to be tried.</param>
/// <param name="Submits">Whether a form may be sent, which leaves a submission when there is no key to erase it with.</param>
/// <param name="Token">An embed token, for an instance that is not public; null when none is looked at.</param>
internal sealed record VerifyOptions(IReadOnlyList<string> Ids, string? AllowedOrigin, bool Submits, string? Token);

/// <summary>
/// The looks at a running server before it is let among people: what browsers, caches and attackers rely on, as it goes over the
/// wire. Changes nothing, unless it may send a form.
/// </summary>
internal sealed class VerifyServer(Wire wire, VerifyOptions options, Findings findings, Action<string> progress)
{
    public async Task RunAsync(CancellationToken ct)
    {
        await StepAsync("health", () => HealthAsync(ct));
        var ids = options.Ids.Count > 0 ? options.Ids : await FindIdsAsync(ct);
        var pages = new PageChecks(wire, findings);
        foreach (var id in ids)
            await StepAsync("page " + id, () => pages.RunAsync(id, ct));
        if (ids.Count > 0)
        {
            await StepAsync("caching", () => new CachingChecks(wire, findings).RunAsync(ids[0], ct));
            await StepAsync("attacks", () => new AttackChecks(wire, findings).RunAsync(ids[0], ct));
        }
        await StepAsync("not public", () => new PrivateChecks(wire, findings).RunAsync(options.Token, ct));
        await StepAsync("loader", () => new LoaderChecks(wire, findings).RunAsync(ct));
        var api = new ApiChecks(wire, findings);
        await StepAsync("cors", () => api.CorsAsync(options.AllowedOrigin, ct));
        await StepAsync("guards", () => api.GuardsAsync(ids, ct));
        await StepAsync("submissions", () => new FormChecks(wire, findings).RunAsync(pages.Forms, options.Submits, ct));
    }

    private async Task StepAsync(string name, Func<Task> step)
    {
        findings.Group = name;
        var (before, failed) = (findings.All.Count, findings.Count(Mark.Fail));
        await step();
        var wrong = findings.Count(Mark.Fail) - failed;
        progress(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{name}: {findings.All.Count - before} checks, {(wrong == 0 ? "none" : wrong)} failed"
            )
        );
    }

    private async Task HealthAsync(CancellationToken ct)
    {
        findings.RequireStatus("/healthz says that it is live", await wire.GetAsync("/healthz", ct), 200);
        var ready = await wire.GetAsync("/readyz", ct);
        if (!findings.RequireStatus("/readyz says that it is ready", ready, 200))
            return;
        using var report = JsonDocument.Parse(ready.Body);
        var checks = report.RootElement.GetProperty("checks").EnumerateArray().ToList();
        foreach (var check in checks)
        {
            findings.Require(
                "ready: " + check.GetProperty("name").GetString(),
                check.GetProperty("ok").GetBoolean(),
                check.GetProperty("detail").GetString() ?? ""
            );
        }
        var roles = report.RootElement.GetProperty("roles").GetString();
        if (roles == "delivery")
            findings.Skip("the schema validator is there", "this process is delivery alone and validates nothing");
        else
            findings.Require(
                "the schema validator is there",
                checks.Any(check => check.GetProperty("name").GetString() == "schema-validator"),
                "a server without one would accept everything"
            );
    }

    private async Task<IReadOnlyList<string>> FindIdsAsync(CancellationToken ct)
    {
        var manifest = await wire.GetAsync("/widgets/manifest.json", ct);
        var ids = new List<string>();
        if (manifest.Status == 200)
        {
            using var types = JsonDocument.Parse(manifest.Decoded());
            foreach (var type in types.RootElement.GetProperty("widgetTypes").EnumerateArray())
            {
                var id = "wgt_main_" + type.GetProperty("type").GetString();
                if ((await wire.SendAsync(HttpMethod.Head, "/e/" + id, null, ct)).Status == 200)
                    ids.Add(id);
            }
        }
        findings.Group = "pages";
        findings.Require(
            "there is a page to look at",
            ids.Count > 0,
            ids.Count > 0
                ? string.Join(", ", ids)
                : "no widget type has a published baseline: publish one, or name an instance with --id"
        );
        return ids;
    }
}
