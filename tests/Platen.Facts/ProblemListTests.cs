using System.Text.RegularExpressions;
using Platen.Kernel;
using Platen.Server;

namespace Platen.Facts;

public sealed partial class ProblemListTests
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
        var listed = ProblemCatalogue.All.Select(problem => problem.Slug).ToHashSet(StringComparer.Ordinal);
        var written = Repository
            .Files("src")
            .Where(file => file.Extension == ".cs")
            .SelectMany(file => Declared().Matches(file.Text).Select(match => (file.Path, match.Groups["slug"].Value)))
            .ToList();
        written.Count.ShouldBeGreaterThan(5);

        Expected.NoFaults(
            written
                .Where(problem => !listed.Contains(problem.Value))
                .Select(problem => $"{problem.Path} declares {problem.Value}, which the catalogue does not collect.")
        );
    }

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

    [GeneratedRegex(@"\bProblemType\s+\w+\s*=\s*new\(\s*""(?<slug>[^""]+)""", RegexOptions.NonBacktracking)]
    private static partial Regex Declared();
}
