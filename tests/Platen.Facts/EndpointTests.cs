using System.Net;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Patterns;
using Microsoft.Extensions.DependencyInjection;
using Platen.Access;

namespace Platen.Facts;

[Collection(typeof(ServerFacts))]
public sealed partial class EndpointTests(ServerFixture fixture)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Routes_and_who_may_use_them_are_those_that_were_agreed() =>
        Expected.Equal("tests/expected/endpoints.txt", EndpointRules.Draw(await RoutesAsync()));

    [Fact]
    public async Task Every_route_says_who_may_use_it() => Expected.NoFaults(EndpointRules.Faults(await RoutesAsync()));

    [Fact]
    public async Task No_guarded_route_answers_without_a_key()
    {
        using var client = (await fixture.ServerAsync(Ct)).Anonymous();
        var guarded = (await RoutesAsync()).Where(route => route.Who is not "anybody").ToList();
        guarded.ShouldNotBeEmpty();
        var answers = new List<(MappedRoute Route, HttpStatusCode Status)>();
        foreach (var route in guarded)
        {
            using var request = new HttpRequestMessage(
                new HttpMethod(route.Method),
                Parameter().Replace(route.Pattern, Filled)
            );
            using var response = await client.SendAsync(request, Ct);
            answers.Add((route, response.StatusCode));
        }
        Expected.NoFaults(Answering(answers));
    }

    [Fact]
    public void A_guarded_route_that_answers_without_a_key_is_found()
    {
        var routes = MappedRoute.Of([Route("/shut", new NeededScope(Scopes.EventsRead)), Route("/ajar")]).ToList();

        Answering([(routes[0], HttpStatusCode.Unauthorized), (routes[1], HttpStatusCode.NotFound)])
            .ShouldHaveSingleItem()
            .ShouldEndWith(" answers 404 without a key.");
    }

    private static IEnumerable<string> Answering(IEnumerable<(MappedRoute Route, HttpStatusCode Status)> answers) =>
        answers
            .Where(answer => answer.Status != HttpStatusCode.Unauthorized)
            .Select(answer => $"{answer.Route} answers {(int)answer.Status} without a key.");

    [Fact]
    public void A_route_that_says_nothing_or_two_things_or_enforces_nothing_is_refused()
    {
        var routes = MappedRoute
            .Of([
                Route("/silent"),
                Route("/both", new AllowAnonymousAttribute(), new NeededScope(Scopes.EventsRead)),
                Route("/unenforced", new NeededScope(Scopes.EventsRead)),
                Route("/unknown", new NeededScope("no:such"), new AuthorizeAttribute("no:such")),
                Route("/open", new AllowAnonymousAttribute()),
                Route("/guarded", new NeededScope(Scopes.EventsRead), new AuthorizeAttribute(Scopes.EventsRead)),
            ])
            .ToList();

        EndpointRules
            .Faults(routes)
            .Select(fault => fault.Split(' ')[1])
            .ShouldBe(["/silent", "/both", "/unenforced", "/unknown"], ignoreOrder: true);
    }

    private async Task<List<MappedRoute>> RoutesAsync() =>
        [
            .. MappedRoute.Of(
                (await fixture.ServerAsync(Ct))
                    .Services.GetServices<EndpointDataSource>()
                    .SelectMany(one => one.Endpoints)
            ),
        ];

    private static RouteEndpoint Route(string pattern, params object[] metadata) =>
        new(
            _ => Task.CompletedTask,
            RoutePatternFactory.Parse(pattern),
            0,
            new EndpointMetadataCollection([.. metadata, new HttpMethodMetadata(["GET"])]),
            pattern
        );

    private static string Filled(Match parameter) =>
        parameter.Value switch
        {
            var value when value.Contains(":guid", StringComparison.Ordinal) => Guid.Empty.ToString(),
            var value when value.Contains(":long", StringComparison.Ordinal) => "1",
            _ => "wgt_main_content.faq",
        };

    [GeneratedRegex(@"\{[^}]*\}", RegexOptions.NonBacktracking)]
    private static partial Regex Parameter();
}
