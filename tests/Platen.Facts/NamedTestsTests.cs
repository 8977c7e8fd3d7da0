namespace Platen.Facts;

public sealed class NamedTestsTests
{
    [Fact]
    public void What_the_registry_is_held_to_the_specification_by_is_there()
    {
        var document = Repository.Files("docs/reference").Single(f => f.Path == "docs/reference/registry.md");
        var (named, faults) = NamedTests.Check(document, [.. Repository.Files("tests/Platen.Registry.Tests")]);
        named.ShouldBeGreaterThan(25);
        Expected.NoFaults(faults);
    }

    [Fact]
    public void A_test_that_is_not_there_is_found()
    {
        var document = new SourceFile("a.md", () => "`BlobTests.An_empty_blob_is_a_blob`, `BlobTests.A_wish`");
        var (named, faults) = NamedTests.Check(document, [.. Repository.Files("tests/Platen.Registry.Tests")]);
        (named, faults.Count).ShouldBe((2, 1));
        faults[0].ShouldBe("a.md names BlobTests.A_wish, which is no test.");
    }
}
