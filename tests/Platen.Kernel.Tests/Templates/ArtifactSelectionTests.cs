using Platen.Kernel.Templates;

namespace Platen.Kernel.Tests.Templates;

public sealed class ArtifactSelectionTests
{
    private static readonly List<TemplateArtifact> Artifacts =
    [
        Artifact("p", "en.md", "en"),
        Artifact("p", "pt-BR.md", "pt-BR"),
        Artifact("p", "zh-Hant.md", "zh-Hant"),
        Artifact("c", "c.json", null),
        Artifact("c", "c.fr.json", "fr"),
        Artifact("p", "includes/tone/en.md", "en") with
        {
            IncludedFrom = "tone@1.0.0",
        },
    ];

    [Theory]
    [InlineData("p", "en-GB", "en.md")]
    [InlineData("p", "pt-BR", "pt-BR.md")]
    [InlineData("p", "zh-TW", "zh-Hant.md")]
    [InlineData("p", "zh-CN", "en.md")]
    [InlineData("p", "de, pt-BR;q=0.5", "pt-BR.md")]
    [InlineData("p", null, "en.md")]
    [InlineData("p", "not a tag", "en.md")]
    [InlineData("c", "fr-CA", "c.fr.json")]
    [InlineData("c", "de", "c.json")]
    [InlineData("c", null, "c.json")]
    public void A_language_follows_its_chain_and_ends_at_the_base(string kind, string? locale, string path) =>
        ArtifactSelection
            .Choose(Artifacts, new ArtifactQuery(kind, Locale: locale))
            .ShouldBeOfType<ArtifactChoice.Chosen>()
            .Artifact.Path.ShouldBe(path);

    [Fact]
    public void An_included_file_is_found_by_its_path_only() =>
        ArtifactSelection
            .Choose(Artifacts, new ArtifactQuery(Path: "includes/tone/en.md"))
            .ShouldBeOfType<ArtifactChoice.Chosen>();

    [Fact]
    public void Names_in_the_cache_differ() =>
        Artifacts
            .Append(Artifact("p", "second.md", "en"))
            .Select(one => one.CacheName([.. Artifacts, Artifact("p", "second.md", "en")]))
            .Distinct()
            .Count()
            .ShouldBe(7);

    private static TemplateArtifact Artifact(string kind, string path, string? locale) =>
        new(kind, path, null, locale, "text/plain", Digest.Of([]), 0, []);
}
