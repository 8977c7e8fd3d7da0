using FsCheck;
using FsCheck.Fluent;
using Platen.Kernel.Languages;

namespace Platen.Kernel.Tests.Languages;

public sealed class LanguageTagTests
{
    // RFC 5646, appendix A, and the corners of its grammar.
    [Theory]
    [InlineData("DE", "de")]
    [InlineData("i-ENOCHIAN", "i-enochian")]
    [InlineData("ZH-hant", "zh-Hant")]
    [InlineData("zh-cmn-hans-cn", "zh-cmn-Hans-CN")]
    [InlineData("sr-latn-rs", "sr-Latn-RS")]
    [InlineData("sl-ROZAJ-biske", "sl-rozaj-biske")]
    [InlineData("de-ch-1901", "de-CH-1901")]
    [InlineData("hy-latn-it-arevela", "hy-Latn-IT-arevela")]
    [InlineData("es-419", "es-419")]
    [InlineData("de-ch-x-PHONEBK", "de-CH-x-phonebk")]
    [InlineData("az-arab-x-aze-derbend", "az-Arab-x-aze-derbend")]
    [InlineData("X-WHATEVER", "x-whatever")]
    [InlineData("qaa-qaaa-qm-x-southern", "qaa-Qaaa-QM-x-southern")]
    [InlineData("en-us-U-islamcal", "en-US-u-islamcal")]
    [InlineData("zh-cn-a-myext-x-private", "zh-CN-a-myext-x-private")]
    [InlineData("en-a-myext-b-another", "en-a-myext-b-another")]
    [InlineData("en-0-ab-p-cd", "en-0-ab-p-cd")]
    [InlineData("en-gb-oed", "en-GB-oed")]
    [InlineData("SGN-be-fr", "sgn-BE-FR")]
    [InlineData("zh-min-nan", "zh-min-nan")]
    [InlineData("abcd", "abcd")]
    [InlineData("abcdefgh-latn", "abcdefgh-Latn")]
    [InlineData("de-t-en-latn-us", "de-t-en-latn-us")]
    [InlineData("x-a-b-12345678", "x-a-b-12345678")]
    public void Every_form_is_read_and_put_in_its_case(string text, string recommended)
    {
        var tag = LanguageTag.Parse(text);
        tag.ToString().ShouldBe(recommended);
        LanguageTag.Parse(recommended).ShouldBe(tag);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("-")]
    [InlineData("a")]
    [InlineData("a-DE")]
    [InlineData("i-unknown")]
    [InlineData("x")]
    [InlineData("x-")]
    [InlineData("x-123456789")]
    [InlineData("en-")]
    [InlineData("-en")]
    [InlineData("en--US")]
    [InlineData("en_US")]
    [InlineData("de-419-DE")]
    [InlineData("de-Latn-Cyrl")]
    [InlineData("abcd-abc")]
    [InlineData("zh-aaa-bbb-ccc-ddd")]
    [InlineData("123")]
    [InlineData("e1")]
    [InlineData("abcdefghi")]
    [InlineData("de-abcdefghi")]
    [InlineData("en-u")]
    [InlineData("en-u-")]
    [InlineData("en-u-x-a")]
    [InlineData("en-u-a")]
    [InlineData("ar-a-aaa-b-bbb-a-ccc")]
    [InlineData("de-DE-1901-1901")]
    [InlineData("en-us-x")]
    [InlineData("en US")]
    [InlineData("еn")]
    [InlineData("en\0")]
    public void Anything_else_is_refused(string? text) => LanguageTag.TryParse(text, out _).ShouldBeFalse();

    [Fact]
    public void Length_is_limited()
    {
        var longest = "x" + string.Concat(Enumerable.Repeat("-1234567", 7)) + "-123456";
        longest.Length.ShouldBe(LanguageTag.MaxLength);
        LanguageTag.TryParse(longest, out _).ShouldBeTrue();
        LanguageTag.TryParse(longest + "7", out _).ShouldBeFalse();
    }

    [Fact]
    public void Parts_are_told_apart()
    {
        var tag = LanguageTag.Parse("zh-yue-hant-hk-fonipa-1994-u-co-stroke-t-en-x-a-b");
        tag.Language.ShouldBe("zh");
        tag.ExtendedLanguage.ShouldBe("yue");
        tag.Script.ShouldBe("Hant");
        tag.Region.ShouldBe("HK");
        tag.Variants.ShouldBe(["fonipa", "1994"]);
        tag.Extensions.ShouldBe("u-co-stroke-t-en");
        tag.PrivateUse.ShouldBe("x-a-b");
    }

    [Theory]
    [InlineData("iw", "he")]
    [InlineData("iw-IL", "he-IL")]
    [InlineData("in", "id")]
    [InlineData("eng-US", "en-US")]
    [InlineData("sh", "sr-Latn")]
    [InlineData("my-BU", "my-MM")]
    [InlineData("i-klingon", "tlh")]
    [InlineData("art-lojban", "jbo")]
    [InlineData("en-GB-oed", "en-GB-oxendict")]
    [InlineData("zh-yue-HK", "yue-HK")]
    [InlineData("de-u-co-phonebk-a-foo", "de-a-foo-u-co-phonebk")]
    [InlineData("zh-min", "zh-min")]
    [InlineData("x-iw", "x-iw")]
    [InlineData("pt-BR", "pt-BR")]
    public void Replaced_subtags_have_a_canonical_form(string text, string canonical) =>
        LanguageTag.Parse(text).Canonical().Value.ShouldBe(canonical);

