using System.Text;
using System.Text.Json;
using FsCheck.Fluent;
using Platen.Kernel.Schemas;

namespace Platen.Kernel.Tests.Schemas;

public sealed class JsonSchemaTests
{
    private static JsonSchema Compile(string schema, bool assertFormat = false, SchemaRegistry? registry = null) =>
        JsonSchema.Compile(Encoding.UTF8.GetBytes(schema), new SchemaOptions { AssertFormat = assertFormat }, registry);

    private static SchemaResult Validate(string schema, string instance, bool assertFormat = false) =>
        Compile(schema, assertFormat).Validate((ReadOnlyMemory<byte>)Encoding.UTF8.GetBytes(instance));

    // schema, an instance it accepts, one it refuses, the keyword that refuses
    [Theory]
    [InlineData("""{"type":"integer"}""", "1.0", "1.5", "type")]
    [InlineData("""{"type":["null","string"]}""", "null", "1", "type")]
    [InlineData("""{"enum":[1,{"a":[1.0]}]}""", """{"a":[1]}""", "2", "enum")]
    [InlineData("""{"const":{"a":1,"b":2}}""", """{"b":2.0,"a":10e-1}""", """{"a":1}""", "const")]
    [InlineData("""{"multipleOf":0.01}""", "4.35", "4.355", "multipleOf")]
    [InlineData("""{"multipleOf":0.1}""", "0.3", "0.35", "multipleOf")]
    [InlineData("""{"minimum":1e400}""", "1e401", "1e399", "minimum")]
    [InlineData("""{"exclusiveMinimum":0.3}""", "0.30000000000000004", "0.3", "exclusiveMinimum")]
    [InlineData("""{"maximum":9007199254740992}""", "9007199254740992", "9007199254740993", "maximum")]
    [InlineData("""{"exclusiveMaximum":-1}""", "-1.1", "-1", "exclusiveMaximum")]
    [InlineData("""{"minLength":2}""", "\"😀a\"", "\"😀\"", "minLength")]
    [InlineData("""{"maxLength":1}""", "\"😀\"", "\"ab\"", "maxLength")]
    [InlineData("""{"pattern":"^a+$"}""", "\"aa\"", "\"aa\\n\"", "pattern")]
    [InlineData("""{"minItems":1}""", "[1]", "[]", "minItems")]
    [InlineData("""{"maxItems":1.0}""", "[1]", "[1,2]", "maxItems")]
    [InlineData("""{"uniqueItems":true}""", "[1,true,\"1\"]", "[{\"a\":1,\"b\":2},{\"b\":2,\"a\":1.0}]", "uniqueItems")]
    [InlineData("""{"contains":{"const":1}}""", "[2,1]", "[2]", "contains")]
    [InlineData("""{"contains":true,"maxContains":1}""", "[2]", "[2,3]", "maxContains")]
    [InlineData("""{"contains":true,"minContains":2}""", "[2,3]", "[2]", "minContains")]
    [InlineData("""{"prefixItems":[{"type":"null"}],"items":false}""", "[null]", "[null,1]", "items")]
    [InlineData("""{"required":["a"]}""", """{"\u0061":1}""", "{}", "required")]
    [InlineData("""{"minProperties":1}""", """{"a":1}""", "{}", "minProperties")]
    [InlineData("""{"maxProperties":0}""", "{}", """{"a":1}""", "maxProperties")]
    [InlineData("""{"dependentRequired":{"a":["b"]}}""", """{"b":1}""", """{"a":1}""", "dependentRequired")]
    [InlineData("""{"dependentSchemas":{"a":{"required":["b"]}}}""", "{}", """{"a":1}""", "required")]
    [InlineData("""{"dependencies":{"a":["b"]}}""", "{}", """{"a":1}""", "dependencies")]
    [InlineData("""{"propertyNames":{"maxLength":1}}""", """{"a":1}""", """{"ab":1}""", "propertyNames")]
    [InlineData("""{"patternProperties":{"^a":{"type":"null"}}}""", """{"ab":null}""", """{"ab":1}""", "type")]
    [InlineData(
        """{"properties":{"a":true},"additionalProperties":false}""",
        """{"a":1}""",
        """{"b":1}""",
        "additionalProperties"
    )]
    [InlineData("""{"not":{"type":"null"}}""", "1", "null", "not")]
    [InlineData("""{"anyOf":[{"type":"null"},{"minimum":1}]}""", "1", "0", "anyOf")]
    [InlineData("""{"oneOf":[{"minimum":1},{"minimum":2}]}""", "1", "2", "oneOf")]
    [InlineData("""{"if":{"minimum":5},"then":{"multipleOf":5},"else":{"multipleOf":2}}""", "4", "3", "multipleOf")]
    [InlineData(
        """{"allOf":[{"properties":{"a":true}}],"unevaluatedProperties":false}""",
        """{"a":1}""",
        """{"b":1}""",
        "unevaluatedProperties"
    )]
    [InlineData("""{"contains":{"type":"null"},"unevaluatedItems":false}""", "[null]", "[null,1]", "unevaluatedItems")]
    [InlineData("""{"$ref":"#/$defs/%61~1b","$defs":{"a/b":{"type":"null"}}}""", "null", "1", "type")]
    [InlineData("""{"$ref":"#x","$defs":{"a":{"$anchor":"x","type":"null"}}}""", "null", "1", "type")]
    public void Each_keyword_accepts_and_refuses(string schema, string valid, string invalid, string keyword)
    {
        Validate(schema, valid).IsValid.ShouldBeTrue();
        var result = Validate(schema, invalid);
        result.Outcome.ShouldBe(SchemaOutcome.Invalid);
        var named =
            result.Errors[0].Keyword == "false" ? result.Errors[0].KeywordLocation : "/" + result.Errors[0].Keyword;
        named.ShouldEndWith("/" + keyword);
    }

