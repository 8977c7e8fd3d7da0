using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Platen.Facts;

[Collection(typeof(ServerFacts))]
public sealed class OpenApiTests(ServerFixture fixture)
{
    private static readonly JsonSerializerOptions Indented = new()
    {
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_document_is_the_one_that_was_agreed() =>
        Expected.Equal("tests/expected/openapi.json", (await DocumentAsync()).ToJsonString(Indented));

    [Fact]
    public async Task The_reference_for_readers_is_the_document() =>
        Expected.Equal("docs/reference/api.md", ApiReference.Draw(await DocumentAsync()));

    [Fact]
    public async Task Every_operation_has_a_name_and_tells_its_success() =>
        Expected.NoFaults(OpenApiRules.Faults(await DocumentAsync()));

    [Fact]
    public async Task Every_route_of_the_api_is_in_it_unless_it_says_otherwise() =>
        Expected.NoFaults(
            OpenApiRules.Missing(
                await DocumentAsync(),
                MappedRoute.Of(
                    (await fixture.ServerAsync(Ct))
                        .Services.GetServices<EndpointDataSource>()
                        .SelectMany(one => one.Endpoints)
                )
            )
        );

    [Fact]
    public void A_route_that_the_document_forgets_is_found()
    {
        var broken = JsonNode.Parse(Repository.Fixture("OpenApi/broken.json"))!.AsObject();

        OpenApiRules
            .Missing(
                broken,
                [
                    new MappedRoute("GET", "/v1/d/{**stream}", Who: null),
                    new MappedRoute("PUT", "/v1/d/{**stream}", Who: null),
                    new MappedRoute("GET", "/v1/hidden", Who: null, IsLeftOut: true),
                    new MappedRoute("GET", "/page", Who: null),
                ]
            )
            .ShouldHaveSingleItem()
            .ShouldStartWith("PUT /v1/d/{**stream} is not in the document");
    }

    [Fact]
    public void A_document_with_a_nameless_twin_or_silent_operation_is_refused()
    {
        var broken = JsonNode.Parse(Repository.Fixture("OpenApi/broken.json"))!.AsObject();

        OpenApiRules
            .Faults(broken)
            .ShouldBe(
                [
                    "get /a has no operationId.",
                    "put /a tells no success.",
                    "get /b has no Problem for 404.",
                    "post /b has a body and no 413.",
                    "post /b does not tell what its 200 is.",
                    "get /c/{id} has no parameter id.",
                    "The operationId twin stands at get /b, put /a.",
                ],
                ignoreOrder: true
            );
    }

    [Fact]
    public void An_answer_that_the_document_does_not_tell_is_found()
    {
        var broken = JsonNode.Parse(Repository.Fixture("OpenApi/broken.json"))!.AsObject();
        var statuses = new Dictionary<string, int> { ["nobody"] = 401, ["owner"] = 200 };
        OpenApiRules
            .Untold(
                broken,
                [
                    new AuthzRow(new MappedRoute("GET", "/c/{id:guid}/", Who: null), statuses),
                    new AuthzRow(new MappedRoute("GET", "/not/in/the/document", Who: null), statuses),
                ]
            )
            .ShouldBe(["GET /c/{id:guid}/ answers 401, and the document does not tell."]);
    }

    internal static async Task<JsonObject> ReadAsync(HttpClient client, CancellationToken ct) =>
        JsonNode.Parse(await client.GetStringAsync("/openapi/v1.json", ct))!.AsObject();

    private async Task<JsonObject> DocumentAsync()
    {
        using var client = (await fixture.ServerAsync(Ct)).Anonymous();
        var document = await ReadAsync(client, Ct);
        document["openapi"]!.GetValue<string>().ShouldStartWith("3.1");
        return Sorted(document).AsObject();
    }

    // The order of members is the generator's affair; only what they say is a fact.
    private static JsonNode Sorted(JsonNode node) =>
        node switch
        {
            JsonObject members => new JsonObject(
                members
                    .OrderBy(member => member.Key, StringComparer.Ordinal)
                    .Select(member => KeyValuePair.Create(member.Key, member.Value is { } value ? Sorted(value) : null))
            ),
            JsonArray items => new JsonArray([.. items.Select(item => item is null ? null : Sorted(item))]),
            _ => node.DeepClone(),
        };
}
