using System.Text;
using System.Text.Json;
using Platen.Kernel.Languages;
using Platen.Testing.Widgets;
using Platen.Widgets.Gates;

namespace Platen.Widgets.Tests;

/// <summary>What the publish gates find, and what they leave alone.</summary>
public sealed class GateTests
{
    private const string Id = "wgt_curated_gates";
    private const string Policy = "default-src 'none'; form-action 'self'; base-uri 'none'";

    public static TheoryData<string> Files => [.. Repository.Samples.Select(s => s.File)];

    public static TheoryData<string> Types => [.. Repository.Packages.Keys];

    public static TheoryData<string> Rules => [.. BrokenPages.All.Select(b => b.Rule)];

    public static TheoryData<string, string> Invalid =>
        new()
        {
            { "html/parse-error", "<p>Text</div></p>" },
            { "html/parse-error", "<p a=1 a=2>Text</p>" },
            { "html/parse-error", "<p>One<div>Two</div></p>" },
            { "html/element", "<font>Text</font>" },
            { "html/element", "<sectoin>Text</sectoin>" },
            { "html/duplicate-id", "<p id=a>A</p><p id=a>B</p>" },
            { "html/id", "<p id='a b'>A</p>" },
            { "html/content-model", "<span><div>A</div></span>" },
            { "html/content-model", "<button>A<h2>B</h2></button>" },
            { "html/content-model", "<a href='#'>A<button>B</button></a>" },
            { "html/content-model", "<ul><p>A</p></ul>" },
            { "html/content-model", "<details><p>A</p></details>" },
            { "html/content-model", "<main>Another</main>" },
            { "html/attribute", "<p dir=left>A</p>" },
            { "html/attribute", "<time datetime='next Monday'>A</time>" },
            { "html/attribute", "<label for=nobody>A</label>" },
            { "html/attribute", "<label>A <input type=e-mail></label>" },
            { "html/attribute", "<label>A <input required=no></label>" },
            { "html/attribute", "<img alt=A>" },
            { "csp/inline-handler", "<p onclick='x()'>A</p>" },
            { "csp/inline-style", "<p style='color:red'>A</p>" },
            { "csp/script-address", "<a href='javascript:x()'>A</a>" },
            { "csp/style-hash", "<style>p{color:red}</style>" },
            { "csp/style-request", "<style>p{background:url(/a.png)}</style>" },
            { "csp/script-hash", "<script>x()</script>" },
            { "csp/blocked-request", "<img src='/a.png' alt=A>" },
            { "csp/third-party-request", "<img src='https://example.org/a.png' alt=A>" },
            { "csp/third-party-request", "<link rel=stylesheet href='//example.org/a.css'>" },
            { "csp/third-party-request", "<iframe title=A src='https://example.org/'></iframe>" },
            { "csp/blocked-request", "<form action='https://example.org/'><button>A</button></form>" },
            { "csp/refresh", "<meta http-equiv=refresh content='9;url=/'>" },
            { "links/address", "<a href=''>A</a>" },
            { "links/address", "<a href='https://'>A</a>" },
            { "links/address", "<a href='https://exa mple.org/'>A</a>" },
            { "links/address", "<a href='https://example.org/100%'>A</a>" },
            { "links/address", "<a href='https://me:pw@example.org/'>A</a>" },
            { "links/address", "<a href='mailto:nobody'>A</a>" },
            { "links/address", "<a href='tel:me'>A</a>" },
            { "links/scheme", "<a href='ftp://example.org/'>A</a>" },
            { "links/anchor", "<a href='#nowhere'>A</a>" },
            { "links/instance", "<a href='/e/nothing'>A</a>" },
            { "links/form-action", "<form method=post action='/s/wgt_curated_other'><button>A</button></form>" },
        };

    public static TheoryData<string> Valid =>
        [
            "<a href='#'>A</a> <a href='#top'>B</a> <a href='https://example.org/a?b=c%20d#e'>C</a> <a href='/e/wgt_main_content.faq?locale=de'>D</a>",
            "<a href='mailto:reader@example.org?subject=A'>A</a> <a href='tel:+49-30-1234'>B</a> <a href='https://münchen.example/'>C</a>",
            "<p><time datetime='2026-04-23'>A</time> <time datetime='2026-04-23T18:00:00+02:00'>B</time> <time datetime='18:30'>C</time></p>",
            "<details><summary><h2>A</h2></summary><p>B</p></details>",
            "<fieldset><legend>A</legend><label><input type=radio name=a value=b> C</label></fieldset>",
            "<a href='/x'><div><h2>A</h2><p>B</p></div></a>",
            "<dl><div><dt>A</dt><dd>B</dd></div></dl>",
            "<svg viewBox='0 0 9 9' aria-hidden='true'><path d='M0 0h9'/></svg>",
            "<script type='application/ld+json'>{}</script>",
            "<form method=dialog><button>A</button></form>",
            $"<form method=post action='/s/{Id}'><button>A</button></form>",
        ];