    [Theory]
    [InlineData("date", "2024-02-29", "2023-02-29")]
    [InlineData("time", "23:59:60Z", "23:58:60Z")]
    [InlineData("date-time", "2024-01-01t00:00:00z", "2024-01-01 00:00:00Z")]
    [InlineData("duration", "P1DT2H", "P1Y2D")]
    [InlineData("email", "a.b@example.com", "a..b@example.com")]
    [InlineData("idn-email", "실례@실례.테스트", "2962")]
    [InlineData("hostname", "xn--9n2bp8q.xn--9t4b11yi5a", "xn--X")]
    [InlineData("idn-hostname", "실례。테스트", "실〮례.테스트")]
    [InlineData("ipv4", "192.0.2.1", "192.0.2.01")]
    [InlineData("ipv6", "::ffff:192.0.2.1", "::1%eth0")]
    [InlineData("uri", "https://example.com/a?b#c", "/a")]
    [InlineData("uri-reference", "a/b:c", "a\\b")]
    [InlineData("iri", "https://ƒøø.ßår/?∂éœ=πîx#πîüx", "âππ")]
    [InlineData("iri-reference", "âππ", "#ƒräg\\mênt")]
    [InlineData("uri-template", "http://e.com/{term:1}/{?q*,r}", "http://e.com/{term")]
    [InlineData("uuid", "2eb8aa08-aa98-11ea-b4aa-73b441d16380", "2eb8aa08aa9811eab4aa73b441d16380")]
    [InlineData("json-pointer", "/a~0b", "/a~b")]
    [InlineData("relative-json-pointer", "1/a", "-1/a")]
    [InlineData("regex", "^\\p{Letter}+$", "^\\Z")]
    public void Formats_assert_only_when_asked(string format, string valid, string invalid)
    {
        var schema = $$"""{"format":"{{format}}"}""";
        Validate(schema, JsonSerializer.Serialize(valid), assertFormat: true).IsValid.ShouldBeTrue();
        Validate(schema, JsonSerializer.Serialize(invalid), assertFormat: true).IsValid.ShouldBeFalse();
        Validate(schema, JsonSerializer.Serialize(invalid)).IsValid.ShouldBeTrue();
    }

