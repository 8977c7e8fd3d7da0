using System.Text;
using FsCheck;
using FsCheck.Fluent;
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