    [Theory]
    [MemberData(nameof(Files))]
    public void They_have_nothing_against_a_sample(string file)
    {
        var sample = Repository.Samples.Single(s => s.File == file);
        foreach (var (locale, config) in sample.Localized())
        {
            var page = new PageRenderer(sample.Package, sample.Id, config, LanguageTag.Parse(locale));
            Sentences(
                    PublishGates.Check(
                        page.Render("auto"),
                        sample.Id,
                        locale,
                        page.ContentSecurityPolicy,
                        config,
                        "/config"
                    )
                )
                .ShouldBeEmpty(locale);
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void They_have_nothing_against_any_shape_of_a_type(string type)
    {
        var package = Repository.Packages[type];
        foreach (var shape in FilledConfig.All(JsonElement.Parse(package.SchemaBytes.Span), "A text"))
        {
            var config = JsonSerializer.SerializeToElement(shape);
            var page = new PageRenderer(package, Id, config, LanguageTag.Parse("en"));
            // All groups of the shape have the same title, and an author is told so.
            PublishGates
                .Check(page.Render("auto"), Id, "en", page.ContentSecurityPolicy, config, "/config")
                .Findings.Where(f => f.Rule != "landmark-unique")
                .Select(f => f.Sentence())
                .ShouldBeEmpty(config.GetRawText());
        }
    }

    [Theory]
    [MemberData(nameof(Rules))]
    public void A_page_that_breaks_a_rule_of_accessibility_is_found(string rule) =>
        Check(BrokenPages.All.Single(b => b.Rule == rule).Html)
            .Where(f => f.Gate == GateFinding.Accessibility)
            .Select(f => f.Rule)
            .ShouldContain(rule);

    [Fact]
    public void A_sound_page_is_left_alone() =>
        Sentences(new PublishGates.Report([.. Check(BrokenPages.Sound).Where(f => f.Rule != "form-action")], []))
            .ShouldBeEmpty();

    [Theory]
    [MemberData(nameof(Invalid))]
    public void A_page_that_breaks_another_rule_is_found(string rule, string markup) =>
        Check(InMain(markup)).Select(f => $"{f.Gate}/{f.Rule}").ShouldContain(rule);

    [Theory]
    [MemberData(nameof(Valid))]
    public void What_is_allowed_is_left_alone(string markup) =>
        Check(InMain(markup)).Select(f => f.Sentence()).ShouldBeEmpty();

    [Fact]
    public void A_finding_names_the_element_the_line_and_what_the_author_wrote()
    {
        var config = JsonSerializer.SerializeToElement(
            new { items = new[] { new { id = "ink" }, new { id = "ink" } } }
        );
        var finding = PublishGates
            .Check(
                Encoding.UTF8.GetBytes(InMain("\n<p id=ink>A</p>\n<p id=ink>B</p>")),
                Id,
                "de",
                Policy,
                config,
                "/locales/de"
            )
            .Findings.ShouldHaveSingleItem();
        finding.Rule.ShouldBe("duplicate-id");
        (finding.Locale, finding.Theme, finding.Line, finding.Column).ShouldBe(("de", null, 3, 1));
        finding.Selector.ShouldBe("main > p:nth-of-type(2)");
        finding.Pointer.ShouldBe("/locales/de/items/0/id");
    }

    private static IReadOnlyList<GateFinding> Check(string html) =>
        PublishGates.Check(Encoding.UTF8.GetBytes(html), Id, "en", Policy, JsonElement.Parse("{}"), "/config").Findings;

    private static IEnumerable<string> Sentences(PublishGates.Report report) =>
        report.Findings.Select(f => f.Sentence());

    private static string InMain(string markup) =>
        $"<!doctype html><html lang=en><head><meta charset=utf-8><title>T</title></head><body><main><h1>T</h1>{markup}</main></body></html>";
}
