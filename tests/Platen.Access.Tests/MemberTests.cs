using Platen.Access.Invitations;
using Platen.Access.Members;
using Platen.Access.People;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Testing;

namespace Platen.Access.Tests;

public sealed class MemberTests(PostgresFixture postgres) : IAsyncLifetime
{
    private static readonly Precondition Any = new Precondition.Present();
    private AccessNode node = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => node = await AccessNode.StartAsync(postgres);

    public ValueTask DisposeAsync() => node.DisposeAsync();

    [Fact]
    public async Task Who_makes_a_workspace_owns_it_and_a_stranger_finds_none()
    {
        var ada = await node.NewPersonAsync();
        var owner = await node.NewWorkspaceAsync(ada);
        owner.Role.ShouldBe(Role.Owner);
        owner.Has(Scopes.MembersManage).ShouldBeTrue();
        owner.Has(Scopes.CuratedPublish).ShouldBeFalse();
        ada.Scopes.ShouldBeEmpty();
        var stranger = await node.NewPersonAsync();
        (await node.Directory.EnterAsync(stranger, owner.Owner.ToString(), Ct)).ShouldBeNull();
        (await node.Directory.EnterAsync(ada, "no-such-workspace", Ct)).ShouldBeNull();
        (await node.Directory.EnterAsync(ada, "platform", Ct)).ShouldBeNull();
    }

    [Theory]
    [InlineData(Role.Viewer, Scopes.InstancesRead, Scopes.InstancesWrite)]
    [InlineData(Role.Editor, Scopes.InstancesWrite, Scopes.MembersManage)]
    public async Task A_role_includes_what_it_says_and_no_more(Role role, string included, string excluded)
    {
        var owner = await node.NewWorkspaceAsync(await node.NewPersonAsync());
        var member = await node.JoinAsync(owner, await node.NewPersonAsync(), role);
        member.Role.ShouldBe(role);
        member.Has(included).ShouldBeTrue();
        member.Has(excluded).ShouldBeFalse();
    }

    [Fact]
    public async Task The_last_owner_can_neither_leave_nor_step_down_nor_be_removed()
    {
        var owner = await node.NewWorkspaceAsync(await node.NewPersonAsync());
        await node.JoinAsync(owner, await node.NewPersonAsync(), Role.Editor);
        var self = owner.Person!.Value;
        foreach (
            var act in (Func<Task>[])
                [
                    () => node.ChangeMember.RemoveAsync(owner, self, Any, Ct),
                    () => node.ChangeMember.ChangeRoleAsync(owner, self, new ChangeMember.Body("viewer"), Any, Ct),
                    () =>
                        node.ChangeMember.RemoveAsync(
                            AccessNode.Operator() with
                            {
                                Owner = owner.Owner,
                                IsVisitingOperator = true,
                            },
                            self,
                            Any,
                            Ct
                        ),
                ]
        )
        {
            (await Problems.RefusedAsync(act)).Type.ShouldBe(WorkspaceProblems.LastOwner);
        }
    }

    [Fact]
    public async Task Of_owners_who_all_step_down_at_once_one_stays()
    {
        var first = await node.NewWorkspaceAsync(await node.NewPersonAsync());
        var owners = new List<Caller> { first };
        for (var i = 0; i < 5; i++)
            owners.Add(await node.JoinAsync(first, await node.NewPersonAsync(), Role.Owner));
        var outcomes = await Task.WhenAll(
            owners.Select(
                async (owner, i) =>
                {
                    try
                    {
                        if (i % 2 == 0)
                            await node.ChangeMember.RemoveAsync(owner, owner.Person!.Value, Any, Ct);
                        else
                        {
                            await node.ChangeMember.ChangeRoleAsync(
                                owner,
                                owner.Person!.Value,
                                new ChangeMember.Body("viewer"),
                                Any,
                                Ct
                            );
                        }
                        return "gone";
                    }
                    catch (ProblemException refused)
                    {
                        return refused.Problem.Type.Slug;
                    }
                }
            )
        );
        outcomes.Count(o => o == "gone").ShouldBe(5);
        outcomes.Count(o => o == "last-owner").ShouldBe(1);
    }

