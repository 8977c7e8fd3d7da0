using Platen.Kernel;
using Platen.Server;

namespace Platen.Facts;

public sealed class ProblemListTests
{
    [Fact]
    public void The_reference_lists_the_catalogue() =>
        Expected.Equal("docs/reference/problems.md", ProblemList.Draw(ProblemCatalogue.All));

    [Fact]
    public void Problems_are_named_and_worded_as_agreed() =>
        Expected.NoFaults(ProblemList.Faults(ProblemCatalogue.All));

    [Fact]
    public void Every_problem_type_in_the_source_is_in_the_catalogue()
    {
        var sources = Repository.Files("src").Where(file => file.Extension == ".cs").ToList();
        ProblemList.Declared(sources).Count().ShouldBeGreaterThan(5);

        Expected.NoFaults(ProblemList.Uncollected(sources, ProblemCatalogue.All));
    }

    [Theory]
    [InlineData("static readonly ProblemType Lost = new(\"lost-one\", 404, \"Gone\", \"Look.\");")]
    [InlineData("var lost = new ProblemType(\n    \"lost-one\", 404, \"Gone\", \"Look.\");")]
    public void A_problem_that_the_catalogue_lacks_is_found(string declaration) =>
        ProblemList
            .Uncollected(
                [new SourceFile("src/Lost.cs", () => declaration)],
                [new ProblemType("found", 404, "There is nothing", "Look elsewhere.")]
            )
            .ShouldBe(["src/Lost.cs declares lost-one, which the catalogue does not collect."]);

    [Fact]
    public void Twins_bad_names_and_bad_words_are_refused()
    {
        var fine = new ProblemType("fine", 404, "There is nothing", "Look elsewhere.");

        var faults = ProblemList
            .Faults([
                fine,
                fine,
                fine with
                {
                    Slug = "Not_A_Name",
                },
                fine with
                {
                    Slug = "ok",
                    Status = 200,
                },
                fine with
                {
                    Slug = "shouted",
                    Advice = "look",
                },
            ])
            .ToList();

        faults.Count.ShouldBe(4);
        faults[0].ShouldContain("named fine");
        faults[1].ShouldStartWith("Not_A_Name is no name");
        faults[2].ShouldStartWith("ok has the status 200");
        faults[3].ShouldStartWith("shouted: a title");
    }
}
