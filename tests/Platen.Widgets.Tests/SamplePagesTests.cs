using System.Text.Json;
using AngleSharp.Dom;
using Platen.Kernel;

namespace Platen.Widgets.Tests;

/// <summary>What comes with Platen is as good as what it asks of others.</summary>
public sealed class SamplePagesTests
{
    public static TheoryData<string> Files => [.. Repository.Samples.Select(s => s.File)];

    [Fact]
    public void Every_type_has_a_baseline_and_two_or_three_showcases()
    {
        foreach (var type in Repository.Packages.Keys)
        {
            var ids = Repository
                .Samples.Where(s => s.Package.Type.Value == type)
                .Select(s => PublicId.Parse(s.Id))
                .ToList();
            ids.OfType<PublicId.Baseline>().Count().ShouldBe(1, type);
            ids.OfType<PublicId.Curated>().Count().ShouldBeInRange(2, 3, type);
        }
        Repository.Samples.ShouldAllBe(s => s.File == s.Id + ".json");
        Repository.Samples.SelectMany(s => s.Overlays()).Select(o => o.Locale).ShouldContain("ar");
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void It_is_valid_and_its_translations_change_what_may_be_translated(string file)
    {
        var sample = Find(file);
        foreach (var (locale, config) in sample.Localized())
            sample.Package.Schema.Validate(config).Errors.ShouldBeEmpty(locale);
        var translatable = TranslatableStrings.Find(sample.Package, sample.Config);
        foreach (var (locale, ops) in sample.Overlays())
        {
            var paths = ops.Select(o => o.GetProperty("path").GetString()!).ToList();
            paths.Except(translatable.Keys).ShouldBeEmpty(locale);
            paths.ShouldBeUnique();
        }
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Its_pages_are_well_formed_and_hold_together(string file)
    {
        var sample = Find(file);
        foreach (var (locale, config) in sample.Localized())
        {
            var page = Pages.Parse(Pages.Render(sample.Package, sample.Id, config, locale));
            var root = page.DocumentElement;
            root.GetAttribute("lang").ShouldBe(locale);
            root.GetAttribute("dir").ShouldBe(locale == "ar" ? "rtl" : "ltr");
            page.Title.ShouldBe(config.GetProperty("heading").GetString());
            page.QuerySelector("meta[property='og:title']")!.GetAttribute("content").ShouldBe(page.Title);
            page.QuerySelectorAll("h1").Length.ShouldBe(1);
            page.QuerySelectorAll("main").Length.ShouldBe(1);

            var ids = page.QuerySelectorAll("[id]").Select(e => e.Id!).ToList();
            ids.ShouldBeUnique();
            References(page).Except(ids).ShouldBeEmpty(locale);
            page.QuerySelectorAll("form[method=post]").ShouldAllBe(f => f.GetAttribute("action") == "/s/" + sample.Id);
            page.QuerySelectorAll("input:not([type=hidden]):not(.trap),select,textarea")
                .ShouldAllBe(e => IsLabelled(page, e));
        }
    }

    [Fact]
    public void Links_between_samples_lead_somewhere()
    {
        var known = Repository.Samples.Select(s => "/e/" + s.Id).ToHashSet(StringComparer.Ordinal);
        foreach (var sample in Repository.Samples)
        {
            var links = Strings(sample.Config).Where(s => s.StartsWith("/e/", StringComparison.Ordinal));
            links.ShouldAllBe(l => known.Contains(l), sample.File);
        }
    }

    private static Sample Find(string file) => Repository.Samples.Single(s => s.File == file);

    private static IEnumerable<string> References(IDocument page) =>
        from name in (string[])["for", "aria-labelledby", "aria-describedby", "aria-errormessage"]
        from element in page.QuerySelectorAll($"[{name}]")
        select element.GetAttribute(name)!;

    private static bool IsLabelled(IDocument page, IElement field) =>
        field.Closest("label") is not null || page.QuerySelector($"label[for='{field.Id}']") is not null;

    private static IEnumerable<string> Strings(JsonElement value) =>
        value.ValueKind switch
        {
            JsonValueKind.Object => value.EnumerateObject().SelectMany(m => Strings(m.Value)),
            JsonValueKind.Array => value.EnumerateArray().SelectMany(Strings),
            JsonValueKind.String => [value.GetString()!],
            _ => [],
        };
}