    [Theory]
    [InlineData("fr-CA", "fr-CA → fr")]
    [InlineData("zh-TW", "zh-TW → zh-Hant")]
    [InlineData("zh-CN", "zh-CN → zh")]
    [InlineData("zh-Hant-TW", "zh-Hant-TW → zh-TW → zh-Hant")]
    [InlineData("zh-Hans-CN", "zh-Hans-CN → zh-CN → zh")]
    [InlineData("zh-MO", "zh-MO → zh-Hant-HK → zh-HK → zh-Hant")]
    [InlineData("pt-AO", "pt-AO → pt-PT → pt")]
    [InlineData("pt-BR", "pt-BR → pt")]
    [InlineData("es-MX", "es-MX → es-419 → es")]
    [InlineData("es-ES", "es-ES → es")]
    [InlineData("en-GB", "en-GB → en-001 → en")]
    [InlineData("en-DE", "en-DE → en-150 → en-001 → en")]
    [InlineData("en-US", "en-US → en")]
    [InlineData("nb", "nb → no")]
    [InlineData("sr-ME", "sr-ME → sr-Latn")]
    [InlineData("sr-Latn-ME", "sr-Latn-ME → sr-ME → sr-Latn")]
    [InlineData("az-Arab", "az-Arab")]
    [InlineData("de-Cyrl", "de-Cyrl")]
    [InlineData("en-Latn-US", "en-Latn-US → en-US → en")]
    [InlineData("ca-ES-valencia", "ca-ES-valencia → ca-ES → ca")]
    [InlineData("de-CH-1901-u-co-phonebk-x-a", "de-CH-1901-u-co-phonebk-x-a → de-CH-1901 → de-CH → de")]
    [InlineData("iw-IL", "iw-IL → he-IL → he")]
    [InlineData("x-pirate", "x-pirate")]
    [InlineData("i-default", "i-default")]
    [InlineData("ht", "ht → fr-HT → fr")]
    public void Fallback_follows_the_parents_of_cldr(string wanted, string chain) =>
        LanguageTag.Parse(wanted).FallbackChain().ToString().ShouldBe(chain);

    [Theory]
    [InlineData("ar", TextDirection.RightToLeft)]
    [InlineData("iw", TextDirection.RightToLeft)]
    [InlineData("fa-IR", TextDirection.RightToLeft)]
    [InlineData("ur", TextDirection.RightToLeft)]
    [InlineData("yi", TextDirection.RightToLeft)]
    [InlineData("dv", TextDirection.RightToLeft)]
    [InlineData("pa-PK", TextDirection.RightToLeft)]
    [InlineData("pa", TextDirection.LeftToRight)]
    [InlineData("az-Arab", TextDirection.RightToLeft)]
    [InlineData("ar-Latn", TextDirection.LeftToRight)]
    [InlineData("en", TextDirection.LeftToRight)]
    [InlineData("zh-TW", TextDirection.LeftToRight)]
    [InlineData("x-pirate", TextDirection.LeftToRight)]
    public void Direction_is_that_of_the_likely_script(string tag, TextDirection direction) =>
        LanguageTag.Parse(tag).Direction.ShouldBe(direction);

    private static readonly Gen<string> _nearlyTags = Gen.Elements(
            "en",
            "zh",
            "yue",
            "Hant",
            "latn",
            "US",
            "tw",
            "419",
            "1901",
            "rozaj",
            "u",
            "co",
            "x",
            "a",
            "i",
            "sgn",
            "be",
            "12345678",
            "abcdefghi",
            "",
            "é"
        )
        .ArrayOf()
        .Select(subtags => string.Join('-', subtags));

    [Fact]
    public void What_was_printed_is_read_as_the_same_tag_and_case_does_not_matter() =>
        Prop.ForAll(
                _nearlyTags.ToArbitrary(),
                text =>
                    !LanguageTag.TryParse(text, out var tag)
                    || (
                        LanguageTag.Parse(tag.Value).Value == tag.Value
                        && LanguageTag.Parse(text.ToUpperInvariant()) == tag
                        && string.Equals(tag.Value, text, StringComparison.OrdinalIgnoreCase)
                        && tag.Canonical().Canonical() == tag.Canonical()
                    )
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(5_000));

    [Fact]
    public void Every_chain_ends_and_repeats_nothing() =>
        Prop.ForAll(
                _nearlyTags.ToArbitrary(),
                text =>
                    !LanguageTag.TryParse(text, out var tag)
                    || tag.FallbackChain() is var chain && chain[0] == tag && chain.Distinct().Count() == chain.Count
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(5_000));

    [Fact]
    public void Garbage_never_throws() =>
        Prop.ForAll<string>(text =>
                (
                    LanguageTag.TryParse(text, out _)
                    | LanguageRange.TryParse(text, out _)
                    | AcceptLanguage.Parse(text).Count > 0
                ) || LanguageLookup.Best(text, []) is null
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(3_000));
}
