using System.Text.Json.Nodes;

namespace Platen.Server.Tests.People;

public sealed class PasskeyTests(ServerFixture server)
{
    [Fact]
    public async Task A_passkey_is_added_signs_in_and_is_removed()
    {
        var ada = await TestPerson.AddAsync(server);
        using var browser = await ada.SignInAsync(server);
        using var key = new SoftAuthenticator();
        var added = await AddAsync(browser, key, "Ada's phone");
        added.Status.ShouldBe(201, added.Text);
        var list = (await browser.SendAsync(HttpMethod.Get, "/v1/passkeys")).Json["items"]!.AsArray();
        list.Single()!["name"]!.GetValue<string>().ShouldBe("Ada's phone");

        using var other = new Browser(server.Address);
        var signedIn = await SignInAsync(other, key);
        signedIn.Status.ShouldBe(204, signedIn.Text);
        var session = (await other.SendAsync(HttpMethod.Get, "/v1/session")).Json;
        session["method"]!.GetValue<string>().ShouldBe("passkey");
        session["person"]!["id"]!.GetValue<Guid>().ShouldBe(ada.Id);
        list = (await browser.SendAsync(HttpMethod.Get, "/v1/passkeys")).Json["items"]!.AsArray();
        list.Single()!["lastUsedAt"].ShouldNotBeNull();

        using var mallory = await (await TestPerson.AddAsync(server, "Mallory")).SignInAsync(server);
        (await mallory.SendAsync(HttpMethod.Delete, $"/v1/passkeys/{list[0]!["id"]}")).Status.ShouldBe(404);
        (await browser.SendAsync(HttpMethod.Delete, $"/v1/passkeys/{list[0]!["id"]}")).Status.ShouldBe(204);
        (await browser.SendAsync(HttpMethod.Delete, "/v1/passkeys/!")).Status.ShouldBe(404);
        (await SignInAsync(other, key)).Problem.ShouldBe("passkey-refused");
    }

    [Fact]
    public async Task An_answer_works_once()
    {
        var ada = await TestPerson.AddAsync(server);
        using var browser = await ada.SignInAsync(server);
        using var key = new SoftAuthenticator();
        (await AddAsync(browser, key)).Status.ShouldBe(201);
        var challenge = (await browser.SendAsync(HttpMethod.Post, "/v1/session/passkey-options")).Json;
        var body = new JsonObject
        {
            ["ceremony"] = challenge["ceremony"]!.DeepClone(),
            ["credential"] = key.SignIn(challenge["options"]!, browser.Origin),
        }.ToJsonString();
        var all = await Task.WhenAll(
            Enumerable.Range(0, 8).Select(_ => browser.SendAsync(HttpMethod.Post, "/v1/session/passkey", body))
        );
        all.Count(a => a.Status == 204).ShouldBe(1);
        all.Count(a => a.Problem == "passkey-refused").ShouldBe(7);
    }

