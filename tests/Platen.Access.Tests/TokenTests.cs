using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Platen.Access.Tokens;
using Platen.Kernel;
using Platen.Platform.Owners;
using Platen.Testing;

namespace Platen.Access.Tests;

public sealed class TokenTests(PostgresFixture postgres) : IAsyncLifetime
{
    private static readonly OwnerId Owner = OwnerId.Of(WorkspaceId.New());
    private readonly StandingClock clock = new(TimeProvider.System.GetUtcNow());
    private AccessNode node = null!;
    private AccessNode other = null!;
    private StandingClock otherClock = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        otherClock = new StandingClock(clock.Now);
        node = await AccessNode.StartAsync(postgres, clock);
        other = await AccessNode.StartAsync(postgres, otherClock);
        await node.Ring.LoadAsync(Ct);
        await other.Ring.LoadAsync(Ct);
    }

    public async ValueTask DisposeAsync()
    {
        await node.DisposeAsync();
        await other.DisposeAsync();
    }

    [Fact]
    public void A_token_says_on_every_node_what_was_signed()
    {
        var actor = new Actor(new ActorId(Guid.CreateVersion7()), "Ada \"the first\" Ł");
        var token = node.Signer.Issue(
            TokenPurpose.Snapshot,
            Owner,
            "wgt_content.faq_u_mine",
            TimeSpan.FromMinutes(10),
            new Dictionary<string, string> { ["origin"] = "https://example.org" },
            actor
        );
        var claims = other.Signer.Verify(token, TokenPurpose.Snapshot).ShouldBeOfType<TokenCheck.Valid>().Claims;
        (claims.Owner, claims.Subject, claims.Actor, claims.Facts["origin"]).ShouldBe(
            (Owner, "wgt_content.faq_u_mine", actor, "https://example.org")
        );
        (claims.ExpiresAt - claims.IssuedAt).ShouldBe(TimeSpan.FromMinutes(10));
    }

    [Fact]
    public void A_token_that_was_changed_anywhere_is_refused()
    {
        var token = Issue();
        for (var i = 0; i < token.Length; i++)
        {
            foreach (var letter in "A.-_=x")
            {
                if (letter == token[i])
                    continue;
                var changed = new StringBuilder(token) { [i] = letter }.ToString();
                Refused(changed, $"character {i} as {letter}");
            }
            Refused(token[..i], $"cut at {i}");
        }
        Refused(token + "A", "longer");
        Refused(token + "=", "padded");
        Refused(" " + token, "with a space");
        Refused("", "empty");
        Refused("..", "dots");
        Refused(new string('a', 100_000), "long");

        void Refused(string text, string what) =>
            node.Signer.Verify(text, TokenPurpose.Realtime).ShouldBeOfType<TokenCheck.Refused>(what);
    }

    [Theory]
    [InlineData("""{"alg":"none","typ":"JWT"}""")]
    [InlineData("""{"alg":"HS256","typ":"JWT"}""")]
    [InlineData("""{"alg":"HS256","kid":"aaaaaaaaaaaa","typ":"JWT"}""")]
    [InlineData("""{"alg":"RS256","kid":"' or 1=1 --","typ":"JWT"}""")]
    public void A_header_of_somebody_elses_making_is_refused(string header)
    {
        var parts = Issue().Split('.');
        parts[0] = System.Buffers.Text.Base64Url.EncodeToString(Encoding.ASCII.GetBytes(header));
        foreach (var forged in (string[])[string.Join('.', parts), parts[0] + "." + parts[1] + "."])
            node.Signer.Verify(forged, TokenPurpose.Realtime).ShouldBeOfType<TokenCheck.Refused>();
    }

    [Fact]
    public void A_token_is_worth_nothing_for_another_purpose() =>
        node
            .Signer.Verify(Issue(), TokenPurpose.Snapshot)
            .ShouldBeOfType<TokenCheck.Refused>()
            .Why.ShouldContain("for realtime");

    [Fact]
    public void Clocks_may_be_five_minutes_apart_and_no_more()
    {
        var token = Issue(TimeSpan.FromMinutes(1));
        otherClock.Now = clock.Now.AddMinutes(5.9);
        other.Signer.Verify(token, TokenPurpose.Realtime).ShouldBeOfType<TokenCheck.Valid>();
        otherClock.Now = clock.Now.AddMinutes(6.1);
        other
            .Signer.Verify(token, TokenPurpose.Realtime)
            .ShouldBeOfType<TokenCheck.Refused>()
            .Why.ShouldContain("expired");
        otherClock.Now = clock.Now.AddMinutes(-4.9);
        other.Signer.Verify(token, TokenPurpose.Realtime).ShouldBeOfType<TokenCheck.Valid>();
        otherClock.Now = clock.Now.AddMinutes(-5.1);
        other
            .Signer.Verify(token, TokenPurpose.Realtime)
            .ShouldBeOfType<TokenCheck.Refused>()
            .Why.ShouldContain("future");
    }

    [Fact]
    public async Task A_new_key_signs_when_every_node_knows_it_and_the_former_ones_tokens_hold()
    {
        await using var database = await postgres.CreateDatabaseAsync(Ct);
        await using var runtime = await database.StartAsync(postgres.Modules, Ct);
        using var listener = new Platform.Events.NotificationListener(
            runtime.Pools,
            Microsoft.Extensions.Logging.Abstractions.NullLogger<Platform.Events.NotificationListener>.Instance,
            clock
        );
        using var invalidation = new Invalidation(listener);
        using var first = NewRing();
        using var second = NewRing();
        await first.LoadAsync(Ct);
        await second.LoadAsync(Ct);
        using var closed = new ClosedOwners(runtime.Pools, listener, NullLogger<ClosedOwners>.Instance, clock);
        var (signing, verifying) = (new TokenSigner(first, closed, clock), new TokenSigner(second, closed, clock));
        var before = Of(signing);
        await first.RotateAsync(AccessNode.Operator().Actor, endFormer: false, Ct);

        // Not yet known to the other node, so not yet in use.
        verifying.Verify(Of(signing), TokenPurpose.Realtime).ShouldBeOfType<TokenCheck.Valid>();
        await second.LoadAsync(Ct);
        clock.Now += TimeSpan.FromMinutes(3);
        var after = Of(signing);
        after.Split('.')[0].ShouldNotBe(before.Split('.')[0]);
        foreach (var token in (string[])[before, after])
            verifying.Verify(token, TokenPurpose.Realtime).ShouldBeOfType<TokenCheck.Valid>();

        // A month on another follows by itself, and when no token of the first can hold any more, its key is gone.
        clock.Now += TimeSpan.FromDays(31);
        await first.LoadAsync(Ct);
        clock.Now += TimeSpan.FromMinutes(3);
        verifying.Verify(before, TokenPurpose.Realtime).ShouldBeOfType<TokenCheck.Refused>().Why.ShouldContain("gone");
        Of(signing).Split('.')[0].ShouldNotBe(after.Split('.')[0]);

        // A secret has leaked: nothing signed so far holds.
        var leaked = Of(signing);
        await first.RotateAsync(AccessNode.Operator().Actor, endFormer: true, Ct);
        await second.LoadAsync(Ct);
        verifying.Verify(leaked, TokenPurpose.Realtime).ShouldBeOfType<TokenCheck.Refused>();
        verifying.Verify(Of(signing), TokenPurpose.Realtime).ShouldBeOfType<TokenCheck.Valid>();

        KeyRing NewRing() =>
            new(
                runtime.Pools,
                invalidation,
                clock,
                Microsoft.Extensions.Logging.Abstractions.NullLogger<KeyRing>.Instance
            );

        static string Of(TokenSigner signer) =>
            signer.Issue(TokenPurpose.Realtime, Owner, "a/stream", TimeSpan.FromHours(24));
    }

    [Fact]
    public async Task A_node_that_has_not_read_the_keys_yet_says_that_it_cannot_tell()
    {
        await using var late = AccessNode.Deaf(postgres, clock);
        (
            await Problems.RefusedAsync(() => Task.Run(() => late.Signer.Verify(Issue(), TokenPurpose.Realtime), Ct))
        ).Type.ShouldBe(KernelProblems.Unavailable);
        (
            await Problems.RefusedAsync(() =>
                Task.Run(() => late.Signer.Issue(TokenPurpose.Realtime, Owner, "widget/x", TimeSpan.FromMinutes(1)), Ct)
            )
        ).Type.ShouldBe(KernelProblems.Unavailable);
        await late.Ring.LoadAsync(Ct);
        late.Signer.Verify(Issue(), TokenPurpose.Realtime).ShouldBeOfType<TokenCheck.Valid>();
    }

    [Fact]
    public async Task Nodes_that_start_at_once_agree_on_one_key()
    {
        await using var database = await postgres.CreateDatabaseAsync(Ct);
        await using var runtime = await database.StartAsync(postgres.Modules, Ct);
        var rings = Enumerable
            .Range(0, 8)
            .Select(_ => new KeyRing(
                runtime.Pools,
                node.Invalidation,
                clock,
                Microsoft.Extensions.Logging.Abstractions.NullLogger<KeyRing>.Instance
            ))
            .ToList();
        await Task.WhenAll(rings.Select(r => r.LoadAsync(Ct)));
        rings.Select(r => r.Signing(clock.Now).Id).Distinct().Count().ShouldBe(1);
        foreach (var ring in rings)
            ring.Dispose();
    }

    [Fact]
    public async Task A_token_that_works_once_is_spent_by_one_of_many()
    {
        var claims = node.Signer.Verify(Issue(), TokenPurpose.Realtime).ShouldBeOfType<TokenCheck.Valid>().Claims;
        var spent = await Task.WhenAll(
            Enumerable
                .Range(0, 20)
                .Select(async _ =>
                {
                    await using var session = await postgres.Pools.OpenAsync(
                        OperationContext.ForSystem(claims.Owner, "test"),
                        Ct
                    );
                    var first = await TokenSigner.SpendAsync(session, claims, Ct);
                    await session.CommitAsync(Ct);
                    return first;
                })
        );
        spent.Count(first => first).ShouldBe(1);
        (await node.Ring.SweepAsync(Ct)).ShouldBe(0);
        clock.Now += TimeSpan.FromHours(1);
        (await node.Ring.SweepAsync(Ct)).ShouldBeGreaterThanOrEqualTo(1);
    }

    [Fact]
    public async Task Only_the_server_itself_sees_what_tokens_are_signed_with()
    {
        await using var session = await postgres.OpenAsync(
            new TestOwner(OwnerId.Platform, new Actor(new ActorId(Guid.CreateVersion7()), "a key of the platform")),
            Ct
        );
        (await session.ListAsync("select id from access.signing_key", row => row.GetString(0), Ct)).ShouldBeEmpty();
    }

    [Fact]
    public void What_cannot_be_a_token_is_refused_before_it_is_signed()
    {
        Should.Throw<ArgumentException>(() => Issue(TimeSpan.Zero));
        Should.Throw<ArgumentException>(() => Issue(TimeSpan.FromHours(25)));
        Should.Throw<ArgumentException>(() =>
            node.Signer.Issue(TokenPurpose.Snapshot, Owner, "", TimeSpan.FromMinutes(1))
        );
        Should.Throw<ArgumentException>(() =>
            node.Signer.Issue(
                TokenPurpose.Snapshot,
                Owner,
                "x",
                TimeSpan.FromMinutes(1),
                new Dictionary<string, string> { ["origins"] = new('x', 5000) }
            )
        );
    }

    private string Issue(TimeSpan? life = null) =>
        node.Signer.Issue(TokenPurpose.Realtime, Owner, "widget/x", life ?? TimeSpan.FromMinutes(1));
}
