using FsCheck;
using FsCheck.Fluent;
using Platen.Kernel.Templates;

namespace Platen.Kernel.Tests.Templates;

public sealed class PromptTextTests
{
    private static readonly Dictionary<string, string> Values = new() { ["who"] = "Ada", ["what"] = "{{who}}" };

    [Theory]
    [InlineData("Hello {{who}}", "Hello Ada")]
    [InlineData("{{ who }}{{who}}", "AdaAda")]
    [InlineData("{{what}}", "{{who}}")]
    [InlineData("{{{who}}}", "{Ada}")]
    [InlineData(@"\{{who}}", "{{who}}")]
    [InlineData("{{#each x}} {{/each}} {{ }} {{a b}}", "{{#each x}} {{/each}} {{ }} {{a b}}")]
    [InlineData("{{who", "{{who")]
    [InlineData("", "")]
    public void A_prompt_is_filled_in_and_everything_else_stays(string text, string expected)
    {
        var declared = PromptText.VariablesOf(text).Select(name => new PromptVariable(name)).ToList();
        var values = Values.Where(v => declared.Exists(d => d.Name == v.Key)).ToDictionary();
        PromptText.Render(text, declared, values).ShouldBe(new PromptRendering.Rendered(expected));
    }

    /// <summary>Work that grows with the square of any of these would take hours.</summary>
    [Fact]
    public void Braces_and_names_without_end_are_read_once()
    {
        const int many = 4_000_000;
        var braces = new string('{', many);
        PromptText.VariablesOf(braces + "}}").ShouldBeEmpty();
        PromptText.VariablesOf(braces + "who}}").ShouldBe(["who"]);
        PromptText.VariablesOf(braces + new string(' ', many) + "who}}").ShouldBe(["who"]);
        PromptText.VariablesOf(braces + "a b" + new string(' ', many) + "}}").ShouldBeEmpty();
        PromptText.VariablesOf(string.Concat(Enumerable.Repeat("{{ ", many / 4))).ShouldBeEmpty();
        PromptText.VariablesOf(string.Concat(Enumerable.Repeat("{{ }} ", many / 4))).ShouldBeEmpty();
        var names = Enumerable.Range(0, many / 8).Select(i => $"v{i}").ToList();
        PromptText.VariablesOf(string.Concat(names.Select(name => $"{{{{{name}}}}}"))).ShouldBe(names);
    }

    [Fact]
    public void Everything_missing_and_everything_unknown_is_named_at_once()
    {
        var refused = PromptText
            .Render(
                "{{a}} {{b}} {{c}} {{> part}}",
                [new("a"), new("b", Default: "x"), new("c", Required: false), new("d")],
                new Dictionary<string, string> { ["z"] = "" }
            )
            .ShouldBeOfType<PromptRendering.Refused>();
        (string.Join(',', refused.Missing), refused.Unknown.Single(), refused.MissingIncludes.Single()).ShouldBe(
            ("a,d", "z", "part")
        );
    }

    [Fact]
    public void A_text_without_braces_is_rendered_as_it_is() =>
        Prop.ForAll<NonNull<string>>(text =>
                text.Get.Contains("{{", StringComparison.Ordinal)
                || PromptText.Render(text.Get, [], new Dictionary<string, string>())
                    == new PromptRendering.Rendered(text.Get)
            )
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Garbage_is_never_more_than_plain_text() =>
        Prop.ForAll<NonNull<string>>(text =>
            {
                var messy = "{{" + text.Get + "}} {{> " + text.Get;
                return PromptText.VariablesOf(messy).All(name => PromptText.IsVariableName(name))
                    && PromptText.EstimateTokens(messy) > 0;
            })
            .QuickCheckThrowOnFailure();

    [Theory]
    [InlineData("", 0)]
    [InlineData("word", 1)]
    [InlineData("four score and seven years", 7)]
    [InlineData("日本語", 3)]
    public void Tokens_are_estimated(string text, int tokens) => PromptText.EstimateTokens(text).ShouldBe(tokens);
}
