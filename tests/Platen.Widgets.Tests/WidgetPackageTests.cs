using System.Text.Json;
using System.Text.Json.Nodes;
using Platen.Widgets.Packages;

namespace Platen.Widgets.Tests;

public sealed class WidgetPackageTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("widgets-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("<p>{{a}}</p>")]
    [InlineData("<p title=\"{{a}} and {{b}}\">{{a}}</p>")]
    [InlineData("<p{{#if a}} hidden{{/if}} class=\"x{{#if a}} y{{/if}}\">{{a}}</p>")]
    [InlineData("<a href=\"{{url a}}\">{{a}}</a>")]
    [InlineData("<a href=\"#g_{{a}}\">{{a}}</a>")]
    [InlineData("<a href=\"/x/{{a}}\">{{a}}</a>")]
    [InlineData("<script type=\"application/ld+json\">{{json a}}</script>")]
    [InlineData("{{#if a}}<ol>{{else}}<ul>{{/if}}{{! any words, even <b }}")]
    public void A_value_may_stand_where_escaping_protects_the_page(string template) => Load(template);

    [Theory]
    [InlineData("<p {{a}}>", "between the double quotes")]
    [InlineData("<{{a}}>", "between the double quotes")]
    [InlineData("<p title={{a}}>", "double quotes")]
    [InlineData("<p title='{{a}}'>", "double quotes")]
    [InlineData("<a href=\"{{a}}\">", "{{url")]
    [InlineData("<a href=\"//{{a}}\">", "{{url")]
    [InlineData("<a href=\"https:{{url a}}\">", "{{url")]
    [InlineData("<a href=\"{{#if a}}#{{/if}}{{b}}\">", "an address is one value")]
    [InlineData("<img src=\"{{a}}\">", "{{url")]
    [InlineData("<p>{{json a}}</p>", "data script")]
    [InlineData("<p title=\"{{json a}}\">", "data script")]
    [InlineData("<script type=\"application/ld+json\">{{a}}</script>", "data script")]
    [InlineData("<!-- {{a}} -->", "comments")]
    [InlineData("<p>{{{a}}}</p>", "without escaping")]
    [InlineData("<p>{{&a}}</p>", "without escaping")]
    [InlineData("<p>{{> a}}</p>", "partials")]
    [InlineData("<p onclick=\"x\">", "not allowed in markup")]
    [InlineData("<p style=\"x\">", "not allowed in markup")]
    [InlineData("<script>x</script>", "not allowed in markup")]
    [InlineData("<style>x</style>", "not allowed in markup")]
    [InlineData("<p", "ends inside a tag")]
    [InlineData("<form></form>", "'forms'")]
    public void A_template_that_could_let_a_text_out_of_its_place_is_refused(string template, string because) =>
        Should.Throw<WidgetPackageException>(() => Load(template)).Message.ShouldContain(because);

    [Theory]
    [InlineData(null, "form-action 'none'", false)]
    [InlineData("dialog", "form-action 'none'", true)]
    [InlineData("post", "form-action 'self'", true)]
    public void A_page_may_do_with_forms_what_its_package_says(string? forms, string directive, bool allowsForms)
    {
        var package = Load("<p></p>", m => m["forms"] = forms);
        var policy = new PageRenderer(
            package,
            "wgt_main_a.b",
            JsonElement.Parse("{}"),
            Kernel.Languages.LanguageTag.Parse("en")
        ).ContentSecurityPolicy;
        policy.ShouldContain(directive);
        policy.Split(' ').Contains("allow-forms").ShouldBe(allowsForms);
        policy.ShouldContain("default-src 'none'");
    }

    [Fact]
    public void A_shared_sheet_comes_before_the_packages_own()
    {
        File.WriteAllText(Path.Combine(folder, "parts.css"), "p{margin:0}");
        Load("<p></p>", m => m["shared"] = new JsonArray("parts.css")).Styles.ShouldBe("a{}\np{margin:0}\nb{}\n");
    }

    [Theory]
    [InlineData("shared", """["../parts.css"]""", "not the name of a file")]
    [InlineData("shared", """["gone.css"]""", "missing")]
    [InlineData("forms", "\"any\"", "'forms' is")]
    [InlineData("meta", """{ "title": "heading" }""", "not a JSON Pointer")]
    [InlineData("meta", """{ "image": "/x" }""", "not a member of 'meta'")]
    [InlineData("unheardOf", "1", "not a member of a package manifest")]
    public void A_manifest_that_means_nothing_is_refused(string member, string value, string because) =>
        Should
            .Throw<WidgetPackageException>(() => Load("<p></p>", m => m[member] = JsonNode.Parse(value)))
            .Message.ShouldContain(because);

    [Fact]
    public void Title_and_description_of_a_page_come_from_where_the_package_says()
    {
        var package = Load(
            "<p>{{@publicId}} {{#each list}}{{@locale}}{{/each}}</p>",
            m => m["meta"] = new JsonObject { ["title"] = "/name", ["description"] = "/about" }
        );
        var page = Pages.Render(
            package,
            "wgt_main_a.b",
            JsonElement.Parse("""{ "name": "A \"b\" & <c>", "about": "d", "list": [1] }"""),
            "pt-BR"
        );
        var parsed = Pages.Parse(page);
        parsed.Title.ShouldBe("A \"b\" & <c>");
        parsed.QuerySelector("meta[name=description]")!.GetAttribute("content").ShouldBe("d");
        parsed.QuerySelector("meta[property='og:locale']")!.GetAttribute("content").ShouldBe("pt_BR");
        parsed.QuerySelector("p")!.TextContent.ShouldBe("wgt_main_a.b pt-BR");
        Pages.Parse(Pages.Render(package, "wgt_main_a.b", JsonElement.Parse("{}"), "en")).Title.ShouldBe("A title");
    }

    private WidgetPackage Load(string template, Action<JsonObject>? change = null)
    {
        var package = Directory.CreateDirectory(Path.Combine(folder, "a.b")).FullName;
        var manifest = new JsonObject
        {
            ["formatVersion"] = 1,
            ["widgetType"] = "a.b",
            ["title"] = "A title",
            ["description"] = "A description",
            ["version"] = "1.0.0",
            ["schema"] = "schema.json",
            ["template"] = "template.hbs",
            ["styles"] = new JsonArray("styles.css"),
            ["budgets"] = new JsonObject { ["gzipBytes"] = 10240 },
        };
        change?.Invoke(manifest);
        if (manifest["forms"] is null)
            manifest.Remove("forms");
        File.WriteAllText(Path.Combine(package, "widget.json"), manifest.ToJsonString());
        File.WriteAllText(Path.Combine(package, "schema.json"), """{ "type": "object" }""");
        File.WriteAllText(Path.Combine(package, "template.hbs"), template);
        File.WriteAllText(Path.Combine(package, "styles.css"), "b{}");
        return WidgetPackage.Load(package, "a{}\n");
    }
}
