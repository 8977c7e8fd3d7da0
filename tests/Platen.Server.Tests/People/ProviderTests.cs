using Microsoft.AspNetCore.WebUtilities;
using Platen.Access.People;

namespace Platen.Server.Tests.People;

public sealed class ProviderTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_provider_that_verified_the_address_signs_its_person_in_and_knows_them_from_then_on()
    {
        await using var provider = await OutsideProvider.StartAsync();
        await using var node = await StartAsync(provider);
        var ada = await TestPerson.AddAsync(server);
        provider.Present = new(NewSubject(), ada.Email.ToUpperInvariant(), EmailVerified: true);
        using var browser = new Browser(node.Address);
        (await GoAsync(browser, "/sign-in/acme?returnTo=%2Faccount%3Fdone%3Dlinked")).ShouldBe("/account?done=linked");
        provider.Exchanged.ShouldBe(1);
        provider.Refused.ShouldBeEmpty();
        var session = (await browser.SendAsync(HttpMethod.Get, "/v1/session")).Json;
        session["method"]!.GetValue<string>().ShouldBe("provider");
        session["person"]!["id"]!.GetValue<Guid>().ShouldBe(ada.Id);
        var linked = await server.Owner.SendAsync(
            HttpMethod.Get,
            $"/v1/audit?action=provider.linked&subject=person/{ada.Id}"
        );
        linked.Json["items"]!.AsArray().ShouldHaveSingleItem()!["after"].ShouldNotBeNull();

        provider.Present = provider.Present with { Email = "changed@example.org" };
        using var later = new Browser(node.Address);
        (await GoAsync(later, "/sign-in/acme")).ShouldBe("/account");
        (await later.SendAsync(HttpMethod.Get, "/v1/session")).Json["person"]!["id"]!.GetValue<Guid>().ShouldBe(ada.Id);

        await server.Owner.SendAsync(HttpMethod.Post, $"/v1/people/{ada.Id}/disable");
        using var disabled = new Browser(node.Address);
        (await GoAsync(disabled, "/sign-in/acme")).ShouldBe("/sign-in?problem=unknown");
        disabled.Session.ShouldBeNull();
    }

    [Fact]
    public async Task Nobody_is_let_in_for_an_address_that_was_not_proved_on_both_sides()
    {
        await using var provider = await OutsideProvider.StartAsync();
        await using var node = await StartAsync(provider);
        var ada = await TestPerson.AddAsync(server);
        var unproved = $"unproved{Guid.CreateVersion7():N}@example.org";
        await server.Owner.SendAsync(HttpMethod.Post, "/v1/people", new { displayName = "Eve", email = unproved });
        foreach (
            var (email, verified) in ((string, bool)[])
                [(ada.Email, false), (unproved, true), ("stranger@example.org", true)]
        )
        {
            provider.Present = new(NewSubject(), email, verified);
            using var browser = new Browser(node.Address);
            (await GoAsync(browser, "/sign-in/acme")).ShouldBe("/sign-in?problem=unknown");
            browser.Session.ShouldBeNull();
        }
        provider.Exchanged.ShouldBe(3);
    }

    [Fact]
    public async Task A_way_back_that_was_not_ones_own_or_was_used_leads_nowhere()
    {
        await using var provider = await OutsideProvider.StartAsync();
        await using var node = await StartAsync(provider);
        var ada = await TestPerson.AddAsync(server);
        provider.Present = new(NewSubject(), ada.Email, EmailVerified: true);
        using var browser = new Browser(node.Address);
        var (_, authorize) = await browser.OpenAsync("/sign-in/acme");
        var callback = await AtProviderAsync(authorize!);

        // Somebody else's browser: the state is bound to the one that began.
        using var other = new Browser(node.Address);
        (await other.OpenAsync(callback)).Location.ShouldBe("/sign-in?problem=provider");
        other.Session.ShouldBeNull();
        provider.Exchanged.ShouldBe(0);

        (await browser.OpenAsync(callback)).Location.ShouldBe("/account");
        browser.Session.ShouldNotBeNull();
        (await browser.OpenAsync(callback)).Location.ShouldBe("/sign-in?problem=provider");
        foreach (var made in (string[])["", "?code=x", "?code=x&state=y", "?error=access_denied"])
            (await browser.OpenAsync("/sign-in/acme/callback" + made)).Location.ShouldBe("/sign-in?problem=provider");
        provider.Exchanged.ShouldBe(1);
    }

    [Fact]
    public async Task A_code_is_worth_nothing_without_the_verifier_that_asked_for_it()
    {
        await using var provider = await OutsideProvider.StartAsync();
        await using var node = await StartAsync(provider);
        var ada = await TestPerson.AddAsync(server);
        provider.Present = new(NewSubject(), ada.Email, EmailVerified: true);
        using var mine = new Browser(node.Address);
        using var theirs = new Browser(node.Address);
        var (_, authorizeMine) = await mine.OpenAsync("/sign-in/acme");
        var (_, authorizeTheirs) = await theirs.OpenAsync("/sign-in/acme");
        var stolen = QueryHelpers.ParseQuery(new Uri(await AtProviderAsync(authorizeTheirs!)).Query)["code"].ToString();
        var state = QueryHelpers.ParseQuery(new Uri(authorizeMine!).Query)["state"].ToString();
        var forged = QueryHelpers.AddQueryString(
            "/sign-in/acme/callback",
            new Dictionary<string, string?>(StringComparer.Ordinal) { ["code"] = stolen, ["state"] = state }
        );
        (await mine.OpenAsync(forged)).Location.ShouldBe("/sign-in?problem=provider");
        mine.Session.ShouldBeNull();
        provider.Refused.ShouldBe(["token: verifier"]);
    }

    [Fact]
    public async Task Who_is_signed_in_links_a_provider_and_unlinks_it()
    {
        await using var provider = await OutsideProvider.StartAsync();
        await using var node = await StartAsync(provider);
        var ada = await TestPerson.AddAsync(server);
        provider.Present = new(NewSubject(), "private@example.org", EmailVerified: false);
        using var browser = new Browser(node.Address);
        await browser.SignInAsync(ada.Email, ada.Password);
        (await browser.PostFormAsync("/account/providers/acme/link", ("csrf", "wrong"))).Answer.Problem.ShouldBe(
            "cross-site"
        );
        var (_, authorize) = await browser.PostFormAsync("/account/providers/acme/link", ("csrf", browser.Csrf!));
        var callback = await AtProviderAsync(authorize!);
        (await browser.OpenAsync(callback)).Location.ShouldBe("/account?done=linked");

        using var other = new Browser(node.Address);
        (await GoAsync(other, "/sign-in/acme")).ShouldBe("/account");
        (await other.SendAsync(HttpMethod.Get, "/v1/session")).Json["person"]!["id"]!.GetValue<Guid>().ShouldBe(ada.Id);

        // The same identity is nobody else's.
        var bob = await TestPerson.AddAsync(server, "Bob");
        using var bobs = new Browser(node.Address);
        await bobs.SignInAsync(bob.Email, bob.Password);
        (_, authorize) = await bobs.PostFormAsync("/account/providers/acme/link", ("csrf", bobs.Csrf!));
        (await bobs.OpenAsync(await AtProviderAsync(authorize!))).Location.ShouldBe(
            "/account?problem=linked-elsewhere"
        );

        await browser.PostFormAsync("/account/providers/acme/unlink", ("csrf", browser.Csrf!));
        using var after = new Browser(node.Address);
        (await GoAsync(after, "/sign-in/acme")).ShouldBe("/sign-in?problem=unknown");
    }

    [Fact]
    public async Task A_link_that_was_begun_in_another_session_is_not_finished_in_this_one()
    {
        await using var provider = await OutsideProvider.StartAsync();
        await using var node = await StartAsync(provider);
        var ada = await TestPerson.AddAsync(server);
        provider.Present = new(NewSubject(), "private@example.org", EmailVerified: false);
        using var browser = new Browser(node.Address);
        await browser.SignInAsync(ada.Email, ada.Password);
        var (_, authorize) = await browser.PostFormAsync("/account/providers/acme/link", ("csrf", browser.Csrf!));
        var callback = await AtProviderAsync(authorize!);
        var bob = await TestPerson.AddAsync(server, "Bob");
        await browser.SignInAsync(bob.Email, bob.Password);
        (await browser.OpenAsync(callback)).Location.ShouldBe("/sign-in?problem=provider");
    }

    [Fact]
    public async Task The_ways_to_sign_in_are_told()
    {
        await using var provider = await OutsideProvider.StartAsync();
        await using var node = await StartAsync(provider);
        using var browser = new Browser(node.Address);
        var methods = (await browser.SendAsync(HttpMethod.Get, "/v1/sign-in-methods")).Json;
        methods["providers"]![0]!["title"]!.GetValue<string>().ShouldBe("Acme");
        (await browser.OpenAsync("/sign-in")).Answer.Text.ShouldContain("Continue with Acme");
        (await browser.OpenAsync("/sign-in/other")).Answer.Problem.ShouldBe("not-found");
        using var without = new Browser(server.Address);
        (await without.OpenAsync("/sign-in/acme")).Answer.Problem.ShouldBe("not-found");
    }

    private static string NewSubject() => Guid.CreateVersion7().ToString("N");

    private Task<ServerNode> StartAsync(OutsideProvider provider) =>
        server.StartNodeAsync(PeopleSettings.In(server.Postgres.Folder) with { Providers = [provider.Settings] });

    /// <summary>The whole way: there, at the provider, and back; where it leads to.</summary>
    private static async Task<string?> GoAsync(Browser browser, string path)
    {
        var (answer, authorize) = await browser.OpenAsync(path);
        answer.Status.ShouldBe(302, answer.Text);
        return (await browser.OpenAsync(await AtProviderAsync(authorize!))).Location;
    }

    private static async Task<string> AtProviderAsync(string authorize)
    {
        using var client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false });
        using var response = await client.GetAsync(new Uri(authorize), Ct);
        response.StatusCode.ShouldBe(System.Net.HttpStatusCode.Redirect, await response.Content.ReadAsStringAsync(Ct));
        return response.Headers.Location!.ToString();
    }
}
