using System.Text;
using System.Text.Json;
using AngleSharp.Dom;
using Platen.Testing.Widgets;

namespace Platen.Widgets.Tests;

/// <summary>Whatever an author writes in whatever field is shown, and never becomes part of the page.</summary>
public sealed class NaughtyStringsTests
{
    private const string Harmless = "Harmless";
    private const string Id = "wgt_main_test";

    public static TheoryData<string> Types => [.. Repository.Packages.Keys];

    [Theory]
    [MemberData(nameof(Types))]
    public async Task Every_string_in_every_field_leaves_the_structure_of_the_page_alone(string type)
    {
        var package = Repository.Packages[type];
        var schema = JsonElement.Parse(package.SchemaBytes.Span);
        var harmless = FilledConfig.All(schema, Harmless).Select(c => JsonSerializer.SerializeToElement(c)).ToList();
        harmless.ShouldNotBeEmpty();
        harmless.ShouldAllBe(c => package.Schema.Validate(c).IsValid);
        var structures = harmless.Select(c => Structure(Pages.Parse(Pages.Render(package, Id, c, "en")))).ToList();

        var big = await NaughtyStrings.BigListAsync(TestContext.Current.CancellationToken);
        // A text that a field asks for is not empty.
        foreach (var text in NaughtyStrings.All.Concat(big.Where(text => text.Length > 0)))
        {
            foreach (var (config, structure) in FilledConfig.All(schema, text).Zip(structures))
            {
                var page = Pages.Parse(Pages.Render(package, Id, JsonSerializer.SerializeToElement(config), "en"));
                Structure(page).ShouldBe(structure, Name(text));
                page.Title.ShouldNotBeNull();
            }
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Every_string_that_html_allows_is_shown_as_it_is(string type)
    {
        var package = Repository.Packages[type];
        var schema = JsonElement.Parse(package.SchemaBytes.Span);
        foreach (var text in NaughtyStrings.Injections.Concat(NaughtyStrings.Letters).Where(t => !HasForbidden(t)))
        {
            var config = JsonSerializer.SerializeToElement(FilledConfig.All(schema, text).First());
            var page = Pages.Parse(Pages.Render(package, Id, config, "en"));
            page.QuerySelector("h1")!.TextContent.ShouldBe(text);
            page.QuerySelector("meta[property='og:title']")!.GetAttribute("content").ShouldBe(text);
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void A_translatable_text_of_every_field_reaches_the_page(string type)
    {
        var package = Repository.Packages[type];
        var schema = JsonElement.Parse(package.SchemaBytes.Span);
        var shown = new HashSet<string>(StringComparer.Ordinal);
        var fields = new HashSet<string>(StringComparer.Ordinal);
        foreach (var filled in FilledConfig.All(schema, Harmless))
        {
            foreach (var place in TranslatableStrings.Find(package, JsonSerializer.SerializeToElement(filled)).Keys)
            {
                fields.Add(place);
                var marked = filled.DeepClone();
                Kernel.Json.JsonPointer.Parse(place).Set(marked, "Unmistakable");
                if (Pages.Render(package, Id, JsonSerializer.SerializeToElement(marked), "en").Contains("Unmistakable"))
                    shown.Add(place);
            }
        }
        fields.Except(shown).ShouldBeEmpty();
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void No_address_leads_anywhere_surprising_even_past_the_schema(string type)
    {
        var package = Repository.Packages[type];
        var schema = JsonElement.Parse(package.SchemaBytes.Span);
        foreach (
            var address in (string[])
                [
                    "javascript:alert(1)",
                    " javascript:alert(1)",
                    "JAVASCRIPT:alert(1)",
                    "java\nscript:alert(1)",
                    "data:text/html,x",
                    "vbscript:x",
                    "blob:x",
                    "//example.org",
                    "/\\example.org",
                    "\\\\example.org",
                    "java\u0000script:alert(1)",
                ]
        )
        {
            foreach (var filled in FilledConfig.All(schema, Harmless))
            {
                var config = filled
                    .ToJsonString()
                    .Replace("\"https://example.org/contact\"", JsonSerializer.Serialize(address));
                var page = Pages.Parse(Pages.Render(package, Id, JsonElement.Parse(config), "en"));
                page.QuerySelectorAll("[href]")
                    .Select(e => e.GetAttribute("href")!)
                    .Where(h => !h.StartsWith('#'))
                    .ShouldAllBe(h => h.Length == 0, Name(address));
            }
        }
    }

    [Theory]
    [InlineData("red;}*{display:none}")]
    [InlineData("#12345")]
    [InlineData("#1234567")]
    [InlineData("</style>")]
    [InlineData("url(//example.org)")]
    public void A_colour_that_is_none_never_reaches_the_style(string colour)
    {
        foreach (var sample in Repository.Samples.Where(s => s.Config.TryGetProperty("accentColor", out _)))
        {
            var config = System.Text.Json.Nodes.JsonNode.Parse(sample.Config.GetRawText())!;
            config["accentColor"] = colour;
            var page = Pages.Render(sample.Package, sample.Id, JsonSerializer.SerializeToElement(config), "en");
            Pages.Parse(page).QuerySelector("style")!.TextContent.ShouldNotContain(colour);
        }
    }

    /// <summary>Elements with the names of their attributes, and the values of those that no author's text can be in.</summary>
    private static string Structure(IDocument page)
    {
        var structure = new StringBuilder();
        foreach (var element in page.All)
        {
            structure.Append(element.LocalName);
            foreach (var attribute in element.Attributes.Where(a => a.Name != "content"))
                structure.Append(' ').Append(attribute.Name).Append('=').Append(attribute.Value);
            structure.Append('\n');
        }
        return structure.ToString();
    }

    private static bool HasForbidden(string text) =>
        text.EnumerateRunes().Any(r => r.Value is < 0x20 and not ('\t' or '\n') or (>= 0x7F and <= 0x9F));

    private static string Name(string text) =>
        Convert.ToHexString(Encoding.UTF8.GetBytes(text.Length > 60 ? text[..60] : text));
}
