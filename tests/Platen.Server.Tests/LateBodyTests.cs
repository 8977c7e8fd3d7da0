using System.Diagnostics;
using System.Text.Json;
using Platen.Kernel;
using Platen.Platform.Http;
using Platen.Testing;

namespace Platen.Server.Tests;

/// <summary>Requests whose caller loses their right while the body is on its way.</summary>
public sealed class LateBodyTests(ServerFixture server)
{
    private const int HeadBytes = 20_000;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Who_is_removed_while_their_request_arrives_writes_nothing_with_it()
    {
        var answers = await Task.WhenAll(
            SendAsync("nothing", byKey: false, (_, _) => Task.CompletedTask),
            SendAsync("nothing", byKey: true, (_, _) => Task.CompletedTask),
            SendAsync("removed", byKey: false, (place, who) => DoneAsync(HttpMethod.Delete, $"{place}/members/{who}")),
            SendAsync(
                "made a viewer",
                byKey: false,
                (place, who) => DoneAsync(HttpMethod.Patch, $"{place}/members/{who}", new { role = "viewer" })
            ),
            SendAsync(
                "disabled",
                byKey: false,
                (_, who) => DoneAsync(HttpMethod.Post, $"/v1/people/{who}/disable", precondition: null)
            ),
            SendAsync(
                "revoked",
                byKey: true,
                (place, who) => DoneAsync(HttpMethod.Delete, $"{place}/keys/{who}", precondition: null)
            ),
            SendAsync("closed", byKey: true, (place, _) => DoneAsync(HttpMethod.Delete, place)),
            // Where the workspace is not in the path, whoever entered it is asked about all the same.
            SendAsync(
                "removed, erasing",
                byKey: false,
                (place, who) => DoneAsync(HttpMethod.Delete, $"{place}/members/{who}"),
                Ask.ToErase
            ),
            SendAsync(
                "disabled, saving",
                byKey: false,
                (_, who) => DoneAsync(HttpMethod.Post, $"/v1/people/{who}/disable", precondition: null),
                Ask.ToSave
            )
        );
        answers.ShouldBe([
            "nothing: 201, 1 instance",
            "nothing: 201, 1 instance",
            "removed: 403, 0 instances",
            "made a viewer: 403, 0 instances",
            "disabled: 403, 0 instances",
            "revoked: 403, 0 instances",
            "closed: 403, 0 instances",
            "removed, erasing: 403, 0 instances",
            "disabled, saving: 403, 1 instance",
        ]);
    }

    private enum Ask
    {
        ToCreate,
        ToErase,
        ToSave,
    }

    private async Task<string> SendAsync(
        string what,
        bool byKey,
        Func<string, Guid, Task> happens,
        Ask ask = Ask.ToCreate
    )
    {
        var made = await server.Owner.SendAsync(
            HttpMethod.Post,
            "/v1/workspaces",
            new { name = "w" + Guid.CreateVersion7().ToString("N") }
        );
        var owner = new OwnerId(made.Json["id"]!.GetValue<Guid>());
        var place = "/v1/workspaces/" + made.Json["slug"];
        var (who, credential) = byKey ? await KeyAsync(place) : await PersonAsync(owner);
        // Enough bytes at first that the server does not take the pause for a client that is too slow.
        object document = ask == Ask.ToErase ? new { person = "ada@example.org" } : UserInstanceTests.Faq("late");
        var body = new string(' ', HeadBytes) + JsonSerializer.Serialize(document, JsonSerializerOptions.Web);
        var target = ask switch
        {
            Ask.ToErase => $"POST /v1/submissions:erase?workspace={made.Json["slug"]}",
            Ask.ToSave => $"PUT /v1/instances/{await CreateAsync(place)}",
            _ => $"POST {place}/instances",
        };
        using var raw = await RawConnection.OpenAsync(server.Address);
        await raw.SayAsync(
            $"{target} HTTP/1.1\r\nIf-Match: *\r\nHost: {server.Address.Authority}\r\n{credential}\r\nConnection: close\r\n"
                + $"Content-Type: application/json\r\nContent-Length: {body.Length}\r\nExpect: 100-continue\r\n\r\n"
        );
        // Said when the body is first asked for: the caller has been let in.
        await raw.HearAsync("100 Continue\r\n\r\n");
        var began = Stopwatch.GetTimestamp();
        await raw.SayAsync(body[..HeadBytes]);
        await happens(place, who);
        await Platen.Testing.Servers.ServerProcess.WaitUntilAsync(
            "the body to be late",
            TimeSpan.FromSeconds(60),
            _ => Task.FromResult(Stopwatch.GetElapsedTime(began) > 1.2 * LateBody.Patience),
            Ct
        );
        await raw.SayAsync(body[HeadBytes..]);
        var status = (await raw.HearAllAsync()).Split(' ')[1];
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        await using var count = new Npgsql.NpgsqlCommand(
            "select count(*) from widgets.widget_instances where owner = $1",
            admin
        );
        count.Parameters.AddWithValue(owner.Value);
        var instances = (long)(await count.ExecuteScalarAsync(Ct))!;
        return $"{what}: {status}, {instances} {(instances == 1 ? "instance" : "instances")}";
    }

    private async Task<string> CreateAsync(string place)
    {
        var made = await server.Owner.SendAsync(HttpMethod.Post, place + "/instances", UserInstanceTests.Faq("early"));
        made.Status.ShouldBe(201, made.Text);
        return made.Json["publicId"]!.GetValue<string>();
    }

    private async Task<(Guid Id, string Field)> KeyAsync(string place)
    {
        var key = await server.Owner.SendAsync(
            HttpMethod.Post,
            place + "/keys",
            new { name = "late", scopes = (string[])["instances:write"] }
        );
        return (key.Json["id"]!.GetValue<Guid>(), "Authorization: Bearer " + key.Json["secret"]);
    }

    private async Task<(Guid Id, string Field)> PersonAsync(OwnerId owner)
    {
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        var person = await TestPersonSession.AddAsync(admin, $"{Guid.CreateVersion7():N}@example.org", Ct);
        await person.JoinAsync(admin, owner, "editor", Ct);
        using var ask = new HttpRequestMessage(HttpMethod.Get, "/v1/session");
        ask.Headers.TryAddWithoutValidation("Cookie", person.Cookie);
        using var session = await server.Nobody.SendAsync(ask, Ct);
        using var told = JsonDocument.Parse(await session.Content.ReadAsStringAsync(Ct));
        var csrf = told.RootElement.GetProperty("csrfToken").GetString();
        return (person.Id, $"Cookie: {person.Cookie}\r\nX-Platen-CSRF: {csrf}");
    }

    private async Task DoneAsync(HttpMethod method, string path, object? body = null, string? precondition = "*") =>
        (await server.Owner.SendAsync(method, path, body, precondition)).Status.ShouldBeInRange(200, 204, path);
}
