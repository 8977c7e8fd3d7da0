namespace Platen.Facts;

public sealed class SqlNamesTests
{
    [Fact]
    public void Sql_of_a_module_names_its_own_schema_and_the_platforms() =>
        Expected.NoFaults(SqlNames.Faults([.. Repository.Files("src")]));

    [Fact]
    public void The_schemas_are_found()
    {
        var schemas = SqlNames.Schemas(Repository.Files("src"));

        schemas.ShouldContain("platform");
        schemas.Count.ShouldBeGreaterThan(1);
    }

    [Fact]
    public void Sql_that_names_another_modules_schema_is_refused_in_files_and_in_code()
    {
        var broken = Path.Combine(Repository.Fixtures, "SqlNames");
        var files = Repository
            .FilesBelow(broken, broken)
            .Select(file => file with { Path = file.Path.Replace(".cs.txt", ".cs", StringComparison.Ordinal) })
            .ToList();

        var faults = SqlNames
            .Faults(files)
            .Select(fault => fault[..fault.IndexOf(',', StringComparison.Ordinal)])
            .ToList();

        faults.ShouldBe(
            [
                "src/Modules/Platen.Access/Sql/Functions/count.sql:6 names widgets.instance",
                "src/Modules/Platen.Access/Whole.cs:8 names widgets.instance",
                "src/Modules/Platen.Access/Whole.cs:14 names widgets . instance",
                "src/Modules/Platen.Access/Whole.cs:16 names widgets.instance",
            ],
            ignoreOrder: true
        );
    }

    [Fact]
    public void Literals_are_read_as_the_compiler_reads_them()
    {
        const string Source = """"
            // "a comment"
            var quote = '"';
            var one = "a \" b";
            var two = @"c "" d";
            var three = $"e {f("g")} {{h}}";
            var four = """
                raw "quoted"
                """;
            /* "another
            comment" */ var five = "i";
            """";

        var found = CSharpStrings.Find(Source).ToList();

        found.Select(literal => literal.Line).ShouldBe([3, 4, 5, 6, 10]);
        found[0].Text.ShouldBe("a \\\" b");
        found[1].Text.ShouldBe("c \" d");
        found[2].Text.ShouldBe("e {f(g)} {h}");
        found[3].Text.ShouldContain("raw \"quoted\"");
        found[4].Text.ShouldBe("i");
    }
}