    [Theory]
    [InlineData("^\\d$", "1", "৪")]
    [InlineData("^\\w$", "a", "é")]
    [InlineData("^\\s$", "\uFEFF", "\u200B")]
    [InlineData("^\\cC$", "\u0003", "C")]
    [InlineData("^🐲*$", "🐲🐲", "🐉")]
    [InlineData("^.$", "🐲", "\n")]
    [InlineData("^\\u{1F432}$", "🐲", "u")]
    [InlineData("^\\p{Script=Greek}+$", "αβγ", "abc")]
    [InlineData("^\\p{digit}+$", "৪২", "a")]
    [InlineData("^[^a]$", "🐲", "a")]
    [InlineData("^(?<x>a)\\k<x>$", "aa", "ab")]
    [InlineData("^(?:\\1(a))$", "a", "aa")]
    [InlineData("\\bfoo\\b", "a foo", "foobar")]
    [InlineData("^(?!a).$", "b", "a")]
    [InlineData("^[\\w\\-.@]+$", "a-b", "a b")]
    [InlineData("^a{2}$", "aa", "aaa")]
    [InlineData("a$", "ba", "a\n")]
    public void Patterns_mean_what_ECMA_262_says(string pattern, string match, string other)
    {
        var schema = Compile($$"""{"pattern":{{JsonSerializer.Serialize(pattern)}}}""");
        schema.IsValid(JsonSerializer.SerializeToElement(match)).ShouldBeTrue();
        schema.IsValid(JsonSerializer.SerializeToElement(other)).ShouldBeFalse();
    }

    [Fact]
    public void Faults_carry_three_locations()
    {
        var result = Validate(
            """{"$id":"https://example.com/s","properties":{"a/b":{"$ref":"#/$defs/n"}},"$defs":{"n":{"minimum":1}}}""",
            """{"a/b":0}"""
        );
        result.Errors.ShouldBe([
            new SchemaError(
                "/a~1b",
                "/properties/a~1b/$ref/minimum",
                "https://example.com/s#/$defs/n/minimum",
                "minimum",
                "Must be at least 1."
            ),
        ]);
    }

    [Fact]
    public void Every_fault_is_listed_up_to_the_limit()
    {
        var result = Validate("""{"items":{"type":"null"}}""", $"[{string.Join(',', Enumerable.Range(0, 500))}]");
        result.Errors.Count.ShouldBe(SchemaLimits.Errors);
        result.IsTruncated.ShouldBeTrue();
        var instance = JsonSerializer.SerializeToElement(new[] { 1, 2 });
        Compile("""{"items":{"type":"null"}}""").Validate(instance, SchemaOutput.First).Errors.Count.ShouldBe(1);
        Compile("""{"items":{"type":"null"}}""").Validate(instance, SchemaOutput.Flag).Errors.ShouldBeEmpty();
    }

    [Fact]
    public void Each_bundled_meta_schema_is_valid_by_the_meta_schema()
    {
        var schema = Compile($$"""{"$ref":"https://json-schema.org/draft/2020-12/schema"}""");
        SchemaRegistry.MetaSchemas.Count.ShouldBe(9);
        foreach (var uri in SchemaRegistry.MetaSchemas)
        {
            var document = Compile($$"""{"$ref":"{{uri}}"}""");
            document.IsValid(JsonSerializer.SerializeToElement(true)).ShouldBeTrue();
            document.IsValid(JsonSerializer.SerializeToElement(1)).ShouldBeFalse();
        }
        schema.IsValid(JsonSerializer.SerializeToElement(new { minLength = -1 })).ShouldBeFalse();
        var kernel = typeof(JsonSchema).Assembly;
        var bundled = kernel
            .GetManifestResourceNames()
            .Where(name => name.StartsWith("json-schema/", StringComparison.Ordinal))
            .ToList();
        bundled.Count.ShouldBe(9);
        foreach (var name in bundled)
        {
            using var document = JsonDocument.Parse(kernel.GetManifestResourceStream(name)!);
            schema.Validate(document.RootElement).Errors.ShouldBeEmpty(name);
        }
    }