    [Fact]
    public async Task What_was_signed_for_another_challenge_site_or_person_is_refused()
    {
        var ada = await TestPerson.AddAsync(server);
        using var browser = await ada.SignInAsync(server);
        using var key = new SoftAuthenticator();
        (await AddAsync(browser, key)).Status.ShouldBe(201);
        using var visitor = new Browser(server.Address);

        var first = (await visitor.SendAsync(HttpMethod.Post, "/v1/session/passkey-options")).Json;
        var second = (await visitor.SendAsync(HttpMethod.Post, "/v1/session/passkey-options")).Json;
        (await AnswerAsync(visitor, second, key.SignIn(first["options"]!, visitor.Origin))).Problem.ShouldBe(
            "passkey-refused"
        );

        (await SignInAsync(visitor, key, "https://evil.example")).Problem.ShouldBe("passkey-refused");
        key.Site = "evil.example";
        (await SignInAsync(visitor, key)).Problem.ShouldBe("passkey-refused");
        key.Site = "localhost";

        key.VerifiesUser = false;
        (await SignInAsync(visitor, key)).Problem.ShouldBe("passkey-refused");
        key.VerifiesUser = true;

        using var stranger = new SoftAuthenticator();
        var options = (await visitor.SendAsync(HttpMethod.Post, "/v1/session/passkey-options")).Json;
        (await AnswerAsync(visitor, options, stranger.SignIn(options["options"]!, visitor.Origin))).Problem.ShouldBe(
            "passkey-refused"
        );

        options = (await visitor.SendAsync(HttpMethod.Post, "/v1/session/passkey-options")).Json;
        var forged = key.SignIn(options["options"]!, visitor.Origin);
        forged["response"]!["signature"] = stranger.SignIn(options["options"]!, visitor.Origin)["response"]![
            "signature"
        ]!.DeepClone();
        (await AnswerAsync(visitor, options, forged)).Problem.ShouldBe("passkey-refused");
        visitor.Session.ShouldBeNull();

        (await SignInAsync(visitor, key)).Status.ShouldBe(204);
        // A copy of the device counts from where it was copied.
        key.Count = 1;
        (await SignInAsync(visitor, key)).Problem.ShouldBe("passkey-refused");
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"ceremony":"not an id","credential":{}}""")]
    [InlineData("""{"ceremony":"00000000-0000-0000-0000-000000000000","credential":{}}""")]
    [InlineData("""{"ceremony":"00000000-0000-0000-0000-000000000000","credential":null}""")]
    public async Task What_is_no_answer_is_refused(string body)
    {
        using var visitor = new Browser(server.Address);
        var answer = await visitor.SendAsync(HttpMethod.Post, "/v1/session/passkey", body);
        answer.Status.ShouldBe(422, answer.Text);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("""{"id":"AAAA","rawId":"AAAA","type":"public-key","clientExtensionResults":{},"response":{}}""")]
    [InlineData("[1,2]")]
    public async Task A_credential_that_is_none_is_refused_and_nothing_breaks(string credential)
    {
        using var visitor = new Browser(server.Address);
        var options = (await visitor.SendAsync(HttpMethod.Post, "/v1/session/passkey-options")).Json;
        var body = $$"""{"ceremony":"{{options["ceremony"]}}","credential":{{credential}}}""";
        var answer = await visitor.SendAsync(HttpMethod.Post, "/v1/session/passkey", body);
        (answer.Status, answer.Problem).ShouldBe((422, "passkey-refused"));
    }

    [Fact]
    public async Task A_challenge_of_one_person_adds_no_passkey_to_another()
    {
        using var ada = await (await TestPerson.AddAsync(server)).SignInAsync(server);
        using var mallory = await (await TestPerson.AddAsync(server, "Mallory")).SignInAsync(server);
        using var key = new SoftAuthenticator();
        var challenge = (await mallory.SendAsync(HttpMethod.Post, "/v1/passkeys/options")).Json;
        var body = new JsonObject
        {
            ["ceremony"] = challenge["ceremony"]!.DeepClone(),
            ["credential"] = key.Register(challenge["options"]!, mallory.Origin),
        }.ToJsonString();
        (await ada.SendAsync(HttpMethod.Post, "/v1/passkeys", body)).Problem.ShouldBe("passkey-refused");
        (await mallory.SendAsync(HttpMethod.Post, "/v1/session/passkey", body)).Problem.ShouldBe("passkey-refused");
        (await mallory.SendAsync(HttpMethod.Post, "/v1/passkeys", body)).Status.ShouldBe(201);
        // The same passkey for somebody else.
        challenge = (await ada.SendAsync(HttpMethod.Post, "/v1/passkeys/options")).Json;
        var again = new JsonObject
        {
            ["ceremony"] = challenge["ceremony"]!.DeepClone(),
            ["credential"] = key.Register(challenge["options"]!, ada.Origin),
        }.ToJsonString();
        (await ada.SendAsync(HttpMethod.Post, "/v1/passkeys", again)).Problem.ShouldBe("passkey-refused");
    }

    [Fact]
    public async Task A_person_has_so_many_passkeys_and_no_more()
    {
        using var browser = await (await TestPerson.AddAsync(server)).SignInAsync(server);
        for (var i = 0; i < 20; i++)
        {
            using var key = new SoftAuthenticator();
            (await AddAsync(browser, key)).Status.ShouldBe(201);
        }
        (await browser.SendAsync(HttpMethod.Post, "/v1/passkeys/options")).Problem.ShouldBe("too-many-passkeys");
    }

    [Fact]
    public async Task A_disabled_persons_passkey_signs_nobody_in()
    {
        var ada = await TestPerson.AddAsync(server);
        using var browser = await ada.SignInAsync(server);
        using var key = new SoftAuthenticator();
        (await AddAsync(browser, key)).Status.ShouldBe(201);
        await server.Owner.SendAsync(HttpMethod.Post, $"/v1/people/{ada.Id}/disable");
        using var visitor = new Browser(server.Address);
        (await SignInAsync(visitor, key)).Problem.ShouldBe("passkey-refused");
    }

    private static async Task<Answer> AddAsync(Browser browser, SoftAuthenticator key, string? name = null)
    {
        var challenge = (await browser.SendAsync(HttpMethod.Post, "/v1/passkeys/options")).Json;
        var body = new JsonObject
        {
            ["ceremony"] = challenge["ceremony"]!.DeepClone(),
            ["credential"] = key.Register(challenge["options"]!, browser.Origin),
            ["name"] = name,
        };
        return await browser.SendAsync(HttpMethod.Post, "/v1/passkeys", body.ToJsonString());
    }

    private static async Task<Answer> SignInAsync(Browser browser, SoftAuthenticator key, string? origin = null)
    {
        var challenge = (await browser.SendAsync(HttpMethod.Post, "/v1/session/passkey-options")).Json;
        return await AnswerAsync(browser, challenge, key.SignIn(challenge["options"]!, origin ?? browser.Origin));
    }

    private static Task<Answer> AnswerAsync(Browser browser, JsonNode challenge, JsonNode credential)
    {
        var body = new JsonObject
        {
            ["ceremony"] = challenge["ceremony"]!.DeepClone(),
            ["credential"] = credential.DeepClone(),
        };
        return browser.SendAsync(HttpMethod.Post, "/v1/session/passkey", body.ToJsonString());
    }
}