    [Fact]
    public async Task A_workspace_is_handed_over_in_one()
    {
        var giver = await node.NewWorkspaceAsync(await node.NewPersonAsync());
        var heir = await node.JoinAsync(giver, await node.NewPersonAsync(), Role.Viewer);
        var stranger = await node.NewPersonAsync();
        var refused = await Problems.RefusedAsync(() =>
            node.ChangeMember.TransferAsync(giver, new ChangeMember.TransferBody(stranger.Person!.Value.Value), Ct)
        );
        refused.Faults.Single().Pointer.ShouldBe("/personId");

        await node.ChangeMember.TransferAsync(giver, new ChangeMember.TransferBody(heir.Person!.Value.Value), Ct);
        (await node.Directory.EnterAsync(heir, giver.Owner.ToString(), Ct))!.Role.ShouldBe(Role.Owner);
        (await node.Directory.EnterAsync(giver, giver.Owner.ToString(), Ct))!.Role.ShouldBe(Role.Editor);
        // Let in as an owner before, and none any more.
        (
            await Problems.RefusedAsync(() =>
                node.ChangeMember.TransferAsync(giver, new ChangeMember.TransferBody(heir.Person!.Value.Value), Ct)
            )
        ).Type.ShouldBe(KernelProblems.Forbidden);
    }

    [Fact]
    public async Task Whoever_was_removed_is_a_stranger_on_every_node()
    {
        await using var other = await AccessNode.StartAsync(postgres);
        var ada = await node.NewPersonAsync();
        var owner = await node.NewWorkspaceAsync(ada);
        var bob = await node.NewPersonAsync();
        await node.JoinAsync(owner, bob, Role.Editor);
        (await other.Directory.EnterAsync(bob, owner.Owner.ToString(), Ct)).ShouldNotBeNull();

        var heard = new TaskCompletionSource();
        using var watch = other.Invalidation.Watch(changed =>
        {
            if (changed == owner.Owner)
                heard.TrySetResult();
        });
        await node.ChangeMember.RemoveAsync(owner, bob.Person!.Value, Any, Ct);
        (await node.Directory.EnterAsync(bob, owner.Owner.ToString(), Ct)).ShouldBeNull();
        await heard.Task.WaitAsync(TimeSpan.FromSeconds(20), Ct);
        (await other.Directory.EnterAsync(bob, owner.Owner.ToString(), Ct)).ShouldBeNull();
    }

    [Fact]
    public async Task Nobody_makes_others_more_than_they_are()
    {
        var owner = await node.NewWorkspaceAsync(await node.NewPersonAsync());
        var editor = await node.JoinAsync(owner, await node.NewPersonAsync(), Role.Editor);
        var key = owner with
        {
            Person = null,
            Role = null,
            Scopes = new HashSet<string> { Scopes.MembersManage },
        };
        foreach (
            var act in (Func<Task>[])
                [
                    () => node.Invite.InviteAsync(key, new InviteMember.Body("a@example.org", "viewer"), null, Ct),
                    () =>
                        node.ChangeMember.ChangeRoleAsync(
                            key,
                            editor.Person!.Value,
                            new ChangeMember.Body("owner"),
                            Any,
                            Ct
                        ),
                    () => node.ChangeMember.RemoveAsync(key, owner.Person!.Value, Any, Ct),
                ]
        )
        {
            (await Problems.RefusedAsync(act)).Type.Slug.ShouldBe("cannot-grant");
        }
    }

