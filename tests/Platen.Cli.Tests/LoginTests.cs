using System.Net;
using System.Net.Sockets;
using System.Runtime.Versioning;
using System.Text;

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

    /// <summary>A server that gives one answer to one request.</summary>
    private sealed class OneAnswer : IDisposable
    {
        private readonly TcpListener listener = new(IPAddress.Loopback, 0);

        public OneAnswer(string json)
        {
            listener.Start();
            _ = ServeAsync(json);
        }

        public string Address => $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}";

        public string Request { get; private set; } = "";

        public void Dispose() => listener.Dispose();

        private async Task ServeAsync(string json)
        {
            using var client = await listener.AcceptTcpClientAsync(Ct);
            await using var stream = client.GetStream();
            var buffer = new byte[16 * 1024];
            while (!Request.Contains("\r\n\r\n", StringComparison.Ordinal))
                Request += Encoding.ASCII.GetString(buffer, 0, await stream.ReadAsync(buffer, Ct));
            await stream.WriteAsync(
                Encoding.UTF8.GetBytes(
                    $"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {Encoding.UTF8.GetByteCount(json)}\r\nConnection: close\r\n\r\n{json}"
                ),
                Ct
            );
        }
    }
}
