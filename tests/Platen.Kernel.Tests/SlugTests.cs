using FsCheck;
using FsCheck.Fluent;

namespace Platen.Kernel.Tests;

public sealed class SlugTests
{
    [Theory]
    [InlineData("a")]
    [InlineData("0")]
    [InlineData("acme-shop-2")]
    public void A_slug_is_read_and_printed_back(string text) => Slug.Parse(text).ToString().ShouldBe(text);

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("-a")]
    [InlineData("a-")]
    [InlineData("a--b")]
    [InlineData("xn--80ak6aa92e")]
    [InlineData("Acme")]
    [InlineData("acme shop")]
    [InlineData("acme.shop")]
    [InlineData("acme_shop")]
    [InlineData("аcme")]
    [InlineData("ａcme")]
    [InlineData("acmé")]
    [InlineData("acme\n")]
    [InlineData("acme\u200d")]
    public void Anything_else_is_refused(string? text) => Slug.TryParse(text, out _).ShouldBeFalse();

    [Fact]
    public void The_longest_slug_is_a_host_label()
    {
        Slug.TryParse(new string('a', 63), out _).ShouldBeTrue();
        Slug.TryParse(new string('a', 64), out _).ShouldBeFalse();
    }

    [Theory]
    [InlineData("Acme Shop", "acme-shop")]
    [InlineData("  Ärger & Söhne GmbH ", "aerger-and-soehne-gmbh")]
    [InlineData("Łódź/Żółw", "lodz-zolw")]
    [InlineData("Joe's  Diner", "joes-diner")]
    [InlineData("Cafe\u0301 №1", "cafe-1")]
    [InlineData("R&D", "r-and-d")]
    [InlineData("& Co", "and-co")]
    [InlineData("xn--pple", "xn-pple")]
    [InlineData("日本 2", "2")]
    public void A_name_suggests_a_slug(string name, string slug) => Slug.FromName(name).ShouldBe(Slug.Parse(slug));

    [Theory]
    [InlineData("")]
    [InlineData("日本")]
    [InlineData("---")]
    public void A_name_without_latin_letters_suggests_none(string name) => Slug.FromName(name).ShouldBeNull();

    [Fact]
    public void A_long_name_is_cut_at_a_word() =>
        Slug.FromName(string.Join(' ', Enumerable.Repeat("word", 30)))!
            .Value.Value.ShouldBe(string.Join('-', Enumerable.Repeat("word", 12)));

    [Fact]
    public void A_suggestion_is_always_a_slug_and_suggests_itself() =>
        Prop.ForAll<string>(name =>
                name is null
                || Slug.FromName(name) is not { } slug
                || (Slug.Parse(slug.Value) == slug && Slug.FromName(slug.Value) == slug)
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(3_000));

    [Fact]
    public void Garbage_never_throws_and_what_parses_prints_the_same() =>
        Prop.ForAll<string>(text => !Slug.TryParse(text, out var slug) || slug.ToString() == text)
            .Check(Config.QuickThrowOnFailure.WithMaxTest(3_000));
}