    [Fact]
    public async Task An_invitation_that_a_hundred_accept_at_once_makes_one_member()
    {
        var owner = await node.NewWorkspaceAsync(await node.NewPersonAsync());
        var invitation = await InviteAsync(owner);
        var people = new List<Caller>();
        for (var i = 0; i < 100; i++)
            people.Add(await node.NewPersonAsync());
        var outcomes = await Task.WhenAll(people.Select(p => TryAcceptAsync(p, invitation.Token)));
        outcomes.Count(o => o == "accepted").ShouldBe(1);
        outcomes.Count(o => o == "invitation-gone").ShouldBe(99);
        (await CountMembersAsync(owner)).ShouldBe(2);
    }

    [Fact]
    public async Task An_invitation_that_one_person_accepts_a_hundred_times_at_once_makes_one_member()
    {
        var owner = await node.NewWorkspaceAsync(await node.NewPersonAsync());
        var invitation = await InviteAsync(owner);
        var person = await node.NewPersonAsync();
        var outcomes = await Task.WhenAll(
            Enumerable.Range(0, 100).Select(_ => TryAcceptAsync(person, invitation.Token))
        );
        outcomes.ShouldAllBe(o => o == "accepted");
        (await CountMembersAsync(owner)).ShouldBe(2);
        var uses = await node.ReadWorkspaces.OneAsync(owner, Ct);
        uses.Entitlements.Single(e => e.Name == Entitlements.Members).Used.ShouldBe(2);
    }

    [Fact]
    public async Task An_invitation_ends_when_it_expires_is_taken_back_or_is_sent_again()
    {
        var owner = await node.NewWorkspaceAsync(await node.NewPersonAsync());
        var person = await node.NewPersonAsync();

        var late = new StandingClock(TimeProvider.System.GetUtcNow().AddDays(8));
        var accept = new AcceptInvitation(postgres.Pools, node.Invalidation, late);
        var expired = await InviteAsync(owner);
        (
            await Problems.RefusedAsync(() => accept.RunAsync(person, new AcceptInvitation.Body(expired.Token), Ct))
        ).Detail.ShouldContain("expired");

        var revoked = await InviteAsync(owner);
        await node.Invite.RevokeAsync(owner, revoked.Invitation.Id, Ct);
        (await TryAcceptAsync(person, revoked.Token)).ShouldBe("invitation-gone");

        var former = await InviteAsync(owner);
        var again = await node.Invite.ResendAsync(owner, former.Invitation.Id, Ct);
        (await TryAcceptAsync(person, former.Token)).ShouldBe("invitation-gone");
        (await TryAcceptAsync(person, again.Token)).ShouldBe("accepted");
        (await TryAcceptAsync(person, again.Token[..^1] + (again.Token[^1] == 'x' ? "y" : "x"))).ShouldBe("invalid");
        (await Problems.RefusedAsync(() => node.Invite.RevokeAsync(owner, former.Invitation.Id, Ct))).Type.ShouldBe(
            KernelProblems.Conflict
        );
    }

    [Fact]
    public async Task An_invitation_is_of_no_use_to_a_key_and_its_token_is_not_kept()
    {
        var owner = await node.NewWorkspaceAsync(await node.NewPersonAsync());
        var invitation = await InviteAsync(owner);
        (await TryAcceptAsync(AccessNode.Operator(), invitation.Token)).ShouldBe("needs-person");
        await using var admin = await postgres.OpenAdminAsync(Ct);
        await using var look = new Npgsql.NpgsqlCommand(
            "select count(*) from access.invitation i where i::text like '%' || $1 || '%'",
            admin
        );
        look.Parameters.AddWithValue(invitation.Token);
        (await look.ExecuteScalarAsync(Ct)).ShouldBe(0L);
    }

