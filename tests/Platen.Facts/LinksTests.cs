namespace Platen.Facts;

public sealed class LinksTests
{
    [Fact]
    public void Links_between_documents_lead_somewhere() =>
        Expected.NoFaults(Links.Faults(Repository.FilesBelow(Repository.Root, Repository.Root), Repository.Root));

    [Fact]
    public void Every_decision_is_in_the_index()
    {
        var index = File.ReadAllText(Path.Combine(Repository.Root, "docs", "adr", "README.md"));
        Expected.NoFaults(
            Repository
                .Files("docs/adr")
                .Select(file => Path.GetFileName(file.Path))
                .Where(name => name != "README.md" && !index.Contains($"]({name})", StringComparison.Ordinal))
                .Select(name => $"docs/adr/README.md does not list {name}.")
        );
    }

    [Fact]
    public void A_link_to_nothing_is_found_and_one_in_code_is_not_a_link()
    {
        var file = new SourceFile("docs/broken.md", () => Repository.Fixture("Links/broken.md"));

        Links
            .Faults([file], Repository.Root)
            .ShouldBe(["docs/broken.md:5 links to ../no/such.md, which is not there."]);
    }
}
