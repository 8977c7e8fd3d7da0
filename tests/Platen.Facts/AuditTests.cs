using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Patterns;
using Microsoft.Extensions.DependencyInjection;
using Platen.Access.Audit;

namespace Platen.Facts;

[Collection(typeof(ServerFacts))]
public sealed class AuditTests(ServerFixture fixture)
{
    [Fact]
    public async Task What_each_write_leaves_in_the_audit_log_is_what_was_agreed() =>
        Expected.Equal("tests/expected/audit.txt", AuditRules.Draw(await RoutesAsync()));

    [Fact]
    public async Task Every_write_says_what_it_leaves_in_the_audit_log() =>
        Expected.NoFaults(AuditRules.Faults(await RoutesAsync()));

    [Fact]
    public void A_write_that_says_nothing_is_refused()
    {
        var routes = WritingRoute
            .Of([
                Route("/silent", "PUT"),
                Route("/empty", "POST", new Audited([], null)),
                Route("/read", "GET"),
                Route("/recorded", "DELETE", new Audited(["thing.removed"], null)),
                Route("/excused", "POST", new Audited([], "it only computes")),
            ])
            .ToList();

        AuditRules
            .Faults(routes)
            .Select(fault => fault.Split(' ')[1])
            .ShouldBe(["/empty", "/silent"], ignoreOrder: true);
    }

    private async Task<List<WritingRoute>> RoutesAsync() =>
        [
            .. WritingRoute.Of(
                (await fixture.ServerAsync(TestContext.Current.CancellationToken))
                    .Services.GetServices<EndpointDataSource>()
                    .SelectMany(one => one.Endpoints)
            ),
        ];

    private static RouteEndpoint Route(string pattern, string method, params object[] metadata) =>
        new(
            _ => Task.CompletedTask,
            RoutePatternFactory.Parse(pattern),
            0,
            new EndpointMetadataCollection([.. metadata, new HttpMethodMetadata([method])]),
            pattern
        );
}
