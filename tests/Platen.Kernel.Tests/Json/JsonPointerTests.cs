using System.Text.Json;
using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using Platen.Kernel.Json;

namespace Platen.Kernel.Tests.Json;

public sealed class JsonPointerTests
{
    // RFC 6901, section 5.
    [Theory]
    [InlineData("/foo", """["bar","baz"]""")]
    [InlineData("/foo/0", "\"bar\"")]
    [InlineData("/", "0")]
    [InlineData("/a~1b", "1")]
    [InlineData("/c%d", "2")]
    [InlineData("/e^f", "3")]
    [InlineData("/g|h", "4")]
    [InlineData("/i\\j", "5")]
    [InlineData("/k\"l", "6")]
    [InlineData("/ ", "7")]
    [InlineData("/m~0n", "8")]
    public void The_examples_of_the_specification_are_read(string text, string value)
    {
        using var document = JsonDocument.Parse(
            """{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}"""
        );
        JsonPointer.Parse(text).TryGet(document.RootElement, out var found).ShouldBeTrue();
        found.GetRawText().ShouldBe(value);
        JsonPointer.Parse(text).TryGet(JsonNode.Parse(document.RootElement.GetRawText()), out var node).ShouldBeTrue();
        node!.ToJsonString().ShouldBe(value);
        JsonPointer.Parse("").TryGet(document.RootElement, out var root).ShouldBeTrue();
        root.ShouldBe(document.RootElement);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("foo")]
    [InlineData("#/foo")]
    [InlineData("/~")]
    [InlineData("/~2")]
    [InlineData("/a~/b")]
    public void Anything_else_is_refused(string? text) => JsonPointer.TryParse(text, out _).ShouldBeFalse();

    [Fact]
    public void An_escaped_tilde_before_a_one_stays_a_tilde() => JsonPointer.Parse("/~01").Tokens.ShouldBe(["~1"]);

    [Fact]
    public void Depth_and_length_are_limited()
    {
        var deepest = string.Concat(Enumerable.Repeat("/a", JsonPointer.MaxDepth));
        Should.Throw<InvalidOperationException>(() => JsonPointer.Parse(deepest).Append("a"));
        JsonPointer.TryParse(deepest + "/a", out _).ShouldBeFalse();
        JsonPointer.TryParse("/" + new string('a', JsonPointer.MaxLength - 1), out _).ShouldBeTrue();
        JsonPointer.TryParse("/" + new string('a', JsonPointer.MaxLength), out _).ShouldBeFalse();
    }

    [Theory]
    [InlineData("/a/01")]
    [InlineData("/a/-1")]
    [InlineData("/a/+1")]
    [InlineData("/a/1e0")]
    [InlineData("/a/-")]
    [InlineData("/a/2")]
    [InlineData("/a/99999999999")]
    [InlineData("/a/")]
    [InlineData("/b")]
    [InlineData("/A")]
    [InlineData("/a/0/x")]
    public void A_missing_value_is_not_found(string text)
    {
        using var document = JsonDocument.Parse("""{"a":[1,2]}""");
        JsonPointer.Parse(text).TryGet(document.RootElement, out _).ShouldBeFalse();
        JsonPointer.Parse(text).TryGet(JsonNode.Parse("""{"a":[1,2]}"""), out _).ShouldBeFalse();
    }

