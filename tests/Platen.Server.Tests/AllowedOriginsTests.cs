using System.Text.Json.Nodes;

namespace Platen.Server.Tests;

/// <summary>Which sites may show an instance, from the API to the header of its page.</summary>
public sealed class AllowedOriginsTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task They_become_frame_ancestors_at_publish_and_not_before()
    {
        var path = await CreateAsync("https://www.example.org", "https://*.example.com", "https://www.example.org");
        (await PublishAsync(path, "\"1\"")).Status.ShouldBe(200);
        var policy = await PolicyAsync(path);
        policy.ShouldStartWith(
            "frame-ancestors 'self' https://*.example.com https://www.example.org; default-src 'none'"
        );

        var opened = InstanceTests.Faq("Framed");
        opened["allowedOrigins"] = new JsonArray();
        (await server.Owner.SendAsync(HttpMethod.Put, path, opened, "\"1\"")).Tag.ShouldBe("\"2\"");
        (await PolicyAsync(path)).ShouldBe(policy);
    }

    [Fact]
    public async Task Without_any_every_page_may_show_it()
    {
        var path = await CreateAsync();
        await PublishAsync(path, "\"1\"");
        (await PolicyAsync(path)).ShouldNotContain("frame-ancestors");
    }

    [Fact]
    public async Task Who_does_not_speak_of_them_leaves_them_as_they_are()
    {
        var path = await CreateAsync("https://www.example.org");
        var changed = await server.Owner.SendAsync(HttpMethod.Put, path, InstanceTests.Faq("Other"), "\"1\"");
        changed.Json["allowedOrigins"]!.AsArray().Single()!.GetValue<string>().ShouldBe("https://www.example.org");
        // Nor do the same ones in another order make a version.
        var same = InstanceTests.Faq("Other");
        same["allowedOrigins"] = new JsonArray("https://www.example.org", "https://www.example.org");
        (await server.Owner.SendAsync(HttpMethod.Put, path, same, "\"2\"")).Tag.ShouldBe("\"2\"");
    }

    [Theory]
    [InlineData("example.org")]
    [InlineData("*")]
    [InlineData("https://example.org/")]
    [InlineData("https://Example.org")]
    [InlineData("https://example.org; script-src *")]
    [InlineData("https://example.org https://other.example")]
    [InlineData("https://example.org\r\nX-Header: 1")]
    [InlineData("https://example.org\n")]
    [InlineData("https://*")]
    [InlineData("https://*.*.example.org")]
    [InlineData("https://-a.example")]
    [InlineData("https://example.org:0")]
    [InlineData("javascript://example.org")]
    [InlineData("https://exämple.org")]
    [InlineData("")]
    public async Task What_is_not_an_origin_is_refused_with_its_place(string origin)
    {
        var body = InstanceTests.Faq("Framed");
        body["allowedOrigins"] = new JsonArray("https://fine.example", origin);
        var refused = await server.Owner.SendAsync(HttpMethod.Put, InstanceTests.NewPath(), body, create: true);
        refused.Status.ShouldBe(422);
        refused.FaultPointers.ShouldBe(["/allowedOrigins/1"]);
    }

    [Fact]
    public async Task There_is_a_limit()
    {
        var body = InstanceTests.Faq("Framed");
        body["allowedOrigins"] = new JsonArray([
            .. Enumerable.Range(0, 51).Select(n => JsonValue.Create($"https://s{n}.example")),
        ]);
        var refused = await server.Owner.SendAsync(HttpMethod.Put, InstanceTests.NewPath(), body, create: true);
        refused.FaultPointers.ShouldBe(["/allowedOrigins"]);
    }

    private async Task<string> CreateAsync(params string[] origins)
    {
        var path = InstanceTests.NewPath();
        var body = InstanceTests.Faq("Framed");
        if (origins.Length > 0)
            body["allowedOrigins"] = new JsonArray([.. origins.Select(origin => JsonValue.Create(origin))]);
        (await server.Owner.SendAsync(HttpMethod.Put, path, body, create: true)).Status.ShouldBe(201);
        return path;
    }

    private Task<Answer> PublishAsync(string path, string tag) =>
        server.Owner.SendAsync(HttpMethod.Put, path + "/publication", new { reason = "test" }, tag);

    private async Task<string> PolicyAsync(string path)
    {
        using var response = await server.Nobody.GetAsync("e/" + path[(path.LastIndexOf('/') + 1)..], Ct);
        return response.EnsureSuccessStatusCode().Headers.GetValues("Content-Security-Policy").Single();
    }
}
