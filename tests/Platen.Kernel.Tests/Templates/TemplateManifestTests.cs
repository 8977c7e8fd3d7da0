using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using Platen.Kernel.Schemas;
using Platen.Kernel.Templates;

namespace Platen.Kernel.Tests.Templates;

public sealed class TemplateManifestTests
{
    [Fact]
    public void A_manifest_is_read_with_what_it_leaves_out()
    {
        Parse(
                """
                { "template": "section7", "version": "1.0.0", "changelog": "first", "artifacts": [
                  { "kind": "master_prompt", "path": "prompts/fr.md", "role": "system", "locale": "FR-ca" },
                  { "kind": "json_config", "path": "config.json" },
                  { "kind": "golden_example", "path": "a.bin", "contentType": "application/x-thing" } ] }
                """
            )
            .ShouldBeEmpty();
        TemplateManifest
            .TryParse(
                """{ "artifacts": [ { "kind": "a", "path": "b.md", "role": "user", "variables": ["x", { "name": "y", "required": false }] } ] }"""u8.ToArray(),
                out var manifest,
                out _
            )
            .ShouldBeTrue();
        (manifest!.Template, manifest.Version).ShouldBe((null, null));
        var artifact = manifest.Artifacts.Single();
        artifact.ContentType.ShouldBe("text/markdown; charset=utf-8");
        artifact.Variables!.Value.Select(v => (v.Name, v.Required)).ShouldBe([("x", true), ("y", false)]);
    }

    [Theory]
    [InlineData("""[]""", "")]
    [InlineData("""{""", "")]
    [InlineData("""{ "artifacts": [] }""", "/artifacts")]
    [InlineData("""{ "artifacts": [1] }""", "/artifacts/0")]
    [InlineData(
        """{ "artifacts": [ { "kind": "a", "path": "x" }, { "kind": "b", "path": "X" } ] }""",
        "/artifacts/1/path"
    )]
    [InlineData("""{ "template": "A b", "artifacts": [ { "kind": "a", "path": "x" } ] }""", "/template")]
    [InlineData("""{ "version": "1.0", "artifacts": [ { "kind": "a", "path": "x" } ] }""", "/version")]
    [InlineData("""{ "version": "1.0.0+b", "artifacts": [ { "kind": "a", "path": "x" } ] }""", "/version")]
    [InlineData("""{ "a/b": 1, "artifacts": [ { "kind": "a", "path": "x" } ] }""", "/a~1b")]
    [InlineData("""{ "artifacts": [ { "kind": "a", "path": "x", "variables": ["v"] } ] }""", "/artifacts/0/variables")]
    [InlineData(
        """{ "artifacts": [ { "kind": "a", "path": "x" } ], "includes": [ { "name": "n", "template": "t", "version": "1.x", "kind": "k" } ] }""",
        "/includes/0/version"
    )]
    public void A_fault_is_named_by_its_place(string json, string pointer) => Parse(json).ShouldContain(pointer);

    [Theory]
    [InlineData("a.md", true)]
    [InlineData("a/b c/d.md", true)]
    [InlineData("", false)]
    [InlineData("/a", false)]
    [InlineData("a/", false)]
    [InlineData("a//b", false)]
    [InlineData("../a", false)]
    [InlineData("a/../b", false)]
    [InlineData("./a", false)]
    [InlineData(@"a\b", false)]
    [InlineData("c:x", false)]
    [InlineData("a\0b", false)]
    [InlineData("a ", false)]
    public void A_path_stays_in_its_folder(string path, bool isPath) => TemplateManifest.IsPath(path).ShouldBe(isPath);

