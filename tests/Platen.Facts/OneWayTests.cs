using System.Text.RegularExpressions;

namespace Platen.Facts;

/// <summary>
/// Content goes from an authoring server to others and never back: a server has nothing to call another with. What an authoring server
/// lacks to take content in is shown over its services in Platen.Server.Tests.
/// </summary>
public sealed partial class OneWayTests
{
    [Fact]
    public void A_server_cannot_call_another_server() => Expected.NoFaults(Faults(Sources()));

    [Fact]
    public void A_server_is_not_built_with_the_client()
    {
        var reached = ModuleGraph.ReachedFrom(
            "Platen.Server",
            ModuleGraph.Discover(Path.Combine(Repository.Root, "src"), Repository.Root)
        );

        reached.ShouldContain("Platen.Widgets");
        reached.ShouldNotContain("Platen.Client");
    }

    [Fact]
    public void A_reference_by_way_of_another_project_is_found()
    {
        static Project Referring(string name, params string[] to) => new(name, $"src/{name}.csproj", to, [], []);

        ModuleGraph
            .ReachedFrom("Server", [Referring("Server", "Module"), Referring("Module", "Client"), Referring("Tool")])
            .ShouldBe(["Server", "Module", "Client"], ignoreOrder: true);
    }

    [Fact]
    public void A_call_to_another_server_is_refused() =>
        Faults([new SourceFile("src/Modules/Platen.Widgets/Pull.cs", () => "using var http = new HttpClient();")])
            .ShouldHaveSingleItem()
            .ShouldContain("Pull.cs");

    // What publishes, takes in and serves. Other parts may call others for their own reasons: S3, certificates, name servers.
    private static IEnumerable<SourceFile> Sources() =>
        Repository
            .Files("src/Modules/Platen.Widgets", "src/Modules/Platen.Registry", "src/Platen.Delivery")
            .Where(file => file.Extension == ".cs");

    private static IEnumerable<string> Faults(IEnumerable<SourceFile> files) =>
        files
            .Where(file => Caller().IsMatch(file.Text))
            .Select(file => $"{file.Path} has what it takes to call another server.");

    [GeneratedRegex(
        @"\b(HttpClient|HttpRequestMessage|SocketsHttpHandler|HttpMessageInvoker|WebRequest|TcpClient)\b",
        RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture
    )]
    private static partial Regex Caller();
}
