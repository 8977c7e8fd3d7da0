using System.Text;
using FsCheck;
using FsCheck.Fluent;

namespace Platen.Cli.Tests;

public sealed class InstanceFileTests
{
    [Fact]
    public void A_file_is_read_with_its_overlays()
    {
        var file = Parse(
            """
            {
              "publicId": "wgt_main_content.faq", "widgetType": "content.faq", "status": "published",
              "config": { "items": [ { "question": "Why?" } ] },
              "locales": { "de": [ { "op": "set", "path": "/items/0/question", "value": "Warum?" }, { "op": "remove", "path": "/x" } ] }
            }
            """
        );

        file.Id.ToString().ShouldBe("wgt_main_content.faq");
        file.Content.WidgetType.ShouldBe("content.faq");
        file.Content.BaseLocale.ShouldBeNull();
        file.Overlays.Single().Locale.ShouldBe("de");
        file.Overlays.Single().Overlay.Ops.Select(op => op.Op).ShouldBe(["set", "remove"]);
        file.PlaceOf("/config/items/0/question").ShouldBe("f.json:3:28 /config/items/0/question");
        file.PlaceOf("/config/items/0/answer").ShouldBe("f.json:3:26 /config/items/0/answer");
    }

    [Fact]
    public void Every_fault_is_reported_with_its_line()
    {
        var refused = Should.Throw<CliException>(() =>
            Parse(
                """
                {
                  "publicId": "faq",
                  "widgetType": "Content",
                  "status": "live",
                  "extra": 1,
                  "config": [],
                  "locales": { "de": [ { "op": "move", "path": "/a" } ], "fr": {} }
                }
                """
            )
        );

        refused.ExitCode.ShouldBe(ExitCode.Usage);
        refused
            .Faults.Select(fault => fault.Place)
            .ShouldBe(
                [
                    "f.json:5:3 /extra",
                    "f.json:2:3 /publicId",
                    "f.json:3:3 /widgetType",
                    "f.json:4:3 /status",
                    "f.json:6:3 /config",
                    "f.json:7:24 /locales/de/0",
                    "f.json:7:58 /locales/fr",
                ],
                ignoreOrder: true
            );
    }

    [Theory]
    [InlineData("{\n  \"a\": 1,\n  \"a\": 2\n}", "f.json:3:3", "twice")]
    [InlineData("{\n  \"a\": 1,\n}", "f.json:3:1", "")]
    [InlineData("{ // no\n}", "f.json:1:3", "")]
    [InlineData("", "f.json:1:1", "")]
    [InlineData("{\"a\":\"\\ud800\"}", "f.json:1:6", "surrogate")]
    [InlineData("{} {}", "f.json:1:4", "")]
    public void What_is_not_strict_JSON_is_refused_at_its_place(string text, string place, string message)
    {
        var refused = Should.Throw<CliException>(() => Parse(text));

        refused.ExitCode.ShouldBe(ExitCode.Usage);
        refused.Faults.Single().Place.ShouldBe(place);
        refused.Faults.Single().Message.ShouldContain(message);
    }

    [Fact]
    public void Bytes_that_are_not_UTF_8_are_refused_at_their_place()
    {
        byte[] text = [.. "{\n\"a\":\""u8, 0xff, .. "\"}"u8];

        Should
            .Throw<CliException>(() => InstanceFile.Parse(text, "f.json"))
            .Faults.Single()
            .Place.ShouldBe("f.json:2:6");
    }

    [Fact]
    public void Ten_thousand_levels_are_refused()
    {
        var deep = new string('[', 10_000);

        Should.Throw<CliException>(() => Parse(deep)).ExitCode.ShouldBe(ExitCode.Usage);
    }

    [Fact]
    public void Any_text_is_read_or_refused_with_2()
    {
        Prop.ForAll<string>(text => ReadsOrRefuses(text ?? "")).QuickCheckThrowOnFailure();
        Prop.ForAll(
                Gen.ArrayOf(Gen.Elements("{", "}", "[", "]", ",", ":", "\"a\"", "\"config\"", "1", "null", "\n", "\\"))
                    .ToArbitrary(),
                parts => ReadsOrRefuses(string.Concat(parts))
            )
            .QuickCheckThrowOnFailure();
    }

    private static bool ReadsOrRefuses(string text)
    {
        try
        {
            return Parse(text).Id is not null;
        }
        catch (CliException e)
        {
            return e.ExitCode == ExitCode.Usage && e.Faults.Count > 0;
        }
    }

    private static InstanceFile Parse(string text) => InstanceFile.Parse(Encoding.UTF8.GetBytes(text), "f.json");
}