    [Fact]
    public void What_the_documented_schema_refuses_is_refused()
    {
        var text = File.ReadAllText(Path.Combine(Repository(), "docs", "reference", "template-manifest.md"));
        var blocks = text.Split("```json\n")
            .Skip(1)
            .Select(block => block[..block.IndexOf("```", StringComparison.Ordinal)]);
        var (example, source) = (blocks.First(), blocks.Last());
        var schema = JsonSchema.Compile(Encoding.UTF8.GetBytes(source));
        var whole = JsonNode.Parse(example)!;
        var artifact = whole["artifacts"]![2]!;
        artifact["locale"] = "fr";
        artifact["contentType"] = "text/plain";
        artifact["digest"] = Digest.Of("x"u8).ToString();
        artifact["sizeBytes"] = 1;
        artifact["variables"]![1]!["required"] = true;
        artifact["variables"]![1]!["description"] = "How it sounds.";
        whole["description"] = "All that there is.";
        (Reads(whole), Fits(whole)).ShouldBe((true, true));

        var (tried, refused) = (0, 0);
        foreach (var changed in Changes(whole))
        {
            tried++;
            if (Fits(changed))
                continue;
            refused++;
            Reads(changed).ShouldBeFalse(changed.ToJsonString());
        }
        refused.ShouldBeInRange(tried / 2, tried);

        var limits = JsonNode.Parse(source)!["properties"]!;
        var item = limits["artifacts"]!["items"]!["properties"]!;
        (
            Number(limits["artifacts"]!, "maxItems"),
            Number(limits["includes"]!, "maxItems"),
            Number(item["variables"]!, "maxItems"),
            Number(item["sizeBytes"]!, "maximum"),
            Number(item["path"]!, "maxLength"),
            Number(item["kind"]!, "maxLength"),
            Number(limits["version"]!, "maxLength"),
            Number(limits["description"]!, "maxLength"),
            Number(limits["changelog"]!, "maxLength")
        ).ShouldBe(
            (
                TemplateLimits.Artifacts,
                TemplateLimits.Includes,
                TemplateLimits.Variables,
                TemplateLimits.ArtifactBytes,
                TemplateLimits.PathLength,
                TemplateLimits.KindLength,
                TemplateLimits.VersionLength,
                TemplateLimits.DescriptionLength,
                TemplateLimits.ChangelogLength
            )
        );

        bool Fits(JsonNode manifest) => schema.Validate(Encoding.UTF8.GetBytes(manifest.ToJsonString())).IsValid;

        static bool Reads(JsonNode manifest) =>
            TemplateManifest.TryParse(Encoding.UTF8.GetBytes(manifest.ToJsonString()), out _, out _);

        static int Number(JsonNode of, string keyword) => of[keyword]!.GetValue<int>();
    }

    /// <summary>The manifest with one value replaced, left out or added, for every place and many values.</summary>
    private static IEnumerable<JsonNode> Changes(JsonNode whole)
    {
        string[] values =
        [
            "null",
            "true",
            "1",
            "-1",
            "1.5",
            "[]",
            "{}",
            "\"\"",
            "\"x\"",
            "\"A b\"",
            $"\"{new string('x', 30_000)}\"",
            "9000000000",
        ];
        var places = new List<string>();
        Walk(whole, "");
        foreach (var place in places)
        {
            foreach (var value in values)
                yield return With(place, node => JsonNode.Parse(value));
            yield return With(place, _ => null, removes: true);
        }
        foreach (var place in places.Append("").Where(place => At(whole, place) is JsonObject))
            yield return With(place + "/unknown", _ => JsonValue.Create(1));

        void Walk(JsonNode? node, string at)
        {
            var children = node switch
            {
                JsonObject members => members.Select(member => (Name: member.Key, member.Value)),
                JsonArray list => list.Select(
                    (one, index) => (Name: index.ToString(CultureInfo.InvariantCulture), one)
                ),
                _ => [],
            };
            foreach (var (name, child) in children)
            {
                places.Add($"{at}/{name}");
                Walk(child, $"{at}/{name}");
            }
        }

        JsonNode With(string place, Func<JsonNode?, JsonNode?> change, bool removes = false)
        {
            var copy = whole.DeepClone();
            var last = place.LastIndexOf('/');
            var (parent, name) = (At(copy, place[..last]), place[(last + 1)..]);
            if (parent is JsonArray list)
            {
                var index = int.Parse(name, CultureInfo.InvariantCulture);
                if (removes)
                    list.RemoveAt(index);
                else
                    list[index] = change(list[index]);
            }
            else if (removes)
                parent!.AsObject().Remove(name);
            else
                parent![name] = change(parent[name]);
            return copy;
        }

        static JsonNode? At(JsonNode node, string place) =>
            place
                .Split('/', StringSplitOptions.RemoveEmptyEntries)
                .Aggregate(
                    (JsonNode?)node,
                    (at, name) => at is JsonArray list ? list[int.Parse(name, CultureInfo.InvariantCulture)] : at![name]
                );
    }

    private static string Repository()
    {
        var at = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(at!.FullName, "Platen.slnx")))
            at = at.Parent;
        return at.FullName;
    }

    [Fact]
    public void Garbage_is_a_fault_and_never_throws() =>
        Prop.ForAll<byte[]>(bytes =>
            {
                var parsed = TemplateManifest.TryParse(bytes, out var manifest, out var faults);
                return parsed == faults.IsEmpty && parsed == (manifest is not null);
            })
            .QuickCheckThrowOnFailure();

    [Theory]
    [InlineData("section7", true)]
    [InlineData("analyze_comments", true)]
    [InlineData("a-b.c", true)]
    [InlineData("", false)]
    [InlineData("A", false)]
    [InlineData("a--b", false)]
    [InlineData("a-", false)]
    [InlineData("a/b", false)]
    public void A_name_is_lower_case_words(string text, bool isName) =>
        TemplateName.TryParse(text, out _).ShouldBe(isName);

    private static List<string> Parse(string json)
    {
        var isManifest = TemplateManifest.TryParse(Encoding.UTF8.GetBytes(json), out _, out var faults);
        isManifest.ShouldBe(!faults.Any());
        return [.. faults.Select(fault => fault.Pointer)];
    }
}
