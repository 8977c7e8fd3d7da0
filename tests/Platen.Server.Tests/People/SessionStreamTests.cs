using Npgsql;
using Platen.Kernel;
using Platen.Platform.Events;
using Platen.Testing;

namespace Platen.Server.Tests.People;

/// <summary>A stream that a person follows lasts no longer than their session, and no longer than they may read it.</summary>
public sealed class SessionStreamTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ending_a_session_ends_its_streams_and_leaves_those_of_the_other_session()
    {
        var (person, owner, path) = await NewMemberAsync();
        using var ended = await FollowAsync(person.Cookie, path);
        var other = await AnotherSessionAsync(person);
        using var stays = await FollowAsync(other, path);

        await RunAsync("update access.person_session set ended_at = now() where token_hash = $1", Hash(person.Cookie));
        await Streams.EndsAsync(ended);
        await using (var session = await server.Postgres.OpenAsync(TestOwner.New() with { Id = owner }, Ct))
        {
            await EventLog.AppendAsync(session, new StreamId("widget/x"), "test.happened", "{}"u8.ToArray(), Ct);
            await session.CommitAsync(Ct);
        }
        (await Streams.ReadUntilAsync(stays, "test.happened")).ShouldBeTrue();
    }

    [Fact]
    public async Task Disabling_a_person_ends_their_streams()
    {
        var (person, _, path) = await NewMemberAsync();
        using var stream = await FollowAsync(person.Cookie, path);
        (await server.Owner.SendAsync(HttpMethod.Post, $"/v1/people/{person.Id}/disable")).Status.ShouldBe(200);
        await Streams.EndsAsync(stream);
    }

    [Fact]
    public async Task Removing_a_member_ends_the_streams_that_they_follow_there()
    {
        var (person, _, path) = await NewMemberAsync();
        using var stream = await FollowAsync(person.Cookie, path);
        var members = path[..path.IndexOf("/events/", StringComparison.Ordinal)] + "/members/" + person.Id;
        (await server.Owner.SendAsync(HttpMethod.Delete, members, ifMatch: "*")).Status.ShouldBeInRange(200, 204);
        await Streams.EndsAsync(stream);
    }

    private async Task<(TestPersonSession Person, OwnerId Owner, string Path)> NewMemberAsync()
    {
        var made = await server.Owner.SendAsync(
            HttpMethod.Post,
            "/v1/workspaces",
            new { name = "w" + Guid.CreateVersion7().ToString("N") }
        );
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        var person = await TestPersonSession.AddAsync(admin, $"{Guid.CreateVersion7():N}@example.org", Ct);
        var owner = new OwnerId(made.Json["id"]!.GetValue<Guid>());
        await person.JoinAsync(admin, owner, "viewer", Ct);
        return (person, owner, $"/v1/workspaces/{made.Json["slug"]}/events/widget/x");
    }

    private async Task<HttpResponseMessage> FollowAsync(string cookie, string path)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.TryAddWithoutValidation("Cookie", cookie);
        var response = await server.Nobody.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Ct);
        ((int)response.StatusCode).ShouldBe(200);
        return response;
    }

    private async Task<string> AnotherSessionAsync(TestPersonSession person)
    {
        var secret = "another-" + Guid.CreateVersion7().ToString("N");
        var cookie =
            "platen_session="
            + System.Buffers.Text.Base64Url.EncodeToString(
                System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.ASCII.GetBytes(secret))
            );
        await RunAsync(
            $"""
            insert into access.person_session (id, person_id, token_hash, method, expires_at)
            values (gen_random_uuid(), '{person.Id}', $1, 'password', now() + interval '1 day')
            """,
            Hash(cookie)
        );
        return cookie;
    }

    private static byte[] Hash(string cookie) =>
        System.Security.Cryptography.SHA256.HashData(
            System.Text.Encoding.ASCII.GetBytes(cookie["platen_session=".Length..])
        );

    private async Task RunAsync(string sql, byte[] value)
    {
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        await using var command = new NpgsqlCommand(sql, admin);
        command.Parameters.AddWithValue(value);
        (await command.ExecuteNonQueryAsync(Ct)).ShouldBe(1);
    }
}

/// <summary>Event streams as a reader sees them.</summary>
internal static class Streams
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>Reads until the server ends or cuts the stream; fails when it does neither in half a minute.</summary>
    public static async Task EndsAsync(HttpResponseMessage stream)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        limit.CancelAfter(TimeSpan.FromSeconds(30));
        var body = await stream.Content.ReadAsStreamAsync(limit.Token);
        var buffer = new byte[4096];
        try
        {
            while (await body.ReadAsync(buffer, limit.Token) > 0) { }
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            // Cut in the middle: it has ended.
        }
    }

    /// <summary>Reads until a text was sent; false when the stream ends before.</summary>
    public static async Task<bool> ReadUntilAsync(HttpResponseMessage stream, string text)
    {
        using var reader = new StreamReader(await stream.Content.ReadAsStreamAsync(Ct), leaveOpen: true);
        while (await reader.ReadLineAsync(Ct) is { } line)
        {
            if (line.Contains(text, StringComparison.Ordinal))
                return true;
        }
        return false;
    }
}
