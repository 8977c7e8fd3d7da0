using FsCheck;
using FsCheck.Fluent;
using Platen.Kernel.Languages;

namespace Platen.Kernel.Tests.Languages;

public sealed class LanguageLookupTests
{
    [Theory]
    [InlineData("fr-CA", "en,fr", "fr")]
    [InlineData("fr-CA,en;q=0.9", "en,fr", "fr")]
    [InlineData("en;q=0.2, fr;q=0.9", "en,fr", "fr")]
    [InlineData("da, en-GB;q=0.8, en;q=0.7", "de,en", "en")]
    [InlineData("DE-ch", "fr,de", "de")]
    [InlineData("zh-TW", "zh,zh-Hant", "zh-Hant")]
    [InlineData("zh-TW", "zh", null)]
    [InlineData("zh-TW", "zh-Hant-TW", "zh-Hant-TW")]
    [InlineData("zh-Hant-HK", "zh-HK,zh-Hant", "zh-HK")]
    [InlineData("zh-Hans-CN", "zh-CN", "zh-CN")]
    [InlineData("pt-AO", "pt,pt-PT", "pt-PT")]
    [InlineData("iw", "en,he", "he")]
    [InlineData("he", "en,iw", "iw")]
    [InlineData("en-GB", "en-US,en-001", "en-001")]
    [InlineData("en", "en-GB", null)]
    [InlineData("*", "en,fr", "en")]
    [InlineData("ja,*;q=0.5", "en,fr", "en")]
    [InlineData("*,en;q=0", "en,fr", "fr")]
    [InlineData("de-*-CH,fr", "fr,de-CH", "de-CH")]
    [InlineData("fr-CA,fr;q=0", "fr", null)]
    [InlineData("fr;q=0,fr-CA", "fr-CA", "fr-CA")]
    [InlineData("*;q=0", "fr", null)]
    [InlineData("", "fr", null)]
    [InlineData(",;q=1,de;q=2,fr;q=0.1234,;;,ja q=1, en ; q=0.1", "de,fr,ja,en", "en")]
    public void The_best_available_is_found(string header, string available, string? best) =>
        LanguageLookup
            .Best(header, available.Split(',').Select(LanguageTag.Parse))
            .ShouldBe(best is null ? null : LanguageTag.Parse(best));

    [Fact]
    public void One_wanted_tag_is_looked_up_without_a_header()
    {
        var lookup = new LanguageLookup([LanguageTag.Parse("tlh"), LanguageTag.Parse("es-419")]);
        lookup.Best(LanguageTag.Parse("i-klingon")).ShouldBe(LanguageTag.Parse("tlh"));
        lookup.Best(LanguageTag.Parse("es-AR")).ShouldBe(LanguageTag.Parse("es-419"));
        lookup.Best(LanguageTag.Parse("fr")).ShouldBeNull();
    }

