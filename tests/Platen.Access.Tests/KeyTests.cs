using Npgsql;
using Platen.Access.Keys;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Platform.Http;
using Platen.Testing;

namespace Platen.Access.Tests;

public sealed class KeyTests(PostgresFixture postgres) : IAsyncLifetime
{
    private AccessNode node = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => node = await AccessNode.StartAsync(postgres);

    public ValueTask DisposeAsync() => node.DisposeAsync();

    [Fact]
    public async Task A_key_acts_for_its_workspace_with_its_scopes_and_nothing_else()
    {
        var owner = await OwnerAsync();
        var made = await MakeAsync(owner, [Scopes.InstancesRead, Scopes.InstancesRead]);
        var caller = await VerifyAsync(node, made.Secret);
        caller.ShouldNotBeNull().Owner.ShouldBe(owner.Owner);
        caller.Scopes.ShouldBe([Scopes.InstancesRead]);
        (await node.Directory.EnterAsync(caller, owner.Owner.ToString(), Ct)).ShouldNotBeNull();
        var other = await OwnerAsync();
        (await node.Directory.EnterAsync(caller, other.Owner.ToString(), Ct)).ShouldBeNull();
        await using var admin = await postgres.OpenAdminAsync(Ct);
        await using var look = new NpgsqlCommand(
            "select count(*) from access.machine_key k where k::text like '%' || $1 || '%'",
            admin
        );
        look.Parameters.AddWithValue(made.Secret.Reveal()[7..]);
        (await look.ExecuteScalarAsync(Ct)).ShouldBe(0L);
    }

    [Fact]
    public void A_key_that_was_cut_or_mistyped_is_told_from_a_wrong_one_without_a_query()
    {
        var text = MachineKey.Generate().Reveal();
        MachineKey.TryParse(text, out _).ShouldBeTrue();
        for (var i = 0; i < text.Length; i++)
        {
            var changed = text.ToCharArray();
            changed[i] = changed[i] == 'x' ? 'y' : 'x';
            MachineKey.TryParse(new string(changed), out _).ShouldBeFalse($"character {i}");
            MachineKey.TryParse(text[..i], out _).ShouldBeFalse($"cut at {i}");
        }
        MachineKey.TryParse(text + "0", out _).ShouldBeFalse();
        MachineKey.TryParse(" " + text, out _).ShouldBeFalse();
        MachineKey.TryParse(null, out _).ShouldBeFalse();
    }

    [Fact]
    public async Task A_revoked_key_is_refused_on_every_node()
    {
        await using var other = await AccessNode.StartAsync(postgres);
        var owner = await OwnerAsync();
        var made = await MakeAsync(owner, [Scopes.InstancesRead]);
        (await VerifyAsync(other, made.Secret)).ShouldNotBeNull();
        var heard = new TaskCompletionSource();
        using var watch = other.Invalidation.Watch(changed =>
        {
            if (changed == owner.Owner)
                heard.TrySetResult();
        });
        await node.RevokeKey.RunAsync(owner, made.Key.Id, Ct);
        (await VerifyAsync(node, made.Secret)).ShouldBeNull();
        await heard.Task.WaitAsync(TimeSpan.FromSeconds(20), Ct);
        (await VerifyAsync(other, made.Secret)).ShouldBeNull();
        // Again, and it is as it was.
        await node.RevokeKey.RunAsync(owner, made.Key.Id, Ct);
        var shown = await node.ReadKeys.OneAsync(owner, made.Key.Id, Ct);
        shown.RevokedBy.ShouldBe(owner.Actor.Name);
    }

    [Fact]
    public async Task A_node_that_cannot_hear_asks_the_database_each_time()
    {
        await using var deaf = AccessNode.Deaf(postgres);
        var owner = await OwnerAsync();
        var made = await MakeAsync(owner, [Scopes.InstancesRead]);
        (await VerifyAsync(deaf, made.Secret)).ShouldNotBeNull();
        await node.RevokeKey.RunAsync(owner, made.Key.Id, Ct);
        (await VerifyAsync(deaf, made.Secret)).ShouldBeNull();
    }

    [Fact]
    public async Task A_node_whose_connection_was_cut_forgets_what_it_knew()
    {
        await using var cut = await AccessNode.StartAsync(postgres);
        var owner = await OwnerAsync();
        var made = await MakeAsync(owner, [Scopes.InstancesRead]);
        (await VerifyAsync(cut, made.Secret)).ShouldNotBeNull();
        var back = new TaskCompletionSource();
        using var watch = cut.Invalidation.Watch(changed =>
        {
            if (changed is null)
                back.TrySetResult();
        });
        await using (var admin = await postgres.OpenAdminAsync(Ct))
        {
            // Every listener of this database, and the revocation before any of them is back.
            await using var kill = new NpgsqlCommand(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'platen listen'",
                admin
            );
            await kill.ExecuteNonQueryAsync(Ct);
        }
        await node.RevokeKey.RunAsync(owner, made.Key.Id, Ct);
        await back.Task.WaitAsync(TimeSpan.FromSeconds(20), Ct);
        (await VerifyAsync(cut, made.Secret)).ShouldBeNull();
    }