    [Fact]
    public async Task One_address_is_invited_once_at_a_time_and_a_member_not_at_all()
    {
        var owner = await node.NewWorkspaceAsync(await node.NewPersonAsync());
        await InviteAsync(owner, "Ada@example.org");
        (await Problems.RefusedAsync(() => InviteAsync(owner, "ada@EXAMPLE.org"))).Type.ShouldBe(
            KernelProblems.Conflict
        );
        var bob = await node.NewPersonAsync("bob" + Guid.CreateVersion7().ToString("N") + "@example.org");
        await node.JoinAsync(owner, bob, Role.Viewer);
        await using var session = await postgres.Pools.OpenAsync(owner.Operation("test"), Ct);
        var email = (await Member.FindAsync(session, bob.Person!.Value, Ct))!.Email;
        (await Problems.RefusedAsync(() => InviteAsync(owner, email))).Detail.ShouldContain("member already");
    }

    [Fact]
    public async Task The_plan_says_how_many_members_there_are_also_to_many_at_once()
    {
        var owner = await node.NewWorkspaceAsync(await node.NewPersonAsync());
        await node.ChangeWorkspace.AllowAsync(
            AccessNode.Operator() with
            {
                Owner = owner.Owner,
                IsVisitingOperator = true,
            },
            Entitlements.Members,
            new ChangeWorkspace.Allowance(4),
            Any,
            Ct
        );
        var tries = new List<(Caller Person, string Token)>();
        for (var i = 0; i < 12; i++)
            tries.Add((await node.NewPersonAsync(), (await InviteAsync(owner)).Token));
        var outcomes = await Task.WhenAll(tries.Select(t => TryAcceptAsync(t.Person, t.Token)));
        outcomes.Count(o => o == "accepted").ShouldBe(3);
        outcomes.Count(o => o == "limit-reached").ShouldBe(9);

        var late = tries[Array.FindIndex(outcomes, o => o == "limit-reached")];
        var refused = await Problems.RefusedAsync(() =>
            node.Accept.RunAsync(late.Person, new AcceptInvitation.Body(late.Token), Ct)
        );
        (refused.Extensions["limit"], refused.Extensions["used"], refused.Extensions["allowed"]).ShouldBe(
            ("members", 4L, 4L)
        );
        // The invitation is not lost: when somebody goes there is room.
        var gone = tries[Array.FindIndex(outcomes, o => o == "accepted")].Person;
        await node.ChangeMember.RemoveAsync(owner, gone.Person!.Value, Any, Ct);
        (await TryAcceptAsync(late.Person, late.Token)).ShouldBe("accepted");
    }

    [Fact]
    public async Task One_person_owns_as_many_workspaces_as_the_platform_allows_also_when_they_ask_at_once()
    {
        var person = await node.NewPersonAsync();
        var outcomes = await Task.WhenAll(
            Enumerable
                .Range(0, 25)
                .Select(async i =>
                {
                    try
                    {
                        await node.NewWorkspaceAsync(person);
                        return "made";
                    }
                    catch (ProblemException refused)
                    {
                        return refused.Problem.Type.Slug;
                    }
                })
        );
        outcomes.Count(o => o == "made").ShouldBe(20);
        outcomes.Count(o => o == "limit-reached").ShouldBe(5);
        var mine = await node.ReadWorkspaces.PageAsync(person, null, 200, null, null, mine: false, Ct);
        mine.Items.Count.ShouldBe(20);
    }

    [Fact]
    public async Task Nobody_is_written_to_without_end_by_inviting_and_taking_back()
    {
        var owner = await node.NewWorkspaceAsync(await node.NewPersonAsync());
        var email = $"{Guid.CreateVersion7():N}@example.org";
        for (var i = 0; i < 10; i++)
        {
            var made = await InviteAsync(owner, email);
            await node.Invite.RevokeAsync(owner, made.Invitation.Id, Ct);
        }
        var same = await Problems.RefusedAsync(() => InviteAsync(owner, email.ToUpperInvariant()));
        (same.Type.Slug, same.Extensions["limit"]).ShouldBe(("limit-reached", "invitation-sendings"));
        for (var i = 10; i < 200; i++)
            await node.Invite.RevokeAsync(owner, (await InviteAsync(owner)).Invitation.Id, Ct);
        var more = await Problems.RefusedAsync(() => InviteAsync(owner));
        (more.Extensions["limit"], more.Extensions["used"]).ShouldBe(("invitations-a-day", 200L));
    }

