using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Platen.Access.Tokens;
using Platen.Kernel;
using Platen.Platform.Embedding;
using Platen.Platform.Postgres;
using Platen.Testing;

namespace Platen.Access.Tests;

/// <summary>Tokens that one node signs and another, which has no secret, verifies.</summary>
public sealed class EmbedTokenVerifierTests(PostgresFixture postgres) : IAsyncLifetime
{
    private const string Instance = "wgt_content.faq_u_mine";
    private static readonly OwnerId Owner = OwnerId.Of(WorkspaceId.New());
    private readonly StandingClock clock = new(TimeProvider.System.GetUtcNow());
    private AccessNode node = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        node = await AccessNode.StartAsync(postgres, clock);
        await node.Ring.LoadAsync(Ct);
    }

    public ValueTask DisposeAsync() => node.DisposeAsync();

    [Fact]
    public async Task A_token_says_elsewhere_what_was_signed()
    {
        using var verifier = await StartAsync(postgres.Pools);
        var token = NewToken();
        var read = verifier.Verify(node.Signer.Issue(token), Owner, Instance).ShouldBeOfType<EmbedTokenCheck.Valid>();
        read.Token.Origins.ShouldBe(token.Origins);
        (read.Token with { Origins = token.Origins }).ShouldBe(token);
        verifier
            .Verify(node.Signer.Issue(token), OwnerId.Of(WorkspaceId.New()), Instance)
            .ShouldBeOfType<EmbedTokenCheck.Refused>();
        verifier.Verify(node.Signer.Issue(token), Owner, Instance + "s").ShouldBeOfType<EmbedTokenCheck.Refused>();
        await verifier.StopAsync(Ct);
    }

    [Fact]
    public async Task A_token_that_was_changed_anywhere_is_refused()
    {
        using var verifier = await StartAsync(postgres.Pools);
        var token = node.Signer.Issue(NewToken());
        for (var i = 0; i < token.Length; i++)
        {
            foreach (var letter in "A.-x")
            {
                if (letter == token[i])
                    continue;
                Refused(new StringBuilder(token) { [i] = letter }.ToString(), $"character {i} as {letter}");
            }
            Refused(token[..i], $"cut at {i}");
        }
        foreach (var wrong in (string[])[token + "A", token + "=", " " + token, "", "..", new string('a', 100_000)])
            Refused(wrong, wrong);
        Refused(node.Signer.Issue(TokenPurpose.Snapshot, Owner, Instance, TimeSpan.FromMinutes(1)), "another purpose");
        await verifier.StopAsync(Ct);

        void Refused(string text, string what) =>
            verifier.Verify(text, Owner, Instance).ShouldBeOfType<EmbedTokenCheck.Refused>(what);
    }

    [Fact]
    public async Task Clocks_may_be_five_minutes_apart_and_no_more()
    {
        using var verifier = await StartAsync(postgres.Pools);
        var token = node.Signer.Issue(NewToken());
        var made = clock.Now;
        foreach (var (minutes, isGood) in ((double, bool)[])[(-5.1, false), (-4.9, true), (14.9, true), (15.1, false)])
        {
            clock.Now = made.AddMinutes(minutes);
            (verifier.Verify(token, Owner, Instance) is EmbedTokenCheck.Valid).ShouldBe(isGood, $"{minutes}");
        }
        await verifier.StopAsync(Ct);
    }

    [Fact]
    public async Task What_was_read_last_is_known_without_the_database_also_after_a_restart()
    {
        var file = Path.Combine(PostgresFixture.NewFolder(), "embed-tokens.json");
        var (good, ended, all) = (NewToken(), NewToken(), NewToken() with { PublicId = Instance + "-other" });
        await using (
            var session = await postgres.Pools.OpenAsync(
                new OperationContext(new Actor(new ActorId(Guid.CreateVersion7()), "test"), Owner, "test"),
                Ct
            )
        )
        {
            (await EmbedTokenVerifier.RevokeAsync(session, PublicId.Parse(Instance), ended.Id, Ct)).ShouldNotBeNull();
            (await EmbedTokenVerifier.RevokeAsync(session, PublicId.Parse(all.PublicId), null, Ct)).ShouldNotBeNull();
            await session.CommitAsync(Ct);
        }
        using (var reading = await StartAsync(postgres.Pools, file))
            await reading.StopAsync(Ct);

        await using var nowhere = PostgresPools.OpenEdgeAlone(
            new PostgresOptions
            {
                DataFolder = "/nonexistent",
                EdgeConnectionString = "Host=127.0.0.1;Port=1;Username=nobody;Database=none",
            }
        );
        using var restarted = await StartAsync(nowhere, file);
        restarted.Verify(node.Signer.Issue(good), Owner, Instance).ShouldBeOfType<EmbedTokenCheck.Valid>();
        restarted
            .Verify(node.Signer.Issue(ended), Owner, Instance)
            .ShouldBeOfType<EmbedTokenCheck.Refused>()
            .Why.ShouldContain("revoked");
        restarted
            .Verify(node.Signer.Issue(all), Owner, all.PublicId)
            .ShouldBeOfType<EmbedTokenCheck.Refused>()
            .Why.ShouldContain("revoked");
        await restarted.StopAsync(Ct);

        // Nobody can tell what nobody has read; and a file that is no such file is none.
        await File.WriteAllTextAsync(file, "{\"keys\":", Ct);
        using var blank = await StartAsync(nowhere, file);
        blank.Verify(node.Signer.Issue(good), Owner, Instance).ShouldBeOfType<EmbedTokenCheck.Unknown>();
        await blank.StopAsync(Ct);
    }

    [Fact]
    public async Task A_disk_that_does_not_answer_keeps_nobody_waiting()
    {
        // Nobody writes into it: whoever opens it to read waits.
        var folder = PostgresFixture.NewFolder();
        var file = Path.Combine(folder, "embed-tokens.json");
        await Platen.Testing.Servers.ServerProcess.RunAsync("mkfifo", [file], Ct);
        using var verifier = await StartAsync(postgres.Pools, file);
        verifier.Verify(node.Signer.Issue(NewToken()), Owner, Instance).ShouldBeOfType<EmbedTokenCheck.Valid>();
        await verifier.RefreshAsync(Ct);
        await verifier.StopAsync(Ct);
    }

    [Fact]
    public async Task So_many_are_ended_singly_and_then_all_can_be()
    {
        var id = PublicId.Parse("wgt_content.faq_u_" + Guid.CreateVersion7().ToString("N"));
        await using var session = await postgres.Pools.OpenAsync(
            new OperationContext(new Actor(new ActorId(Guid.CreateVersion7()), "test"), Owner, "test"),
            Ct
        );
        for (var i = 0; i < EmbedTokenVerifier.EndedSingly; i++)
            (await EmbedTokenVerifier.RevokeAsync(session, id, Guid.CreateVersion7(), Ct)).ShouldNotBeNull();
        (await EmbedTokenVerifier.RevokeAsync(session, id, Guid.CreateVersion7(), Ct)).ShouldBeNull();
        (await EmbedTokenVerifier.RevokeAsync(session, id, null, Ct)).ShouldNotBeNull();
        (await EmbedTokenVerifier.RevokeAsync(session, id, Guid.CreateVersion7(), Ct)).ShouldNotBeNull();
    }

    private EmbedToken NewToken() =>
        new(
            Guid.CreateVersion7(),
            Owner,
            Instance,
            ["https://example.org", "https://www.example.org"],
            new Actor(new ActorId(Guid.CreateVersion7()), "Ada \"the first\" Ł"),
            // As the database's clock has it: to the microsecond.
            new DateTimeOffset(clock.Now.Ticks / 10 * 10, TimeSpan.Zero),
            DateTimeOffset.FromUnixTimeSeconds(clock.Now.AddMinutes(10).ToUnixTimeSeconds())
        );

    private async Task<EmbedTokenVerifier> StartAsync(PostgresPools pools, string? file = null)
    {
        var verifier = new EmbedTokenVerifier(
            pools,
            new EmbedTokenOptions { File = file },
            clock,
            NullLogger<EmbedTokenVerifier>.Instance
        );
        await verifier.StartAsync(Ct);
        return verifier;
    }
}