    [Fact]
    public async Task An_expired_key_is_refused_also_by_a_node_that_knew_it()
    {
        var clock = new StandingClock(TimeProvider.System.GetUtcNow());
        await using var later = await AccessNode.StartAsync(postgres, clock);
        var owner = await OwnerAsync();
        var made = await MakeAsync(owner, [Scopes.InstancesRead], days: 1);
        (await VerifyAsync(later, made.Secret)).ShouldNotBeNull();
        clock.Now += TimeSpan.FromDays(1.01);
        (await VerifyAsync(later, made.Secret)).ShouldBeNull();
    }

    [Fact]
    public async Task Nobody_gives_a_key_what_they_do_not_have()
    {
        var owner = await OwnerAsync();
        var lesser = owner with
        {
            Person = null,
            Role = null,
            Scopes = new HashSet<string> { Scopes.KeysManage, Scopes.FilesRead },
        };
        var refused = await Problems.RefusedAsync(() => MakeAsync(lesser, [Scopes.FilesRead, Scopes.FilesWrite]));
        refused.Type.ShouldBe(KeyProblems.CannotGrant);
        refused.Detail.ShouldContain("files:write");
        await MakeAsync(lesser, [Scopes.FilesRead]);

        var ending = lesser with { ExpiresAt = TimeProvider.System.GetUtcNow().AddDays(3) };
        (await Problems.RefusedAsync(() => MakeAsync(ending, [Scopes.FilesRead]))).Type.ShouldBe(
            KeyProblems.CannotGrant
        );
        await MakeAsync(ending, [Scopes.FilesRead], days: 2);

        foreach (var scope in (string[])[Scopes.All, Scopes.CuratedPublish, "no:such", "Files:read"])
        {
            (await Problems.RefusedAsync(() => MakeAsync(owner, [scope])))
                .Faults.Single()
                .Pointer.ShouldBe("/scopes/0");
        }
        (await Problems.RefusedAsync(() => MakeAsync(owner, []))).Faults.Single().Pointer.ShouldBe("/scopes");
        (await Problems.RefusedAsync(() => MakeAsync(owner, [Scopes.FilesRead], days: 0)))
            .Faults.Single()
            .Pointer.ShouldBe("/expiresInDays");
    }

    [Fact]
    public async Task A_publisher_credential_is_good_on_its_own_stage_only()
    {
        await using var authoring = await AccessNode.StartAsync(postgres, stage: "authoring");
        var made = await authoring.CreateKey.RunAsync(
            AccessNode.Operator(),
            new CreateKey.Body("publisher", [Scopes.CuratedPublish]),
            once: null,
            Ct
        );
        made.Key.Stage.ShouldBe("authoring");
        (await VerifyAsync(authoring, made.Secret)).ShouldNotBeNull();
        await using var cloud = await AccessNode.StartAsync(postgres, stage: "cloud");
        var (caller, refusal) = await cloud.Keys.VerifyAsync(made.Secret, Ct);
        caller.ShouldBeNull();
        refusal.ShouldNotBeNull().ShouldContain("authoring");
    }

    [Fact]
    public async Task A_rotated_key_has_a_new_secret_and_the_former_goes_on_as_long_as_was_said()
    {
        var clock = new StandingClock(TimeProvider.System.GetUtcNow());
        await using var later = await AccessNode.StartAsync(postgres, clock);
        var owner = await OwnerAsync();
        var first = await MakeAsync(owner, [Scopes.FilesRead]);
        var second = await node.RevokeKey.RotateAsync(owner, first.Key.Id, new RevokeKey.RotateBody(3600), Ct);
        (await VerifyAsync(later, first.Secret)).ShouldNotBeNull();
        (await VerifyAsync(later, second.Secret)).ShouldNotBeNull().Scopes.ShouldBe([Scopes.FilesRead]);
        clock.Now += TimeSpan.FromHours(1.1);
        (await VerifyAsync(later, first.Secret)).ShouldBeNull();
        var third = await node.RevokeKey.RotateAsync(owner, second.Key.Id, new RevokeKey.RotateBody(), Ct);
        (await VerifyAsync(node, second.Secret)).ShouldBeNull();
        (await VerifyAsync(node, third.Secret)).ShouldNotBeNull();
        var uses = await node.ReadWorkspaces.OneAsync(owner, Ct);
        // By the database's clock the first one has most of its hour left, and counts until then.
        uses.Entitlements.Single(e => e.Name == Entitlements.Keys).Used.ShouldBe(2);
    }

