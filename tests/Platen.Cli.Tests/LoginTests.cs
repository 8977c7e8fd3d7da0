using System.Runtime.Versioning;

namespace Platen.Cli.Tests;

[UnsupportedOSPlatform("windows")]
public sealed class LoginTests
{
    private const string Me =
        """{"kind":"key","id":"00000000-0000-0000-0000-000000000000","name":"ci","owner":null,"isPlatform":true,"scopes":["*"],"stage":"standalone"}""";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_login_asks_the_server_and_keeps_the_key_for_its_owners_eyes_only()
    {
        using var run = new CommandRun { Input = "platen_secret\n" };
        using var server = new OneAnswer(Me);
        (await run.RunAsync("login", "work", "--server", server.Address)).ShouldBe(ExitCode.Ok, run.Error);
        server.Request.ShouldContain("Authorization: Bearer platen_secret");

        var file = Path.Combine(run.Folder, "home", ".config", "platen", "profiles.json");
        File.GetUnixFileMode(file).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        run.Out.ShouldContain("work: ");
        run.Out.ShouldNotContain("platen_secret");
        var found = Connection.Find(null, null, run.Terminal);
        (found.Server.ToString().TrimEnd('/'), found.Key).ShouldBe((server.Address, "platen_secret"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_login_in_the_browser_keeps_the_key_that_it_was_given_and_a_logout_ends_it(bool isPasted)
    {
        const string made =
            """{"id":"01234567-0000-7000-8000-000000000000","name":"platen on here","owner":"00000000-0000-0000-0000-000000000001","scopes":["files:read"],"expiresAt":"2099-01-01T00:00:00Z","secret":"platen_made"}""";
        using var run = new CommandRun { Input = isPasted ? "\n the-code \n" : "" };
        using var server = new OneAnswer(made, Me, "");
        var login = run.RunAsync("login", "work", "--server", server.Address, "--web", "--no-browser");
        if (!isPasted)
        {
            var address = new Uri(await AddressAsync(run));
            var query = System.Web.HttpUtility.ParseQueryString(address.Query);
            query["challenge"]!.Length.ShouldBe(43);
            query["name"]!.ShouldContain(Environment.MachineName);
            address.OriginalString.ShouldNotContain(" ");
            using var browser = new HttpClient();
            var back = new Uri($"http://127.0.0.1:{query["port"]}/");
            // Whoever does not know the state is nobody.
            ((int)(await browser.GetAsync(new Uri(back, "?state=x&code=evil"), Ct)).StatusCode).ShouldBe(404);
            ((int)(await browser.GetAsync(new Uri(back, "favicon.ico"), Ct)).StatusCode).ShouldBe(404);
            (await browser.GetStringAsync(new Uri(back, $"?state={query["state"]}&code=the-code"), Ct)).ShouldContain(
                "signed in"
            );
        }
        (await login).ShouldBe(ExitCode.Ok, run.Error);
        server.Request.ShouldContain("\"code\":\"the-code\"");
        server.Request.ShouldContain("\"verifier\":\"");
        run.Out.ShouldNotContain("platen_made");
        Connection.Find(null, null, run.Terminal).Key.ShouldBe("platen_made");

        (await run.RunAsync("logout")).ShouldBe(ExitCode.Ok, run.Error);
        server.Request.ShouldContain("POST /v1/whoami/end-key");
        server.Request.ShouldContain("Authorization: Bearer platen_made");
        Profiles.Of(run.Terminal).Stored.Profiles!.ShouldBeEmpty();
    }

    [Fact]
    public async Task Over_ssh_the_code_is_pasted_because_the_browser_is_elsewhere()
    {
        using var run = new CommandRun { Input = "the-code\n" }.With("SSH_CONNECTION", "1.2.3.4 5 6.7.8.9 22");
        using var server = new OneAnswer(
            """{"id":"01234567-0000-7000-8000-000000000000","name":"x","owner":"00000000-0000-0000-0000-000000000001","scopes":[],"expiresAt":"2099-01-01T00:00:00Z","secret":"platen_made"}""",
            Me
        );
        (await run.RunAsync("login", "--server", server.Address, "--web")).ShouldBe(ExitCode.Ok, run.Error);
        run.Error.ShouldNotContain("port=");
        run.Error.ShouldContain("Paste the code");
    }

    private static async Task<string> AddressAsync(CommandRun run)
    {
        while (true)
        {
            Ct.ThrowIfCancellationRequested();
            foreach (var line in run.Error.Split('\n'))
            {
                if (line.Trim().StartsWith("http", StringComparison.Ordinal))
                    return line.Trim();
            }
            await Task.Yield();
        }
    }

    [Fact]
    public async Task Profiles_of_several_servers_are_chosen_for_good_or_for_one_command()
    {
        using var run = new CommandRun();
        Profiles.Of(run.Terminal).With("one", new Profile("https://one.example/", "key-one")).Save();
        Profiles.Of(run.Terminal).With("two", new Profile("https://two.example/", "key-two")).Save();
        Profiles.Of(run.Terminal).With("two-again", new Profile("https://two.example/", "key-two-again")).Save();

        (await run.RunAsync("profiles", "use", "one")).ShouldBe(ExitCode.Ok);
        Connection.Find(null, null, run.Terminal).Key.ShouldBe("key-one");
        Connection.Find(null, null, run.Terminal, "two").Key.ShouldBe("key-two");
        Connection.Find(null, null, run.Terminal, "two-again").Key.ShouldBe("key-two-again");
        (await run.RunAsync("profiles", "list")).ShouldBe(ExitCode.Ok);
        run.Out.ShouldContain("*\tone\thttps://one.example/");

        (await run.RunAsync("profiles", "use", "three")).ShouldBe(ExitCode.No);
        (await run.RunAsync("whoami", "--profile", "three")).ShouldBe(ExitCode.Usage);
        (await run.RunAsync("logout", "one")).ShouldBe(ExitCode.Ok);
        (await run.RunAsync("logout", "one")).ShouldBe(ExitCode.No);
        Profiles.Of(run.Terminal).Stored.Profiles!.Keys.ShouldBe(["two", "two-again"], ignoreOrder: true);
    }

    [Fact]
    public async Task What_is_missing_is_said_with_what_to_do()
    {
        using var run = new CommandRun();
        (await run.RunAsync("login", "--server", "http://127.0.0.1:1")).ShouldBe(ExitCode.Usage);
        run.Error.ShouldContain("standard input");
        (await run.RunAsync("keys", "revoke", "platen_secret")).ShouldBe(ExitCode.Usage);
        run.Error.ShouldContain("the secret itself is no id");
        (await run.RunAsync("keys", "create", "x")).ShouldBe(ExitCode.Usage);
        (await run.RunAsync("members", "list")).ShouldBe(ExitCode.Usage);
        (await run.RunAsync("workspaces", "change", "acme")).ShouldBe(ExitCode.Usage);
        run.Error.ShouldContain("--name, --slug or --plan");
    }
}
