using System.Runtime.Versioning;

namespace Platen.Cli.Tests;

[UnsupportedOSPlatform("windows")]
public sealed class ConnectionTests
{
    [Fact]
    public void The_option_wins_over_the_variable_and_the_variable_over_the_owner_key()
    {
        using var run = new CommandRun();
        run.Write("platen-data/owner.key", "owner\n");

        Find(run, null, null).Key.ShouldBe("owner");
        run.With("PLATEN_KEY", "variable");
        Find(run, null, null).Key.ShouldBe("variable");
        Find(run, null, "option").Key.ShouldBe("option");
    }

    [Fact]
    public void The_owner_key_is_found_in_a_parent_and_first_in_the_data_folder()
    {
        using var run = new CommandRun();
        run.Write("platen-data/owner.key", "above");
        run.Write("elsewhere/owner.key", "data");
        var below = Directory.CreateDirectory(Path.Combine(run.Folder, "a", "b")).FullName;

        Connection.Find(null, null, run.Terminal with { WorkingFolder = below }).Key.ShouldBe("above");
        run.With("PLATEN_DATA", Path.Combine(run.Folder, "elsewhere"));
        var found = Find(run, null, null);
        found.Key.ShouldBe("data");
        found.KeySource.ShouldEndWith("elsewhere/owner.key");
    }

    [Fact]
    public void The_owner_key_is_for_servers_on_this_machine_only()
    {
        using var run = new CommandRun();
        run.Write("platen-data/owner.key", "owner");

        Find(run, "https://platen.example", null).Key.ShouldBeNull();
        Find(run, "http://localhost:1", null).Key.ShouldBe("owner");
        Find(run, "http://[::1]:1", null).Key.ShouldBe("owner");
        Find(run, "http://127.0.0.1.example.org", null).Key.ShouldBeNull();
    }

    [Fact]
    public void A_profile_gives_its_key_to_its_own_server_only()
    {
        using var run = new CommandRun();
        WriteProfiles(run, UnixFileMode.UserRead | UnixFileMode.UserWrite);

        var found = Find(run, null, null);
        found.Server.ShouldBe(new Uri("https://one.example"));
        found.Key.ShouldBe("key-one");
        Find(run, "https://two.example/", null).Key.ShouldBe("key-two");
        Find(run, "http://two.example/", null).Key.ShouldBeNull();
        Find(run, "https://three.example/", null).Key.ShouldBeNull();
    }

    [Fact]
    public void Profiles_that_others_can_read_are_refused()
    {
        using var run = new CommandRun();
        WriteProfiles(run, UnixFileMode.UserRead | UnixFileMode.GroupRead);

        Should.Throw<CliException>(() => Find(run, null, null)).Advice.ShouldContain("chmod 600");
    }

    private static Connection Find(CommandRun run, string? server, string? key) =>
        Connection.Find(server, key, run.Terminal);

    private static void WriteProfiles(CommandRun run, UnixFileMode mode)
    {
        var file = run.Write(
            "home/.config/platen/profiles.json",
            """
            { "current": "one", "profiles": { "one": { "server": "https://one.example", "key": "key-one" },
              "two": { "server": "https://two.example", "key": "key-two" } } }
            """
        );
        File.SetUnixFileMode(file, mode);
    }
}
