using Platen.Testing.Widgets;

namespace Platen.Acceptance;

/// <summary>
/// The pages that the publish gates are tested with, as axe-core itself sees them in a browser: what a gate calls by a rule of axe-core
/// is what axe-core calls so.
/// </summary>
public sealed class AxeTests(BrowserFixture browser)
{
    [Fact]
    public async Task It_finds_in_every_broken_page_what_the_gates_find()
    {
        await using var examined = await browser.ExamineAsync("healthz", "light", 1280);
        var disagreements = new List<string>();
        foreach (var (rule, html) in BrokenPages.All)
        {
            await examined.Page.SetContentAsync(html);
            var found = await examined.ViolationsAsync();
            if (!found.Any(f => f.StartsWith(rule + ":", StringComparison.Ordinal)))
                disagreements.Add($"{rule}: it finds {string.Join("; ", found)}");
        }
        disagreements.ShouldBeEmpty();
    }

    [Fact]
    public async Task It_finds_nothing_in_a_sound_page()
    {
        await using var examined = await browser.ExamineAsync("healthz", "light", 1280);
        await examined.Page.SetContentAsync(BrokenPages.Sound);
        (await examined.ViolationsAsync()).ShouldBeEmpty();
    }
}
