using System.Text.RegularExpressions;
using FsCheck;
using FsCheck.Fluent;

namespace Platen.Kernel.Tests;

public sealed class PublicIdTests
{
    private const string Type = @"(?<type>[a-z][a-z0-9]*(\.[a-z][a-z0-9]*)*)";
    private const string Key = "[a-z0-9]+(-[a-z0-9]+)*";

    private const RegexOptions Options = RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture;

    private static readonly (Type Type, Regex Pattern)[] _forms =
    [
        (typeof(PublicId.Baseline), new($@"\Awgt_main_{Type}\z", Options)),
        (typeof(PublicId.Baseline), new($@"\Awgt_{Type}\z", Options)),
        (typeof(PublicId.Curated), new($@"\Awgt_curated_{Key}\z", Options)),
        (typeof(PublicId.User), new($@"\Awgt_{Type}_u_{Key}\z", Options)),
    ];

    // Pieces that meet at every boundary of the grammar.
    private static readonly Gen<string> _nearlyIds = Gen.Elements(
            "wgt_",
            "wgt",
            "main",
            "curated",
            "_u_",
            "_",
            "u",
            "content",
            ".",
            "faq",
            "-",
            "a",
            "1",
            "A",
            "é",
            "\0",
            " ",
            "\n"
        )
        .ArrayOf()
        .Select(parts => (parts.Length > 0 && parts[0].Length % 2 == 0 ? "" : "wgt_") + string.Concat(parts));

    private static readonly Gen<string> _keys = Gen.Elements("a", "faq", "2024", "x9", "main", "curated", "u")
        .NonEmptyListOf()
        .Select(words => string.Join('-', words))
        .Where(key => key.Length <= PublicId.MaxKeyLength);

    private static readonly Gen<WidgetType> _types = Gen.Elements("a", "content", "faq", "x9", "main", "curated", "u")
        .NonEmptyListOf()
        .Select(words => string.Join('.', words))
        .Where(type => WidgetType.TryParse(type, out _))
        .Select(WidgetType.Parse);

    private static readonly Gen<PublicId> _ids = Gen.OneOf(
        _types.Select(type => (PublicId)new PublicId.Baseline(type)),
        _keys.Select(key => (PublicId)new PublicId.Curated(key)),
        _types.SelectMany(type => _keys.Select(key => (PublicId)new PublicId.User(type, key)))
    );

    [Theory]
    [InlineData("wgt_main_content.faq", typeof(PublicId.Baseline))]
    [InlineData("wgt_main_u", typeof(PublicId.Baseline))]
    [InlineData("wgt_curated_spring-sale", typeof(PublicId.Curated))]
    [InlineData("wgt_curated_2024", typeof(PublicId.Curated))]
    [InlineData("wgt_curated_main", typeof(PublicId.Curated))]
    [InlineData("wgt_content.faq_u_a1-b2", typeof(PublicId.User))]
    [InlineData("wgt_u_u_u", typeof(PublicId.User))]
    [InlineData("wgt_main.x_u_1", typeof(PublicId.User))]
    public void Each_form_is_read_and_printed_back(string text, Type form)
    {
        var id = PublicId.Parse(text);
        id.ShouldBeOfType(form);
        id.ToString().ShouldBe(text);
    }

    [Fact]
    public void A_bare_type_is_read_as_its_baseline()
    {
        var id = PublicId.Parse("wgt_content.faq");
        id.ShouldBe(new PublicId.Baseline(WidgetType.Parse("content.faq")));
        id.ToString().ShouldBe("wgt_main_content.faq");
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("wgt_")]
    [InlineData("wgt_main")]
    [InlineData("wgt_main_")]
    [InlineData("wgt_main_main")]
    [InlineData("wgt_main_curated")]
    [InlineData("wgt_main_content_faq")]
    [InlineData("wgt_main_u_x")]
    [InlineData("wgt_curated")]
    [InlineData("wgt_curated_")]
    [InlineData("wgt_curated_a_b")]
    [InlineData("wgt_curated_u_x")]
    [InlineData("wgt_curated_a--b")]
    [InlineData("wgt_curated_-a")]
    [InlineData("wgt_curated_a-")]
    [InlineData("wgt_curated_A")]
    [InlineData("wgt_content.faq_u_")]
    [InlineData("wgt_content.faq_u_a_b")]
    [InlineData("wgt__u_x")]
    [InlineData("wgt_content._u_x")]
    [InlineData("wgt_9_u_x")]
    [InlineData("WGT_main_content.faq")]
    [InlineData(" wgt_main_content.faq")]
    [InlineData("wgt_main_content.faq\n")]
    [InlineData("wgt_main_cоntent.faq")]
    [InlineData("wgt_curated_１")]
    public void Anything_else_is_refused(string? text)
    {
        PublicId.TryParse(text, out var id).ShouldBeFalse();
        id.ShouldBeNull();
    }

    [Fact]
    public void Lengths_are_limited()
    {
        var type = new string('t', WidgetType.MaxLength);
        var key = new string('k', PublicId.MaxKeyLength);
        var longest = $"wgt_{type}_u_{key}";
        longest.Length.ShouldBe(PublicId.MaxLength);
        PublicId.Parse(longest).ToString().ShouldBe(longest);
        PublicId.TryParse($"wgt_{type}t_u_k", out _).ShouldBeFalse();
        PublicId.TryParse($"wgt_t_u_{key}k", out _).ShouldBeFalse();
        PublicId.TryParse($"wgt_curated_{key}k", out _).ShouldBeFalse();
        PublicId.TryParse($"wgt_main_{type}t", out _).ShouldBeFalse();
    }

    [Fact]
    public void An_id_cannot_be_made_from_parts_that_would_not_parse()
    {
        Should.Throw<FormatException>(() => new PublicId.Curated("a_b"));
        Should.Throw<FormatException>(() => new PublicId.User(WidgetType.Parse("a"), ""));
        Should.Throw<InvalidOperationException>(() => new PublicId.Baseline(default));
    }

    [Fact]
    public void Parsing_what_was_printed_gives_the_same_id() =>
        Prop.ForAll(_ids.ToArbitrary(), id => PublicId.Parse(id.ToString()) == id).QuickCheckThrowOnFailure();

    [Fact]
    public void Printing_what_was_parsed_gives_the_same_text() =>
        Prop.ForAll(
                Gen.OneOf(_nearlyIds, _ids.Select(id => id.ToString())).ToArbitrary(),
                text =>
                    !PublicId.TryParse(text, out var id) || id.ToString() == text || $"{id}" == $"wgt_main_{text[4..]}"
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(5_000));

    [Fact]
    public void No_text_has_two_readings_and_the_parser_agrees_with_the_grammar() =>
        Prop.ForAll(
                Gen.OneOf(_nearlyIds, _ids.Select(id => id.ToString())).ToArbitrary(),
                text =>
                {
                    if (text.Length > PublicId.MaxKeyLength)
                        return true;
                    var readings = _forms
                        .Where(form =>
                            form.Pattern.Match(text) is { Success: true } match
                            && match.Groups["type"].Value is not ("main" or "curated")
                        )
                        .Select(form => form.Type)
                        .ToArray();
                    var read = PublicId.TryParse(text, out var id) ? id.GetType() : null;
                    return readings.Length <= 1 && read == readings.FirstOrDefault();
                }
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(5_000));

    [Fact]
    public void Garbage_never_throws() =>
        Prop.ForAll<string>(text =>
                PublicId.TryParse(text, out _) || !PublicId.TryParse("wgt_" + text, out var id) || id is not null
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(2_000));
}
