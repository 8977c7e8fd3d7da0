using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Platen.Access;

namespace Platen.Facts;

[Collection(typeof(ServerFacts))]
public sealed class AuthzMatrixTests(ServerFixture fixture)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_route_answers_every_kind_of_caller_as_was_agreed()
    {
        var server = await fixture.ServerAsync(Ct);
        using var anonymous = server.Anonymous();
        using var owner = server.Owner();
        await using var admin = await fixture.Postgres.OpenAdminAsync(Ct);
        var matrix = await AuthzMatrix.PrepareAsync(
            anonymous,
            owner,
            owner.DefaultRequestHeaders.Authorization!.Parameter!,
            admin,
            Ct
        );
        var rows = new List<AuthzRow>();
        foreach (
            var route in MappedRoute.Of(
                server.Services.GetServices<EndpointDataSource>().SelectMany(one => one.Endpoints)
            )
        )
        {
            rows.Add(await matrix.AskAsync(route, Ct));
        }
        Expected.NoFaults(AuthzMatrix.Faults(rows));
        Expected.NoFaults(OpenApiRules.Untold(await OpenApiTests.ReadAsync(anonymous, Ct), rows));
        Expected.Equal("tests/expected/authz.txt", AuthzMatrix.Draw(rows));
    }

    [Fact]
    public void An_answer_that_nobody_may_get_is_found()
    {
        var inWorkspace = new MappedRoute("GET", "/v1/workspaces/{ws}", Scopes.WorkspaceRead + MappedRoute.InWorkspace);
        var guarded = new MappedRoute("GET", "/v1/keys", Scopes.KeysManage);
        var open = new MappedRoute("GET", "/", "anybody");
        AuthzMatrix
            .Faults([
                Row(inWorkspace, "other", 200),
                Row(inWorkspace, "other", 403),
                Row(inWorkspace, "no-scope", 200),
                Row(inWorkspace, "publisher", 200),
                Row(guarded, "nobody", 200),
                Row(guarded, "viewer", 500),
                Row(open, "nobody", 200),
                Row(inWorkspace, "owner", 200),
            ])
            .Count()
            .ShouldBe(6);
    }

    private static AuthzRow Row(MappedRoute route, string kind, int status)
    {
        var statuses = AuthzMatrix.Kinds.ToDictionary(k => k, k => k == "nobody" ? 401 : 404, StringComparer.Ordinal);
        statuses[kind] = status;
        return new AuthzRow(route, statuses);
    }
}
