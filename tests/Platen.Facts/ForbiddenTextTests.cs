namespace Platen.Facts;

public sealed class ForbiddenTextTests
{
    private static List<SourceFile> All => [.. Repository.FilesBelow(Repository.Root, Repository.Root)];

    [Fact]
    public void Nothing_in_the_repository_is_forbidden() => Expected.NoFaults(ForbiddenText.Faults(All));

    [Fact]
    public void Lock_files_name_no_address()
    {
        var files = All;
        files.Count(file => file.Path.EndsWith("lock.json", StringComparison.Ordinal)).ShouldBeGreaterThan(5);

        Expected.NoFaults(ForbiddenText.LockFaults(files));
    }

    [Theory]
    [InlineData("// {0}: later", "TO" + "DO")]
    [InlineData("// {0} this", "FIX" + "ME")]
    [InlineData("// a {0}", "HA" + "CK")]
    [InlineData("done.Wait(TimeSpan.{0}(1)).Wait();", "FromSeconds")]
    [InlineData("{0}HEAD", "<<<<" + "<<< ")]
    [InlineData("throw new {0}();", "NotImplemented" + "Exception")]
    [InlineData("{0}(10);", "Thread." + "Sleep")]
    [InlineData("await Task.{0}100, ct);", "Delay(")]
    [InlineData("[Fact({0} = \"later\")]", "Sk" + "ip")]
    [InlineData("Assert.{0}(\"later\");", "Sk" + "ip")]
    [InlineData("Assert.True({0});", "tr" + "ue")]
    [InlineData("try {{ }} catch (IOException) {0}", "{ }")]
    [InlineData("internal sealed class Thing{0};", "Manager")]
    [InlineData("public static class {0} {{ }}", "Core")]
    public void A_forbidden_word_in_code_is_found(string line, string word)
    {
        var file = new SourceFile(
            "tests/broken.cs",
            () => string.Format(System.Globalization.CultureInfo.InvariantCulture, "// a line\n" + line + "\n", word)
        );

        var fault = ForbiddenText.Faults([file]).ShouldHaveSingleItem();

        fault.ShouldStartWith("tests/broken.cs:2 ");
    }

    [Theory]
    [InlineData("registry.npm" + "js.org")]
    [InlineData("api.nu" + "get.org")]
    [InlineData("deb.deb" + "ian.org")]
    [InlineData("registry.yarn" + "pkg.com")]
    [InlineData("index.doc" + "ker.io")]
    [InlineData("files.py" + "pi.org")]
    public void A_registrys_address_is_found_in_any_file(string host)
    {
        var file = new SourceFile("broken.txt", () => $"see https://{host}/x");

        ForbiddenText.Faults([file]).ShouldHaveSingleItem().ShouldContain(host);
    }

    [Theory]
    [InlineData("LockFiles/package-lock.json")]
    [InlineData("LockFiles/packages.lock.json")]
    public void A_lock_file_with_an_address_is_refused(string fixture)
    {
        var file = new SourceFile(fixture, () => Repository.Fixture(fixture));

        ForbiddenText.LockFaults([file]).ShouldHaveSingleItem().ShouldContain("https://packages.example/");
    }
}
