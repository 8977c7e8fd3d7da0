using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Platen.Testing.Servers;

namespace Platen.Acceptance;

/// <summary>An instance of a workspace that is shown to who has a token for it.</summary>
internal sealed record HiddenInstance(PlatenServer Server, string Id)
{
    public static async Task<HiddenInstance> PublishAsync(
        PlatenServer server,
        CancellationToken ct,
        string type = "content.faq"
    )
    {
        using var client = server.OpenClient();
        using (
            var made = await client.PostAsJsonAsync("v1/workspaces", new { name = "Hidden", slug = "hidden-one" }, ct)
        )
            made.StatusCode.ShouldBe(HttpStatusCode.Created);
        var sample = JsonNode.Parse(
            await File.ReadAllTextAsync(
                Path.Combine(Build.Repository, "samples", "widgets", $"wgt_main_{type}.json"),
                ct
            )
        )!;
        using var created = await client.PostAsJsonAsync(
            "v1/workspaces/hidden-one/instances",
            new JsonObject
            {
                ["widgetType"] = type,
                ["access"] = "token",
                ["config"] = sample["config"]!.DeepClone(),
            },
            ct
        );
        created.StatusCode.ShouldBe(HttpStatusCode.Created);
        var id = (await created.Content.ReadFromJsonAsync<JsonNode>(ct))!["publicId"]!.GetValue<string>();
        using var publish = new HttpRequestMessage(HttpMethod.Put, $"v1/instances/{id}/publication");
        publish.Content = JsonContent.Create(new { });
        publish.Headers.TryAddWithoutValidation("If-Match", created.Headers.ETag!.ToString());
        using var published = await client.SendAsync(publish, ct);
        published.StatusCode.ShouldBe(HttpStatusCode.OK);
        return new HiddenInstance(server, id);
    }

    public async Task<(string Id, string Token)> TokenAsync(CancellationToken ct)
    {
        var made = await Server.RunCliAsync(ct, "embed", "token", Id, "--json");
        made.ExitCode.ShouldBe(0, made.Errors);
        var json = JsonNode.Parse(made.Output)!;
        return (json["id"]!.GetValue<string>(), json["token"]!.GetValue<string>());
    }

    /// <summary>By the token itself: what somebody has who finds it where it should not be.</summary>
    public async Task RevokeAsync((string Id, string Token) token, CancellationToken ct)
    {
        var ended = await Server.RunCliAsync(ct, "embed", "revoke", Id, "--token", token.Token, "--json");
        ended.ExitCode.ShouldBe(0, ended.Errors);
        JsonNode.Parse(ended.Output)!["token"]!.GetValue<string>().ShouldBe(token.Id);
    }
}