    [Theory]
    [InlineData("set", "/o/k", """{"o":{"k":9},"a":[1,2],"s":"x","n":null}""", JsonPointerOutcome.Done)]
    [InlineData("set", "/o/new", """{"o":{"k":0,"new":9},"a":[1,2],"s":"x","n":null}""", JsonPointerOutcome.Done)]
    [InlineData("set", "/a/1", """{"o":{"k":0},"a":[1,9],"s":"x","n":null}""", JsonPointerOutcome.Done)]
    [InlineData("set", "/a/2", null, JsonPointerOutcome.OutOfRange)]
    [InlineData("set", "/a/-", null, JsonPointerOutcome.OutOfRange)]
    [InlineData("set", "/a/x", null, JsonPointerOutcome.NotAContainer)]
    [InlineData("set", "/x/y", null, JsonPointerOutcome.NotFound)]
    [InlineData("set", "/s/y", null, JsonPointerOutcome.NotAContainer)]
    [InlineData("set", "/n/y", null, JsonPointerOutcome.NotAContainer)]
    [InlineData("set", "", null, JsonPointerOutcome.IsRoot)]
    [InlineData("add", "/a/0", """{"o":{"k":0},"a":[9,1,2],"s":"x","n":null}""", JsonPointerOutcome.Done)]
    [InlineData("add", "/a/2", """{"o":{"k":0},"a":[1,2,9],"s":"x","n":null}""", JsonPointerOutcome.Done)]
    [InlineData("add", "/a/-", """{"o":{"k":0},"a":[1,2,9],"s":"x","n":null}""", JsonPointerOutcome.Done)]
    [InlineData("add", "/a/3", null, JsonPointerOutcome.OutOfRange)]
    [InlineData("add", "/o/k", """{"o":{"k":9},"a":[1,2],"s":"x","n":null}""", JsonPointerOutcome.Done)]
    [InlineData("remove", "/o/k", """{"o":{},"a":[1,2],"s":"x","n":null}""", JsonPointerOutcome.Done)]
    [InlineData("remove", "/n", """{"o":{"k":0},"a":[1,2],"s":"x"}""", JsonPointerOutcome.Done)]
    [InlineData("remove", "/a/0", """{"o":{"k":0},"a":[2],"s":"x","n":null}""", JsonPointerOutcome.Done)]
    [InlineData("remove", "/a/2", null, JsonPointerOutcome.OutOfRange)]
    [InlineData("remove", "/o/x", null, JsonPointerOutcome.NotFound)]
    [InlineData("remove", "", null, JsonPointerOutcome.IsRoot)]
    public void Writing_follows_the_rules_of_arrays(
        string verb,
        string text,
        string? expected,
        JsonPointerOutcome outcome
    )
    {
        const string before = """{"o":{"k":0},"a":[1,2],"s":"x","n":null}""";
        var document = JsonNode.Parse(before);
        var pointer = JsonPointer.Parse(text);
        var came = verb switch
        {
            "set" => pointer.Set(document, JsonValue.Create(9)),
            "add" => pointer.Add(document, JsonValue.Create(9)),
            _ => pointer.Remove(document),
        };
        came.ShouldBe(outcome);
        document!.ToJsonString().ShouldBe(expected ?? before);
    }

    [Fact]
    public void An_array_does_not_grow_without_end()
    {
        var items = new JsonArray([
            .. Enumerable.Range(0, JsonPointer.MaxArrayLength).Select(i => JsonValue.Create(i)),
        ]);
        JsonPointer.Parse("/-").Add(items, 1).ShouldBe(JsonPointerOutcome.ArrayTooLong);
        JsonPointer.Parse("/0").Set(items, 1).ShouldBe(JsonPointerOutcome.Done);
    }

    [Fact]
    public void Printing_and_parsing_are_inverse() =>
        Prop.ForAll<NonNull<string>[]>(names =>
                names.Aggregate(JsonPointer.Root, (pointer, name) => pointer.Append(name.Get)) is var pointer
                && JsonPointer.Parse(pointer.ToString()).Equals(pointer)
            )
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Garbage_never_throws_and_what_parses_prints_the_same() =>
        Prop.ForAll(
                Gen.Elements("/", "~", "~0", "~1", "a", "0", "-", "é", "\0")
                    .ArrayOf()
                    .Select(string.Concat)
                    .ToArbitrary(),
                text => !JsonPointer.TryParse(text, out var pointer) || pointer.ToString() == text
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(3_000));
}
