using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Routing;
using Platen.Access;
using Platen.Kernel;

namespace Platen.Server.Tests;

/// <summary>
/// Every operation that changes an instance, on a server of each profile, with a key that may do everything: what the stage is for
/// decides alone.
/// </summary>
public sealed class ProfileMatrixTests(ServerFixture server)
{
    private const string Curated = "wgt_curated_matrix";
    private const string User = "wgt_content.faq_u_matrix";
    private const string Other = "wgt_curated_matrix-other";

    /// <summary>
    /// operation, then curated on standalone, authoring and cloud, then user on the same: the status, or the problem that refuses it.
    /// A curated instance is never deleted but deprecated, so to delete one is refused everywhere, each time for the first reason there is.
    /// </summary>
    private const string Matrix = """
        PUT /v1/instances/{publicId}/                                     200 200 curated-arrives-by-publish | 200 no-user-instances-here 200
        PATCH /v1/instances/{publicId}/                                   200 200 curated-arrives-by-publish | 200 no-user-instances-here 200
        PUT /v1/instances/{publicId}/locales/{locale}                     201 201 curated-arrives-by-publish | 201 no-user-instances-here 201
        DELETE /v1/instances/{publicId}/locales/{locale}                  204 204 curated-arrives-by-publish | 204 no-user-instances-here 204
        POST /v1/instances/{publicId}/versions/{revision:long}/restore    200 200 curated-arrives-by-publish | 200 no-user-instances-here 200
        POST /v1/instances/{publicId}/type                                200 200 curated-arrives-by-publish | 200 no-user-instances-here 200
        PUT /v1/instances/{publicId}/publication                          200 200 curated-arrives-by-publish | 200 no-user-instances-here 200
        PUT /v1/instances/{publicId}/publication (release)                200 200 200 | 200 no-user-instances-here 200
        POST /v1/instances/{publicId}/preview-links                       200 200 200 | 200 no-user-instances-here 200
        PUT /v1/cutovers/{id:guid} (snapshot)                             200 not-taken-in-here 200 | - - -
        PUT /v1/cutovers/{id:guid} (release)                              200 200 200 | - - -
        DELETE /v1/instances/{publicId}/publication                       204 204 curated-arrives-by-publish | 204 no-user-instances-here 204
        DELETE /v1/instances/{publicId}/                                  conflict conflict curated-arrives-by-publish | 200 no-user-instances-here 200
        POST /v1/instances/{publicId}/restore                             conflict conflict curated-arrives-by-publish | 200 no-user-instances-here 200
        POST /v1/workspaces/{ws}/instances/                               - - - | 201 no-user-instances-here 201
        """;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("standalone", 0)]
    [InlineData("authoring", 1)]
    [InlineData("cloud", 2)]
    public async Task An_operation_is_for_the_profiles_that_the_matrix_says(string profile, int column)
    {
        await using var stage = await StageServer.StartAsync(server.Postgres, profile);
        await using var source = await StageServer.StartAsync(server.Postgres, "authoring");
        var curated = await CuratedAsync(stage, source, profile);
        var expected = Rows();
        var answered = new List<string>();
        foreach (var (operation, _) in expected)
            answered.Add(await AnswerAsync(operation, curated));
        var workspace = await WorkspaceAsync(stage, profile);
        var users = new List<string>();
        foreach (var (operation, _) in expected)
            users.Add(await AnswerAsync(operation, workspace));
        answered.ShouldBe(expected.Select(row => row.Cells[column]));
        users.ShouldBe(expected.Select(row => row.Cells[3 + column]));
    }

    [Fact]
    public void Every_operation_that_changes_an_instance_is_in_the_matrix()
    {
        var mapped = server
            .Endpoints.OfType<RouteEndpoint>()
            .Where(e =>
                e.RoutePattern.RawText!.StartsWith("/v1/instances/{publicId}", StringComparison.Ordinal)
                || e.RoutePattern.RawText == "/v1/workspaces/{ws}/instances/"
            )
            .SelectMany(e =>
                e.Metadata.GetMetadata<Microsoft.AspNetCore.Routing.HttpMethodMetadata>()!
                    .HttpMethods.Where(m => m is not ("GET" or "HEAD"))
                    .Select(m => m + " " + e.RoutePattern.RawText)
            )
            // A token shows an instance and changes nothing of it.
            .Where(o => !o.Contains("/embed-tokens", StringComparison.Ordinal))
            .Distinct()
            .Order(StringComparer.Ordinal);
        Rows()
            .Select(row => row.Operation.Split(" (")[0])
            .Where(o => !o.Contains("cutovers", StringComparison.Ordinal))
            .Distinct()
            .Order(StringComparer.Ordinal)
            .ShouldBe(mapped);
    }

    private static List<(string Operation, string[] Cells)> Rows() =>
        [
            .. Matrix
                .Split('\n')
                .Select(line => line.Split("  ", 2, StringSplitOptions.TrimEntries))
                .Select(parts => (parts[0], parts[1].Split(' ').Where(cell => cell != "|").ToArray())),
        ];

    private static string PathOf(string id) => "/v1/instances/" + id;

    private sealed record Subject(
        HttpClient Client,
        string Id,
        string? FirstRelease,
        Func<Task<Answer>>? TakeIn,
        string? Workspace
    );

    /// <summary>A curated instance with two publications, brought as the profile has it.</summary>
    private static async Task<Subject> CuratedAsync(StageServer stage, StageServer source, string profile)
    {
        string? first = null;
        foreach (var (revision, heading) in ((int, string)[])[(0, "one"), (1, "two")])
        {
            var seen = revision == 0 ? null : $"\"{revision.ToString(CultureInfo.InvariantCulture)}\"";
            if (profile == "cloud")
            {
                await source.SaveAsync(Curated, heading, seen);
                (await stage.PublishAsync(source, [Curated])).Status.ShouldBe(200);
            }
            else
            {
                await stage.SaveAsync(Curated, heading, seen);
                (
                    await stage.Publisher.SendAsync(HttpMethod.Put, PathOf(Curated) + "/publication", new { }, "*")
                ).Status.ShouldBe(200);
            }
            first ??= await LiveAsync(stage.Publisher, Curated);
        }
        await source.SaveAsync(Other, "arrives");
        return new Subject(stage.Publisher, Curated, first, TakeInAsync, Workspace: null);

        async Task<Answer> TakeInAsync()
        {
            if (profile != "authoring")
                return await stage.PublishAsync(source, [Other]);
            // Not even a snapshot that was pushed by other means.
            var order = new
            {
                items = new[] { new { publicId = Other, snapshot = "sha256:" + new string('0', 64) } },
                stage = await source.StageIdAsync(),
            };
            return await stage.Publisher.SendAsync(HttpMethod.Put, $"/v1/cutovers/{Guid.CreateVersion7()}", order);
        }
    }

    private static async Task<Subject> WorkspaceAsync(StageServer stage, string profile)
    {
        var made = await stage.Publisher.SendAsync(
            HttpMethod.Post,
            "/v1/workspaces",
            new { name = "Matrix", slug = "matrix-tests" }
        );
        made.Status.ShouldBe(201, made.Text);
        var id = made.Json["id"]!.GetValue<string>();
        var client = stage.Client(
            await stage.KeyAsync(
                OwnerId.Of(new WorkspaceId(Guid.Parse(id))),
                Scopes.InstancesRead,
                Scopes.InstancesWrite
            )
        );
        if (profile == "authoring")
            return new Subject(client, User, "sha256:" + new string('0', 64), TakeIn: null, id);
        foreach (var heading in (string[])["one", "two"])
        {
            var saved = await client.SendAsync(
                HttpMethod.Put,
                PathOf(User),
                UserInstanceTests.Faq(heading),
                heading == "one" ? null : "*",
                create: heading == "one"
            );
            saved.Status.ShouldBeInRange(200, 201, saved.Text);
            (await client.SendAsync(HttpMethod.Put, PathOf(User) + "/publication", new { }, "*")).Status.ShouldBe(200);
            if (heading == "one")
                id += " " + await LiveAsync(client, User);
        }
        return new Subject(client, User, id.Split(' ')[1], TakeIn: null, id.Split(' ')[0]);
    }

    private static async Task<string> LiveAsync(HttpClient client, string id) =>
        (await client.SendAsync(HttpMethod.Get, PathOf(id) + "/publication")).Json["release"]!.GetValue<string>();

    private static async Task<string> AnswerAsync(string operation, Subject on)
    {
        var path = PathOf(on.Id);
        var sent = operation switch
        {
            "PUT /v1/instances/{publicId}/" => on.Client.SendAsync(
                HttpMethod.Put,
                path,
                UserInstanceTests.Faq("three"),
                "*"
            ),
            "PATCH /v1/instances/{publicId}/" => on.Client.SendAsync(
                HttpMethod.Patch,
                path,
                new { status = "deprecated" },
                "*"
            ),
            "PUT /v1/instances/{publicId}/locales/{locale}" => on.Client.SendAsync(
                HttpMethod.Put,
                path + "/locales/de",
                new JsonObject
                {
                    ["ops"] = new JsonArray(
                        new JsonObject
                        {
                            ["op"] = "set",
                            ["path"] = "/heading",
                            ["value"] = "drei",
                        }
                    ),
                },
                create: true
            ),
            "DELETE /v1/instances/{publicId}/locales/{locale}" => on.Client.SendAsync(
                HttpMethod.Delete,
                path + "/locales/de",
                ifMatch: "*"
            ),
            "POST /v1/instances/{publicId}/versions/{revision:long}/restore" => on.Client.SendAsync(
                HttpMethod.Post,
                path + "/versions/1/restore",
                ifMatch: "*"
            ),
            "POST /v1/instances/{publicId}/type" => on.Client.SendAsync(
                HttpMethod.Post,
                path + "/type",
                new { widgetType = "content.faq" },
                "*"
            ),
            "PUT /v1/instances/{publicId}/publication" => on.Client.SendAsync(
                HttpMethod.Put,
                path + "/publication",
                new { },
                "*"
            ),
            "PUT /v1/instances/{publicId}/publication (release)" => on.Client.SendAsync(
                HttpMethod.Put,
                path + "/publication",
                new { release = on.FirstRelease },
                "*"
            ),
            "POST /v1/instances/{publicId}/preview-links" => on.Client.SendAsync(
                HttpMethod.Post,
                path + "/preview-links",
                new { minutes = 5 }
            ),
            "DELETE /v1/instances/{publicId}/publication" => on.Client.SendAsync(
                HttpMethod.Delete,
                path + "/publication",
                ifMatch: "*"
            ),
            "DELETE /v1/instances/{publicId}/" => on.Client.SendAsync(HttpMethod.Delete, path, ifMatch: "*"),
            "POST /v1/instances/{publicId}/restore" => on.Client.SendAsync(
                HttpMethod.Post,
                path + "/restore",
                ifMatch: "*"
            ),
            "POST /v1/workspaces/{ws}/instances/" when on.Workspace is { } workspace => on.Client.SendAsync(
                HttpMethod.Post,
                $"/v1/workspaces/{workspace}/instances",
                UserInstanceTests.Faq("made")
            ),
            "PUT /v1/cutovers/{id:guid} (snapshot)" when on.TakeIn is { } takeIn => takeIn(),
            "PUT /v1/cutovers/{id:guid} (release)" when on.Workspace is null => GoBackTogetherAsync(on),
            _ => null,
        };
        if (sent is null)
            return "-";
        var answer = await sent;
        return answer.Status < 400
            ? answer.Status.ToString(CultureInfo.InvariantCulture)
            : answer.Problem ?? answer.Text;
    }

    private static async Task<Answer> GoBackTogetherAsync(Subject on)
    {
        var publication = await on.Client.SendAsync(HttpMethod.Get, PathOf(on.Id) + "/publication");
        var items = new[]
        {
            new
            {
                publicId = on.Id,
                release = on.FirstRelease,
                seen = publication.Json["release"]?.GetValue<string>(),
            },
        };
        return await on.Client.SendAsync(HttpMethod.Put, $"/v1/cutovers/{Guid.CreateVersion7()}", new { items });
    }
}