    [Fact]
    public async Task A_purge_removes_a_workspace_whose_grace_is_over_and_leaves_a_restored_one_alone()
    {
        var owner = await node.NewWorkspaceAsync(await node.NewPersonAsync());
        var deleted = await node.ChangeWorkspace.DeleteAsync(owner, Any, Ct);
        (await node.Directory.EnterAsync(owner, owner.Owner.ToString(), Ct)).ShouldBeNull();
        var closed = await node.Directory.EnterAsync(
            owner with
            {
                Owner = new OwnerId(owner.Person!.Value.Value),
            },
            deleted.Workspace.Slug,
            deletedToo: true,
            platformToo: false,
            Ct
        );
        var restored = await node.ChangeWorkspace.RestoreAsync(closed!, Any, Ct);
        restored.Workspace.Status.ShouldBe("active");
        (await PurgeAsync(owner.Owner, deleted.Workspace.Revision)).ShouldBeFalse();
        (await node.Directory.EnterAsync(owner, owner.Owner.ToString(), Ct)).ShouldNotBeNull();

        var again = await node.ChangeWorkspace.DeleteAsync(owner, Any, Ct);
        (await PurgeAsync(owner.Owner, deleted.Workspace.Revision)).ShouldBeFalse();
        (await PurgeAsync(owner.Owner, again.Workspace.Revision)).ShouldBeTrue();
        (await PurgeAsync(owner.Owner, again.Workspace.Revision)).ShouldBeFalse();
        await using var admin = await postgres.OpenAdminAsync(Ct);
        var left = await OwnersRows.DigestAsync(admin, owner.Owner, Ct);
        // What happened stays on record, and the last event says that it is gone.
        left.Keys.ShouldBe(["access.audit_entry", "platform.closed_owner", "platform.event", "platform.stream"]);
        var person = new Caller(owner.Actor, new OwnerId(owner.Person!.Value.Value), owner.Scopes)
        {
            Person = owner.Person,
        };
        (
            await node.CreateWorkspace.RunAsync(
                person,
                new CreateWorkspace.Body("Next", deleted.Workspace.Slug),
                null,
                Ct
            )
        ).Made.ShouldBeTrue();
    }

    private async Task<bool> PurgeAsync(OwnerId owner, long revision)
    {
        var system = OperationContext.ForSystem(owner, "purge");
        await using (var begin = await postgres.Pools.OpenAsync(system, Ct))
        {
            if (!await PurgeWorkspace.BeginAsync(begin, revision, Ct))
                return false;
            await begin.CommitAsync(Ct);
        }
        var purge = new PurgeWorkspace(postgres.Pools, node.Invalidation);
        await purge.RemoveAsync(Guid.Empty, owner, _ => Task.CompletedTask, Ct);
        await using var end = await postgres.Pools.OpenAsync(system, Ct);
        await PurgeWorkspace.EndAsync(end, Ct);
        await end.CommitAsync(Ct);
        return true;
    }

    private Task<InviteMember.Outcome> InviteAsync(Caller owner, string? email = null) =>
        node.Invite.InviteAsync(
            owner,
            new InviteMember.Body(email ?? $"{Guid.CreateVersion7():N}@example.org", "viewer"),
            once: null,
            Ct
        );

    private async Task<string> TryAcceptAsync(Caller person, string token)
    {
        try
        {
            await node.Accept.RunAsync(person, new AcceptInvitation.Body(token), Ct);
            return "accepted";
        }
        catch (ProblemException refused)
        {
            return refused.Problem.Type.Slug;
        }
    }

    private async Task<int> CountMembersAsync(Caller owner)
    {
        await using var session = await postgres.Pools.OpenAsync(owner.Operation("test"), Ct);
        return (await Member.ListAsync(session, new PersonId(Guid.Empty), null, 200, Ct)).Count;
    }
}
