using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using Platen.Kernel.Json;

namespace Platen.Kernel.Tests.Json;

public sealed class CanonicalJsonTests
{
    [Theory]
    [InlineData(" null ", "null")]
    [InlineData("[ ]", "[]")]
    [InlineData("{\t}", "{}")]
    [InlineData("[1, true,\nfalse , {\"b\" : [ ] , \"a\":{}}]", "[1,true,false,{\"a\":{},\"b\":[]}]")]
    [InlineData("""{"b":1,"a":{"d":1,"c":2},"":0}""", """{"":0,"a":{"c":2,"d":1},"b":1}""")]
    [InlineData("""{"10":0,"9":0,"aa":0,"a":0}""", """{"10":0,"9":0,"a":0,"aa":0}""")]
    [InlineData("""{"a.12345678":1,"a.12345677":2}""", """{"a.12345677":2,"a.12345678":1}""")]
    [InlineData("""["\u0041\/\u00e9\u20ac\ud83d\ude00"]""", "[\"A/é€😀\"]")]
    [InlineData(
        """["\u0000\u0008\u0009\u000a\u000b\u000C\u000d\u001F\u0022\u005c\u007f"]""",
        "[\"\\u0000\\b\\t\\n\\u000b\\f\\r\\u001f\\\"\\\\\u007f\"]"
    )]
    [InlineData("[-0,-0.0,0.0,1.0,10e-1,1E2]", "[0,0,0,1,1,100]")]
    [InlineData("[1e-400,-1e-400]", "[0,0]")]
    public void A_value_has_one_text(string json, string canonical) => Canonical(json).ShouldBe(canonical);

    // RFC 8785, section 3.2.3.
    [Fact]
    public void Keys_are_ordered_by_their_utf16_code_units() =>
        Canonical(
                """{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"""
            )
            .ShouldBe(
                "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u0080\":\"Control\",\"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\"\ufb33\":\"Hebrew Letter Dalet With Dagesh\"}"
            );

    // RFC 8785, section 3.2.2.
    [Fact]
    public void The_example_of_the_specification_gives_its_bytes()
    {
        const string input = """
            {
              "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
              "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
              "literals": [null, true, false]
            }
            """;
        Canonical(input)
            .ShouldBe(
                "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
                    + "\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"
            );
    }

    [Theory]
    [InlineData("""{"a":1,"b":2,"a":3}""", CanonicalJsonFault.DuplicateKey, 13)]
    [InlineData("""{"b":1,"b":1,"a":1,"a":1}""", CanonicalJsonFault.DuplicateKey, 7)]
    [InlineData("""[{"a":1,"\u0061":3}]""", CanonicalJsonFault.DuplicateKey, 8)]
    [InlineData("""{"x":{"":1,"":2}}""", CanonicalJsonFault.DuplicateKey, 11)]
    [InlineData("""["a\ud800"]""", CanonicalJsonFault.LoneSurrogate, 3)]
    [InlineData("""["\udc00"]""", CanonicalJsonFault.LoneSurrogate, 2)]
    [InlineData("""["\ud800\u0041"]""", CanonicalJsonFault.LoneSurrogate, 2)]
    [InlineData("""["\ud800\ud800"]""", CanonicalJsonFault.LoneSurrogate, 2)]
    [InlineData("""{"\ud800":1}""", CanonicalJsonFault.LoneSurrogate, 2)]
    [InlineData("[1e400]", CanonicalJsonFault.NumberOutOfRange, 1)]
    [InlineData("[-1.8e308]", CanonicalJsonFault.NumberOutOfRange, 1)]
    [InlineData("[9007199254740993]", CanonicalJsonFault.IntegerLosesDigits, 1)]
    [InlineData("[0,-9007199254740993]", CanonicalJsonFault.IntegerLosesDigits, 3)]
    [InlineData("[295147905179352825856]", CanonicalJsonFault.IntegerLosesDigits, 1)]
    [InlineData("\uFEFF1", CanonicalJsonFault.InvalidUtf8, 0)]
    [InlineData("NaN", CanonicalJsonFault.Syntax, 0)]
    [InlineData("[Infinity]", CanonicalJsonFault.Syntax, 1)]
    [InlineData("-Infinity", CanonicalJsonFault.Syntax, 1)]
    [InlineData("", CanonicalJsonFault.Syntax, 0)]
    [InlineData("  ", CanonicalJsonFault.Syntax, 2)]
    [InlineData("1 2", CanonicalJsonFault.Syntax, 2)]
    [InlineData("[1,]", CanonicalJsonFault.Syntax, 3)]
    [InlineData("{\"a\":1,}", CanonicalJsonFault.Syntax, 7)]
    [InlineData("{a:1}", CanonicalJsonFault.Syntax, 1)]
    [InlineData("{\"a\" 1}", CanonicalJsonFault.Syntax, 5)]
    [InlineData("[01]", CanonicalJsonFault.Syntax, 2)]
    [InlineData("[.5]", CanonicalJsonFault.Syntax, 1)]
    [InlineData("[5.]", CanonicalJsonFault.Syntax, 3)]
    [InlineData("[1e]", CanonicalJsonFault.Syntax, 3)]
    [InlineData("[+1]", CanonicalJsonFault.Syntax, 1)]
    [InlineData("[\"a", CanonicalJsonFault.Syntax, 3)]
    [InlineData("[\"\\", CanonicalJsonFault.Syntax, 3)]
    [InlineData("[\"\\x\"]", CanonicalJsonFault.Syntax, 3)]
    [InlineData("[\"\\u12g4\"]", CanonicalJsonFault.Syntax, 6)]
    [InlineData("[\"a\nb\"]", CanonicalJsonFault.Syntax, 3)]
    [InlineData("tru", CanonicalJsonFault.Syntax, 0)]
    [InlineData("/**/1", CanonicalJsonFault.Syntax, 0)]
    [InlineData("\u00a01", CanonicalJsonFault.Syntax, 0)]
    public void What_has_no_canonical_form_is_refused_where_it_stands(
        string json,
        CanonicalJsonFault fault,
        int position
    )
    {
        var bytes = Encoding.UTF8.GetBytes(json);
        var output = new ArrayBufferWriter<byte>();
        var refused = Should.Throw<CanonicalJsonException>(() => CanonicalJson.Serialize(bytes, output));
        (refused.Fault, refused.BytePosition).ShouldBe((fault, position));
        output.WrittenCount.ShouldBe(0);
        Should
            .Throw<CanonicalJsonException>(() => CanonicalJson.Sha256(bytes, new byte[32]))
            .BytePosition.ShouldBe(position);
    }

