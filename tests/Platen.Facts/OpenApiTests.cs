using System.Text.Json;
using System.Text.Json.Nodes;

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
    public async Task Every_operation_has_a_name_and_tells_its_success() =>
        Expected.NoFaults(OpenApiRules.Faults(await DocumentAsync()));

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
                    "The operationId twin stands at get /b, put /a.",
                ],
                ignoreOrder: true
            );
    }

    private async Task<JsonObject> DocumentAsync()
    {
        using var client = (await fixture.ServerAsync(Ct)).Anonymous();
        var document = JsonNode.Parse(await client.GetStringAsync("/openapi/v1.json", Ct))!.AsObject();
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
