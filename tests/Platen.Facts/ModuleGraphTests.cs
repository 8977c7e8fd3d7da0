namespace Platen.Facts;

public sealed class ModuleGraphTests
{
    private static List<Project> Ours => ModuleGraph.Discover(Path.Combine(Repository.Root, "src"), Repository.Root);

    [Fact]
    public void The_graph_is_the_one_that_was_agreed() =>
        Expected.Equal("tests/expected/module-graph.txt", ModuleGraph.Draw(Ours));

    [Fact]
    public void Calls_go_down_only() => Expected.NoFaults(ModuleGraph.Faults(Ours));

    [Fact]
    public void Every_project_of_the_repository_is_in_the_solution()
    {
        var files = Repository.Files("src", "tests", "bench").ToList();
        files.Count(file => file.Extension == ".csproj").ShouldBeGreaterThan(10);
        Expected.NoFaults(ModuleGraph.OutsideOf(File.ReadAllText(Path.Combine(Repository.Root, "Platen.slnx")), files));
    }

    [Fact]
    public void A_project_outside_the_solution_is_found() =>
        ModuleGraph
            .OutsideOf(
                """<Solution><Project Path="src/In/In.csproj" /></Solution>""",
                [
                    new SourceFile("src/In/In.csproj", () => "<Project />"),
                    new SourceFile("src/Out/Out.csproj", () => "<Project />"),
                    new SourceFile("src/Out/Out.cs", () => "class Out;"),
                ]
            )
            .ShouldBe(["src/Out/Out.csproj is not in Platen.slnx."]);

    [Fact]
    public void A_graph_with_a_call_upwards_beside_or_out_of_the_layers_is_refused()
    {
        var broken = Path.Combine(Repository.Fixtures, "ModuleGraph");

        var faults = ModuleGraph.Faults(ModuleGraph.Discover(Path.Combine(broken, "src"), broken)).ToList();

        faults.ShouldContain(fault =>
            fault.StartsWith("Platen.Kernel refers to Platen.Platform", StringComparison.Ordinal)
        );
        faults.ShouldContain(fault => fault.StartsWith("Platen.Kernel is pure", StringComparison.Ordinal));
        faults.ShouldContain(fault => fault.StartsWith("Platen.Access calls Platen.Widgets", StringComparison.Ordinal));
        faults.ShouldContain(fault =>
            fault.StartsWith("src/Platen.Stray/Platen.Stray.csproj", StringComparison.Ordinal)
        );
        faults.ShouldContain(fault => fault.StartsWith("The call from Platen.Widgets", StringComparison.Ordinal));
        faults.ShouldContain("Platen.Widgets refers to Platen.Gone, which is not a project of src.");
        faults.Count.ShouldBe(6);
    }
}