    [Theory]
    [InlineData("""{"type":"text"}""")]
    [InlineData("""{"$ref":"#/$defs/a"}""")]
    [InlineData("""{"$ref":"https://example.com/other"}""")]
    [InlineData("""{"$ref":"#"}""")]
    [InlineData("""{"allOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"anyOf":[true,{"$ref":"#"}]}}}""")]
    [InlineData("""{"pattern":"(a"}""")]
    [InlineData("""{"$schema":"https://example.com/unknown"}""")]
    [InlineData("""{"a":1,"a":2}""")]
    [InlineData("""[]""")]
    [InlineData("""{""")]
    public void Unusable_schemas_are_refused_when_compiled(string schema) =>
        Should.Throw<SchemaCompileException>(() => Compile(schema)).Reason.ShouldNotBeEmpty();

    [Fact]
    public void A_deep_schema_is_refused()
    {
        var schema = string.Concat(Enumerable.Repeat("""{"not":""", 100_000)) + "true" + new string('}', 100_000);
        Should.Throw<SchemaCompileException>(() => Compile(schema));
    }

    [Fact]
    public void A_deep_instance_is_abandoned_and_not_a_crash()
    {
        var schema = Compile("""{"items":{"$ref":"#"},"uniqueItems":true}""");
        var deep = Encoding.UTF8.GetBytes(new string('[', 100_000) + new string(']', 100_000));
        schema.Validate((ReadOnlyMemory<byte>)deep).Outcome.ShouldBe(SchemaOutcome.Abandoned);

        using var document = JsonDocument.Parse(deep, new JsonDocumentOptions { MaxDepth = 200_000 });
        schema.Validate(document.RootElement).Outcome.ShouldBe(SchemaOutcome.Abandoned);
        var same = Compile("""{"uniqueItems":true}""");
        var pair = Encoding.UTF8.GetBytes($"[{Encoding.UTF8.GetString(deep)},{Encoding.UTF8.GetString(deep)}]");
        using var twice = JsonDocument.Parse(pair, new JsonDocumentOptions { MaxDepth = 200_001 });
        same.Validate(twice.RootElement).Outcome.ShouldBe(SchemaOutcome.Abandoned);
    }

    [Fact]
    public void Dynamic_recursion_without_end_is_abandoned()
    {
        var schema = Compile("""{"$dynamicAnchor":"a","$dynamicRef":"#a"}""");
        schema.Validate(JsonSerializer.SerializeToElement(1)).Outcome.ShouldBe(SchemaOutcome.Abandoned);
    }

    [Fact]
    public void Branches_that_double_at_each_level_are_abandoned()
    {
        var definitions = string.Join(
            ',',
            Enumerable
                .Range(0, 60)
                .Select(i =>
                    $$"""
                        "d{{i}}":{"allOf":[{"$ref":"#/$defs/d{{i + 1}}"},{"$ref":"#/$defs/d{{i + 1}}"}]}
                        """
                )
        );
        var schema = Compile("""{"$ref":"#/$defs/d0","$defs":{""" + definitions + ",\"d60\":{\"type\":\"null\"}}}");
        schema.Validate(JsonSerializer.SerializeToElement<object?>(null)).Outcome.ShouldBe(SchemaOutcome.Abandoned);
    }

