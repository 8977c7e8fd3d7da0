using System.Globalization;
using Platen.Testing.Servers;

namespace Platen.Acceptance;

/// <summary>
/// What Lighthouse says of the longest page and of one with a form, once each; the judge of the bench looks at every type. How fast a
/// page is depends on the machine, so that score may be lower here; the others depend on the page alone.
/// </summary>
public sealed class LighthouseTests(BrowserFixture browser)
{
    private static readonly string[] Pages = ["wgt_main_content.faq", "wgt_main_forms.contact"];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Pages_score_at_least_95()
    {
        var source = Path.Combine(Build.Repository, "bench", "judges");
        var folder = await NodePackages.InstallAsync("judges", source, Ct);
        // Node.js looks for packages beside the script.
        var script = Path.Combine(folder, "lighthouse.mjs");
        File.Copy(Path.Combine(source, "lighthouse.mjs"), script, overwrite: true);
        var result = await CommandResult.RunAsync(
            ["node", script, browser.Address.ToString(), "1", .. Pages],
            Ct,
            ("LEAST_PERFORMANCE", "50")
        );
        result.ExitCode.ShouldBe(0, result.Output + result.Errors);
        var judged = result
            .Output.Split('\n')
            .Select(line => line.Split('\t'))
            .Where(cells => cells is [['w', 'g', 't', ..], _, _, _, _])
            .ToList();
        judged.Select(cells => cells[0]).ShouldBe(Pages);
        foreach (var cells in judged)
        {
            foreach (var score in cells[2..])
                int.Parse(score, CultureInfo.InvariantCulture).ShouldBeGreaterThanOrEqualTo(95, result.Output);
        }
    }
}
