using System.Net;
using System.Security.Cryptography;
using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Platform.Postgres;

namespace Platen.Templates.Tests;

/// <summary>Files of templates count with what their owner may store, from their first byte on.</summary>
public sealed class RoomTests(ServerFixture server)
{
    private readonly TemplateName name = ServerFixture.NewName();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Room_for_a_file_is_held_while_it_comes_and_nobody_else_gets_it()
    {
        using var person = await NewPersonAsync(10_000);
        var (first, second) = (RandomNumberGenerator.GetBytes(6_000), RandomNumberGenerator.GetBytes(4_001));
        using var content = new SlowContent(first);
        var coming = PutAsync(person, first, content);
        await ServerFixture.UntilAsync(async () => await HeldAsync(person) == 6_000);

        var refused = await person.SendAsync(HttpMethod.Put, Place(second), second);
        (refused.Status, refused.Problem).ShouldBe((409, "limit-reached"), refused.Text);
        refused.Json["used"]!.GetValue<long>().ShouldBe(6_000);
        (await person.SendAsync(HttpMethod.Put, Place(second.AsSpan(0, 4_000)), second[..4_000])).Status.ShouldBe(201);

        content.Go();
        (await coming).ShouldBe(HttpStatusCode.Created);
        (await HeldAsync(person)).ShouldBe(0, "what is recorded is counted and not held");
        // What is there takes no room.
        (await person.SendAsync(HttpMethod.Put, Place(first), first)).Status.ShouldBe(204);
    }

    [Fact]
    public async Task What_never_comes_whole_or_is_something_else_gives_its_room_back()
    {
        using var person = await NewPersonAsync(10_000);
        var bytes = RandomNumberGenerator.GetBytes(6_000);
        using (var content = new SlowContent(bytes))
        {
            using var hangUp = CancellationTokenSource.CreateLinkedTokenSource(Ct);
            var coming = PutAsync(person, bytes, content, hangUp.Token);
            await ServerFixture.UntilAsync(async () => await HeldAsync(person) == 6_000);
            await hangUp.CancelAsync();
            await Should.ThrowAsync<OperationCanceledException>(coming);
        }
        await ServerFixture.UntilAsync(async () => await HeldAsync(person) == 0);
        var wrong = await person.SendAsync(HttpMethod.Put, Place([1, 2, 3]), bytes);
        (wrong.Status, wrong.Problem).ShouldBe((422, "wrong-digest"), wrong.Text);
        (await HeldAsync(person)).ShouldBe(0);
        (await person.SendAsync(HttpMethod.Put, Place(bytes), bytes)).Status.ShouldBe(201);
    }

    [Fact]
    public async Task Room_that_a_killed_server_held_is_taken_over_by_the_same_bytes()
    {
        using var person = await NewPersonAsync(10_000);
        var bytes = RandomNumberGenerator.GetBytes(6_000);
        await using (var session = await OpenAsync(person))
        {
            await session.ExecuteAsync(
                "insert into platform.repository_upload (owner, id, subject, held_bytes) values ($1, $2, $3, 6000)",
                Ct,
                Sql.Owner(person.OwnerId),
                Sql.Uuid(new Guid(Digest.Of(bytes).Bytes[..16])),
                Sql.Text(name.Subject)
            );
            await session.CommitAsync(Ct);
        }
        (await person.SendAsync(HttpMethod.Put, Place(bytes), bytes)).Status.ShouldBe(201);
        (await HeldAsync(person)).ShouldBe(0);
    }

    [Fact]
    public async Task Of_many_files_at_once_those_come_in_for_which_there_is_room()
    {
        using var person = await NewPersonAsync(10_000);
        var answers = await Task.WhenAll(
            Enumerable
                .Range(0, 20)
                .Select(_ => RandomNumberGenerator.GetBytes(1_000))
                .Select(bytes => person.SendAsync(HttpMethod.Put, Place(bytes), bytes))
        );
        answers.Count(answer => answer.Status == 201).ShouldBe(10);
        answers.Count(answer => answer.Problem == "limit-reached").ShouldBe(10);
        (await HeldAsync(person)).ShouldBe(0);
    }

    private string Place(ReadOnlySpan<byte> bytes) => $"/v1/templates/{name}/blobs/{Digest.Of(bytes)}";

    private async Task<HttpStatusCode> PutAsync(
        Person person,
        byte[] bytes,
        HttpContent content,
        CancellationToken? ct = null
    )
    {
        using var http = new HttpClient { BaseAddress = server.Address };
        using var request = new HttpRequestMessage(HttpMethod.Put, Place(bytes)) { Content = content };
        request.Headers.Authorization = new("Bearer", person.Key);
        using var response = await http.SendAsync(request, ct ?? Ct);
        return response.StatusCode;
    }

    private async Task<Person> NewPersonAsync(long allowed)
    {
        var person = await server.NewPersonAsync();
        await using var session = await OpenAsync(person);
        await session.ExecuteAsync(
            """
            with made as (
                insert into access.workspace (owner, slug, name, plan, created_by, created_by_name, asked)
                values ($1, 'w' || replace($1::text, '-', ''), 'a workspace', 'pool', $1, 'test', 'sha256:' || repeat('0', 64))
            )
            insert into access.entitlement (owner, name, allowed) values ($1, 'storage-bytes', $2)
            """,
            Ct,
            Sql.Owner(person.OwnerId),
            Sql.Long(allowed)
        );
        await session.CommitAsync(Ct);
        return person;
    }

    private async Task<long> HeldAsync(Person person)
    {
        await using var session = await OpenAsync(person);
        return await session.FirstAsync(
            "select coalesce(sum(held_bytes), 0)::bigint from platform.repository_upload where owner = platform.current_owner()",
            row => row.GetInt64(0),
            Ct
        );
    }

    private async Task<Session> OpenAsync(Person person) =>
        await server.Postgres.Pools.OpenAsync(OperationContext.ForSystem(person.OwnerId, "test"), Ct);

    /// <summary>Sends its first half, and the rest when it is told to.</summary>
    private sealed class SlowContent(byte[] bytes) : HttpContent
    {
        private readonly TaskCompletionSource go = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Go() => go.SetResult();

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
            SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override async Task SerializeToStreamAsync(
            Stream stream,
            TransportContext? context,
            CancellationToken cancellationToken
        )
        {
            await stream.WriteAsync(bytes.AsMemory(0, bytes.Length / 2), cancellationToken);
            await stream.FlushAsync(cancellationToken);
            await go.Task.WaitAsync(cancellationToken);
            await stream.WriteAsync(bytes.AsMemory(bytes.Length / 2), cancellationToken);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = bytes.Length;
            return true;
        }
    }
}