    [Fact]
    public void A_pattern_that_would_backtrack_for_ever_ends()
    {
        var text = JsonSerializer.SerializeToElement(new string('a', 5000) + "!");
        Compile("""{"pattern":"^(a+)+$"}""").Validate(text).Outcome.ShouldBe(SchemaOutcome.Invalid);
        Compile("""{"pattern":"^(?=a)(a|aa)+$"}""").Validate(text).Outcome.ShouldBe(SchemaOutcome.Abandoned);
    }

    [Theory]
    [InlineData("""{"multipleOf":7}""", "1e1000000000", false)]
    [InlineData("""{"multipleOf":0.5}""", "1e1000000000", true)]
    [InlineData("""{"type":"integer"}""", "1e-1000000000", false)]
    [InlineData("""{"maximum":1e1000000001}""", "1e1000000000", true)]
    [InlineData("""{"const":100}""", "1E+2", true)]
    [InlineData(
        """{"const":98249283749234923498293171823948729348710298301928331}""",
        "98249283749234923498293171823948729348710298301928331.0",
        true
    )]
    [InlineData(
        """{"const":98249283749234923498293171823948729348710298301928331}""",
        "98249283749234923498293171823948729348710298301928332",
        false
    )]
    [InlineData("""{"multipleOf":98249283749234923498293171}""", "196498567498469846996586342e5", true)]
    public void Numbers_are_exact(string schema, string instance, bool valid) =>
        Validate(schema, instance).IsValid.ShouldBe(valid);

    [Fact]
    public void Ten_megabytes_are_validated()
    {
        var numbers = string.Join(',', Enumerable.Range(1_000_000, 1_300_000));
        var result = Validate("""{"items":{"type":"integer"},"uniqueItems":true}""", $"[{numbers}]");
        result.Outcome.ShouldBe(SchemaOutcome.Valid);
    }

    [Fact]
    public void References_lead_to_the_registry_and_nowhere_else()
    {
        var registry = new SchemaRegistry().Add(
            "https://example.com/a.json",
            Encoding.UTF8.GetBytes("""{"$id":"https://example.com/b/","$ref":"c.json"}""")
        );
        registry.Add("https://example.com/b/c.json", Encoding.UTF8.GetBytes("""{"type":"null"}"""));
        var schema = Compile("""{"$ref":"https://example.com/a.json"}""", registry: registry);
        schema.IsValid(JsonSerializer.SerializeToElement<object?>(null)).ShouldBeTrue();
        schema.IsValid(JsonSerializer.SerializeToElement(1)).ShouldBeFalse();
    }

    [Fact]
    public void A_schema_of_an_older_draft_is_read_by_its_own_rules()
    {
        var registry = new SchemaRegistry().Add(
            "https://example.com/old",
            Encoding.UTF8.GetBytes(
                """{"$schema":"https://json-schema.org/draft/2019-09/schema","prefixItems":[{"type":"string"}]}"""
            )
        );
        var schema = Compile("""{"$ref":"https://example.com/old"}""", registry: registry);
        schema.IsValid(JsonSerializer.SerializeToElement(new[] { 1 })).ShouldBeTrue();
    }

    [Fact]
    public void Valid_input_costs_no_allocation()
    {
        var schema = Compile(
            """{"type":"object","properties":{"a":{"type":"string","maxLength":20},"b":{"items":{"minimum":0.5}}},"required":["a"],"unevaluatedProperties":false}"""
        );
        var instance = JsonSerializer.SerializeToElement(new { a = "abc", b = new[] { 1.5, 2, 3 } });
        for (var i = 0; i < 100; i++)
            schema.IsValid(instance).ShouldBeTrue();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++)
            schema.IsValid(instance);
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(100);
    }

    [Fact]
    public void Garbage_is_answered_and_never_thrown()
    {
        var schema = Compile("""{"type":"object","unevaluatedProperties":{"$ref":"#"}}""");
        FsCheck.Check.QuickThrowOnFailure(
            Prop.ForAll(ArbMap.Default.ArbFor<byte[]>(), bytes => !schema.Validate((ReadOnlyMemory<byte>)bytes).IsValid)
        );
    }
}