    [Fact]
    public async Task A_key_that_goes_on_after_its_rotation_counts_until_it_ends()
    {
        var owner = await OwnerAsync();
        await using (var admin = await postgres.OpenAdminAsync(Ct))
        {
            await using var two = new Npgsql.NpgsqlCommand(
                "insert into access.entitlement (owner, name, allowed) values ($1, 'keys', 2)",
                admin
            );
            two.Parameters.AddWithValue(owner.Owner.Value);
            await two.ExecuteNonQueryAsync(Ct);
        }
        var first = await MakeAsync(owner, [Scopes.FilesRead]);
        var second = await node.RevokeKey.RotateAsync(owner, first.Key.Id, new RevokeKey.RotateBody(3600), Ct);
        (
            await Problems.RefusedAsync(() =>
                node.RevokeKey.RotateAsync(owner, second.Key.Id, new RevokeKey.RotateBody(3600), Ct)
            )
        ).Type.Slug.ShouldBe("limit-reached");
        (await Problems.RefusedAsync(() => MakeAsync(owner, [Scopes.FilesRead]))).Type.Slug.ShouldBe("limit-reached");
        await node.RevokeKey.RotateAsync(owner, second.Key.Id, new RevokeKey.RotateBody(), Ct);

        // What has ended counts no more, without anybody's doing.
        await using (var admin = await postgres.OpenAdminAsync(Ct))
        {
            await using var over = new Npgsql.NpgsqlCommand(
                "update access.machine_key set expires_at = now() where owner = $1 and id = $2",
                admin
            );
            over.Parameters.AddWithValue(owner.Owner.Value);
            over.Parameters.AddWithValue(first.Key.Id);
            await over.ExecuteNonQueryAsync(Ct);
        }
        await MakeAsync(owner, [Scopes.FilesRead]);
    }

    [Fact]
    public async Task The_last_use_is_written_for_many_keys_at_once_and_never_goes_back()
    {
        var clock = new StandingClock(TimeProvider.System.GetUtcNow());
        await using var used = await AccessNode.StartAsync(postgres, clock);
        var owner = await OwnerAsync();
        var made = await MakeAsync(owner, [Scopes.FilesRead]);
        (await node.ReadKeys.OneAsync(owner, made.Key.Id, Ct)).LastUsedAt.ShouldBeNull();
        await VerifyAsync(used, made.Secret);
        await used.Keys.FlushAsync(Ct);
        var seen = (await node.ReadKeys.OneAsync(owner, made.Key.Id, Ct)).LastUsedAt.ShouldNotBeNull();
        clock.Now -= TimeSpan.FromHours(1);
        await VerifyAsync(used, made.Secret);
        await used.Keys.FlushAsync(Ct);
        (await node.ReadKeys.OneAsync(owner, made.Key.Id, Ct)).LastUsedAt.ShouldBe(seen);
    }

    [Fact]
    public async Task A_creation_that_is_repeated_makes_one_key_and_does_not_tell_the_secret_again()
    {
        IdempotencyKey.TryParse("\"abc\"", out var once).ShouldBeTrue();
        var owner = await OwnerAsync();
        var body = new CreateKey.Body("ci", [Scopes.FilesRead]);
        var outcomes = await Task.WhenAll(
            Enumerable
                .Range(0, 10)
                .Select(async _ =>
                {
                    try
                    {
                        return (await node.CreateKey.RunAsync(owner, body, once, Ct)).Secret.Reveal();
                    }
                    catch (ProblemException refused)
                    {
                        return refused.Problem.Type.Slug;
                    }
                })
        );
        outcomes.Count(o => o.StartsWith("platen_", StringComparison.Ordinal)).ShouldBe(1);
        outcomes.Count(o => o == "already-made").ShouldBe(9);
        (
            await Problems.RefusedAsync(() => node.CreateKey.RunAsync(owner, body with { Name = "other" }, once, Ct))
        ).Type.Slug.ShouldBe("idempotency-key-reused");
    }

    [Fact]
    public async Task Keys_are_listed_newest_first_page_by_page()
    {
        var owner = await OwnerAsync();
        for (var i = 0; i < 5; i++)
            await MakeAsync(owner, [Scopes.FilesRead], name: "key " + i);
        var seen = new List<string>();
        string? cursor = null;
        do
        {
            var page = await node.ReadKeys.PageAsync(owner, cursor, 2, revokedToo: false, Ct);
            seen.AddRange(page.Items.Select(k => k.Name));
            cursor = page.NextCursor;
        } while (cursor is not null);
        seen.ShouldBe(["key 4", "key 3", "key 2", "key 1", "key 0"]);
        foreach (
            var bad in (string[])
                ["x", "1.2", "-1." + Guid.Empty.ToString("N"), "7fffffffffffffff." + Guid.Empty.ToString("N")]
        )
        {
            (await Problems.RefusedAsync(() => node.ReadKeys.PageAsync(owner, bad, 2, false, Ct))).Type.ShouldBe(
                KernelProblems.Malformed
            );
        }
    }

    private async Task<Caller> OwnerAsync() => await node.NewWorkspaceAsync(await node.NewPersonAsync());

    private Task<CreateKey.Outcome> MakeAsync(
        Caller caller,
        string[] scopes,
        int? days = null,
        string name = "a key"
    ) => node.CreateKey.RunAsync(caller, new CreateKey.Body(name, scopes, ExpiresInDays: days), once: null, Ct);

    private static async Task<Caller?> VerifyAsync(AccessNode at, MachineKey key) =>
        (await at.Keys.VerifyAsync(key, Ct)).Caller;
}