    [Fact]
    public void A_lookup_allocates_nothing()
    {
        var lookup = new LanguageLookup([
            LanguageTag.Parse("en"),
            LanguageTag.Parse("pt-PT"),
            LanguageTag.Parse("zh-Hant"),
        ]);
        lookup.Best("da, zh-MO;q=0.9, pt-AO;q=0.8, en;q=0").ShouldNotBeNull();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++)
            lookup.Best("da, zh-MO;q=0.9, pt-AO;q=0.8, en;q=0");
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBe(0);
    }

    [Fact]
    public void Members_come_best_first_and_only_so_many_are_read()
    {
        AcceptLanguage
            .Parse("en;q=0.5, de, fr;q=0.5, *;q=0")
            .Select(member => $"{member.Range}={member.QualityThousandths}")
            .ShouldBe(["de=1000", "en=500", "fr=500", "*=0"]);
        AcceptLanguage.Parse(string.Join(',', Enumerable.Repeat("en", 1_000))).Count.ShouldBe(AcceptLanguage.MaxRanges);
        AcceptLanguage.Parse(null).ShouldBeEmpty();
    }

    [Fact]
    public void Lookup_agrees_with_walking_the_chain() =>
        Prop.ForAll(
                Gen.Elements(
                        "en",
                        "en-GB",
                        "en-001",
                        "zh",
                        "zh-Hant",
                        "zh-TW",
                        "pt",
                        "pt-PT",
                        "sr-Latn",
                        "sr",
                        "he",
                        "no"
                    )
                    .ArrayOf()
                    .ToArbitrary(),
                Gen.Elements("en-AU", "zh-MO", "zh-Hans", "pt-AO", "sr-ME", "iw-IL", "nb", "de", "en-US-u-hc-h12")
                    .ToArbitrary(),
                (available, wanted) =>
                {
                    var tags = available.Select(LanguageTag.Parse).ToArray();
                    var walked = LanguageTag.Parse(wanted).FallbackChain().FirstOrDefault(tags.Contains);
                    return walked is null || new LanguageLookup(tags).Best(wanted) == walked;
                }
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(1_000));

    [Fact]
    public void A_header_reads_back_as_its_members_best_first_whatever_stands_between_them() =>
        Prop.ForAll(
                (
                    from range in Gen.Elements("de", "en-gb", "zh-hant-tw", "*", "de-*-ch", "i-klingon")
                    from quality in Gen.Choose(0, 1_000)
                    from space in Gen.Elements("", " ", "\t", " \t ")
                    from between in Gen.Elements(
                        "",
                        ",,",
                        ", d\u00e9,",
                        ",en;q=2,",
                        ",en;q=,",
                        ",en;level=1,",
                        ",;q=1,",
                        ",en fr,"
                    )
                    select (range, quality, space, between)
                )
                    .ArrayOf()
                    .Where(members => members.Length <= AcceptLanguage.MaxRanges)
                    .ToArbitrary(),
                members =>
                {
                    var header = string.Join(
                        ',',
                        members.Select(m =>
                            $"{m.space}{m.range}{m.space};{m.space}q={m.quality / 1000}.{m.quality % 1000:000}{m.space},{m.between}"
                        )
                    );
                    return AcceptLanguage
                        .Parse(header)
                        .Select(member => (member.Range.ToString(), member.QualityThousandths))
                        .SequenceEqual(members.OrderByDescending(m => m.quality).Select(m => (m.range, m.quality)));
                }
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(1_000));

    [Fact]
    public void What_looks_much_like_a_header_is_read_in_order_and_never_throws() =>
        Prop.ForAll(
                Gen.Elements(
                        ",",
                        ";",
                        "q",
                        "=",
                        "0",
                        "1",
                        ".",
                        "-",
                        "*",
                        " ",
                        "\t",
                        "en",
                        "de-CH",
                        "\0",
                        "\u00e9",
                        "\ud800",
                        ";q=0.5",
                        ";q=1."
                    )
                    .ArrayOf()
                    .Select(string.Concat)
                    .ToArbitrary(),
                header =>
                {
                    var read = AcceptLanguage.Parse(header);
                    return read.Count <= AcceptLanguage.MaxRanges
                        && read.All(m => m.QualityThousandths is >= 0 and <= 1_000)
                        && read.All(m => LanguageRange.TryParse(m.Range.ToString(), out var range) && range == m.Range)
                        && read.Zip(read.Skip(1))
                            .All(pair => pair.First.QualityThousandths >= pair.Second.QualityThousandths)
                        && LanguageLookup.Best(header, []) is null;
                }
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(5_000));

    // RFC 4647, sections 3.3.1 and 3.3.2.
    [Theory]
    [InlineData("de-de", "de-DE-1996", true, true)]
    [InlineData("de-de", "de-Deva", false, false)]
    [InlineData("de-de", "de-Latn-DE", false, true)]
    [InlineData("*", "fr", true, true)]
    [InlineData("de-*-DE", "de-DE", false, true)]
    [InlineData("de-*-DE", "de-Latn-DE-1996", false, true)]
    [InlineData("de-*-DE", "de-DE-x-goethe", false, true)]
    [InlineData("de-*-DE", "de-x-DE", false, false)]
    [InlineData("de-*-DE", "de-Deva", false, false)]
    [InlineData("de-*-DE", "de", false, false)]
    [InlineData("*-CH", "de-CH", false, true)]
    [InlineData("en", "eng", false, false)]
    public void Filtering_is_basic_or_extended(string range, string tag, bool basic, bool extended)
    {
        LanguageRange.Parse(range).MatchesBasic(LanguageTag.Parse(tag)).ShouldBe(basic);
        LanguageRange.Parse(range).MatchesExtended(LanguageTag.Parse(tag)).ShouldBe(extended);
    }
}