    [Theory]
    [InlineData(new byte[] { 0x22, 0x61, 0xff, 0x22 }, 2)]
    [InlineData(new byte[] { 0x22, 0xc0, 0x80, 0x22 }, 1)]
    [InlineData(new byte[] { 0x22, 0xed, 0xa0, 0x80, 0x22 }, 1)]
    [InlineData(new byte[] { 0x22, 0xc3, 0xa9, 0xe2, 0x82, 0x22 }, 3)]
    public void Invalid_utf8_is_refused_where_it_stands(byte[] json, int position)
    {
        var refused = Should.Throw<CanonicalJsonException>(() => CanonicalJson.Serialize(json));
        (refused.Fault, refused.BytePosition).ShouldBe((CanonicalJsonFault.InvalidUtf8, position));
    }

    [Fact]
    public void Nesting_has_a_limit()
    {
        var deepest = new string('[', CanonicalJson.MaxDepth) + new string(']', CanonicalJson.MaxDepth);
        Canonical(deepest).ShouldBe(deepest);
        var refused = Should.Throw<CanonicalJsonException>(() => Canonical($"[{deepest}]"));
        (refused.Fault, refused.BytePosition).ShouldBe((CanonicalJsonFault.TooDeep, CanonicalJson.MaxDepth));
        Should
            .Throw<CanonicalJsonException>(() => Canonical(string.Concat(Enumerable.Repeat("{\"a\":[", 100_000))))
            .Fault.ShouldBe(CanonicalJsonFault.TooDeep);
    }

    [Theory]
    [InlineData("9007199254740992")]
    [InlineData("9007199254740994")]
    [InlineData("-9007199254740991")]
    [InlineData("295147905179352830000")]
    [InlineData("100000000000000000000")]
    public void Large_integers_that_keep_their_digits_are_accepted(string text) => Canonical(text).ShouldBe(text);

    [Fact]
    public void Large_integers_that_are_printed_with_an_exponent_are_accepted() =>
        Canonical("1" + new string('0', 23)).ShouldBe("1e+23");

    [Fact]
    public void An_element_and_its_text_have_the_same_form()
    {
        using var document = JsonDocument.Parse("""{"outer": {"b": 1.50, "a": [ "\u0041" ]}}""");
        var inner = document.RootElement.GetProperty("outer");
        Encoding.UTF8.GetString(CanonicalJson.Serialize(inner)).ShouldBe("""{"a":["A"],"b":1.5}""");
        var hash = new byte[CanonicalJson.Sha256Bytes];
        CanonicalJson.Sha256(inner, hash);
        hash.ShouldBe(SHA256.HashData("""{"a":["A"],"b":1.5}"""u8));
    }

