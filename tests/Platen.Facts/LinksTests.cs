namespace Platen.Facts;

public sealed class LinksTests
{
    [Fact]
    public void Links_between_documents_lead_somewhere() =>
        Expected.NoFaults(Links.Faults(Repository.FilesBelow(Repository.Root, Repository.Root), Repository.Root));

    [Fact]
    public void Every_decision_is_in_the_index()
    {
        var files = Repository.Files("docs/adr").ToList();
        files.Count.ShouldBeGreaterThan(20);
        Expected.NoFaults(Links.Unlisted(files));
    }

    [Fact]
    public void A_decision_that_the_index_lacks_is_found() =>
        Links
            .Unlisted([
                new SourceFile("docs/adr/README.md", () => "| 1 | [One](0001-one.md) |"),
                new SourceFile("docs/adr/0001-one.md", () => "# One"),
                new SourceFile("docs/adr/0002-two.md", () => "# Two"),
            ])
            .ShouldBe(["docs/adr/README.md does not list 0002-two.md."]);

    [Fact]
    public void A_link_to_nothing_is_found_and_one_in_code_is_not_a_link()
    {
        var file = new SourceFile("docs/broken.md", () => Repository.Fixture("Links/broken.md"));

        Links
            .Faults([file], Repository.Root)
            .ShouldBe(["docs/broken.md:5 links to ../no/such.md, which is not there."]);
    }
}