    [Fact]
    public void An_element_with_a_duplicate_key_is_refused()
    {
        using var document = JsonDocument.Parse("""{"a":1,"a":2}""");
        Should
            .Throw<CanonicalJsonException>(() => CanonicalJson.Serialize(document.RootElement))
            .Fault.ShouldBe(CanonicalJsonFault.DuplicateKey);
        Should.Throw<InvalidOperationException>(() => CanonicalJson.Serialize(default(JsonElement)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(100)]
    [InlineData(5_000)]
    public void The_hash_is_that_of_the_whole_text(int members)
    {
        var json = new JsonObject();
        for (var i = members; i > 0; i--)
            json[$"key{i}"] = new JsonArray(i / 7.0, new string('x', i % 97), i);
        var bytes = Encoding.UTF8.GetBytes(json.ToJsonString());
        var hash = new byte[CanonicalJson.Sha256Bytes];
        CanonicalJson.Sha256(bytes, hash);
        hash.ShouldBe(SHA256.HashData(CanonicalJson.Serialize(bytes)));
        Should.Throw<ArgumentException>(() => CanonicalJson.Sha256(bytes, new byte[31]));
    }

    [Fact]
    public void Canonical_text_is_its_own_canonical_form() =>
        Prop.ForAll(JsonValues.Any, value => Canonical(Canonical(value.Text)) == Canonical(value.Text))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(1_000));

    [Fact]
    public void Equal_values_have_equal_bytes() =>
        Prop.ForAll(
                JsonValues.Any.Generator.Zip(Gen.Choose(0, int.MaxValue)).ToArbitrary(),
                pair => Canonical(JsonValues.Respell(pair.Item1.Text, pair.Item2)) == Canonical(pair.Item1.Text)
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(1_000));

    [Fact]
    public void Parsing_the_canonical_text_gives_the_value() =>
        Prop.ForAll(
                JsonValues.Any,
                value =>
                {
                    using var canonical = JsonDocument.Parse(Canonical(value.Text));
                    using var original = JsonDocument.Parse(value.Text);
                    return Same(canonical.RootElement, original.RootElement);
                }
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(1_000));

    [Fact]
    public void Keys_of_every_canonical_object_ascend() =>
        Prop.ForAll(
                JsonValues.Any,
                value =>
                {
                    using var document = JsonDocument.Parse(Canonical(value.Text));
                    return Ascends(document.RootElement);
                }
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(1_000));

    [Fact]
    public void Garbage_is_refused_and_nothing_else_is_thrown() =>
        Prop.ForAll<byte[]>(bytes => Refuses(bytes) || Refuses([.. "{\"a\":"u8, .. bytes]) || true)
            .Check(Config.QuickThrowOnFailure.WithMaxTest(3_000));

    [Fact]
    public void Whatever_is_accepted_is_json_and_damaged_json_never_throws_anything_else() =>
        Prop.ForAll(
                JsonValues.Any.Generator.Zip(Gen.Choose(0, int.MaxValue)).ToArbitrary(),
                pair =>
                {
                    var bytes = Encoding.UTF8.GetBytes(pair.Item1.Text);
                    var random = new Random(pair.Item2);
                    bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
                    if (Refuses(bytes))
                        return true;
                    using var document = JsonDocument.Parse(bytes);
                    return true;
                }
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(3_000));

    private static bool Same(JsonElement a, JsonElement b) =>
        a.ValueKind == b.ValueKind
        && a.ValueKind switch
        {
            // Doubles are compared, because the original may spell one with more digits than it needs.
            JsonValueKind.Number => a.GetDouble().Equals(b.GetDouble() + 0.0),
            JsonValueKind.String => string.Equals(a.GetString(), b.GetString(), StringComparison.Ordinal),
            JsonValueKind.Array => a.GetArrayLength() == b.GetArrayLength()
                && a.EnumerateArray().Zip(b.EnumerateArray()).All(pair => Same(pair.First, pair.Second)),
            JsonValueKind.Object => a.GetPropertyCount() == b.GetPropertyCount()
                && a.EnumerateObject().All(member => Same(member.Value, b.GetProperty(member.Name))),
            _ => true,
        };

    private static bool Ascends(JsonElement value) =>
        value.ValueKind switch
        {
            JsonValueKind.Array => value.EnumerateArray().All(Ascends),
            JsonValueKind.Object => value
                .EnumerateObject()
                .Zip(value.EnumerateObject().Skip(1))
                .All(pair => string.CompareOrdinal(pair.First.Name, pair.Second.Name) < 0)
                && value.EnumerateObject().All(member => Ascends(member.Value)),
            _ => true,
        };

    private static bool Refuses(byte[] bytes)
    {
        try
        {
            CanonicalJson.Serialize(bytes);
            return false;
        }
        catch (CanonicalJsonException refused)
        {
            return refused.BytePosition >= 0 && refused.BytePosition <= bytes.Length;
        }
    }

    private static string Canonical(string json)
    {
        var output = new ArrayBufferWriter<byte>();
        CanonicalJson.Serialize(Encoding.UTF8.GetBytes(json), output);
        return Encoding.UTF8.GetString(output.WrittenSpan);
    }
}
