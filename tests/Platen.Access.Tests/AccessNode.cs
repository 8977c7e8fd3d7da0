using System.Collections.Frozen;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Platen.Access.Invitations;
using Platen.Access.Keys;
using Platen.Access.Members;
using Platen.Access.People;
using Platen.Access.Tokens;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Platform.Events;
using Platen.Platform.Owners;
using Platen.Testing;

namespace Platen.Access.Tests;

/// <summary>The module as one process has it, with a LISTEN connection of its own: several of them are several nodes.</summary>
internal sealed class AccessNode : IAsyncDisposable
{
    private readonly PostgresFixture postgres;

    private AccessNode(PostgresFixture postgres, TimeProvider clock, string stage)
    {
        this.postgres = postgres;
        Listener = new NotificationListener(postgres.Pools, NullLogger<NotificationListener>.Instance, clock);
        Invalidation = new Invalidation(Listener);
        Options = new AccessOptions { Stage = stage };
        Keys = new KeyVerifier(postgres.Pools, Invalidation, Options, clock, NullLogger<KeyVerifier>.Instance);
        Ring = new KeyRing(postgres.Pools, Invalidation, clock, NullLogger<KeyRing>.Instance);
        Closed = new ClosedOwners(postgres.Pools, Listener, NullLogger<ClosedOwners>.Instance, clock);
        Signer = new TokenSigner(Ring, Closed, clock);
        Directory = new WorkspaceDirectory(postgres.Pools, Invalidation, clock);
        CreateKey = new CreateKey(postgres.Pools, Options, clock);
        RevokeKey = new RevokeKey(postgres.Pools, Invalidation, clock);
        ReadKeys = new ReadKeys(postgres.Pools);
        CreateWorkspace = new CreateWorkspace(postgres.Pools);
        ReadWorkspaces = new ReadWorkspaces(postgres.Pools);
        ChangeWorkspace = new ChangeWorkspace(postgres.Pools, Invalidation, clock);
        ChangeMember = new ChangeMember(postgres.Pools, Invalidation);
        Invite = new InviteMember(postgres.Pools, clock);
        Accept = new AcceptInvitation(postgres.Pools, Invalidation, clock);
    }

    public NotificationListener Listener { get; }
    public Invalidation Invalidation { get; }
    public AccessOptions Options { get; }
    public KeyVerifier Keys { get; }
    public KeyRing Ring { get; }
    public ClosedOwners Closed { get; }
    public TokenSigner Signer { get; }
    public WorkspaceDirectory Directory { get; }
    public CreateKey CreateKey { get; }
    public RevokeKey RevokeKey { get; }
    public ReadKeys ReadKeys { get; }
    public CreateWorkspace CreateWorkspace { get; }
    public ReadWorkspaces ReadWorkspaces { get; }
    public ChangeWorkspace ChangeWorkspace { get; }
    public ChangeMember ChangeMember { get; }
    public InviteMember Invite { get; }
    public AcceptInvitation Accept { get; }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>A node that hears what others change.</summary>
    public static async Task<AccessNode> StartAsync(
        PostgresFixture postgres,
        TimeProvider? clock = null,
        string stage = "standalone"
    )
    {
        var node = Deaf(postgres, clock, stage);
        var listening = new TaskCompletionSource();
        using (node.Listener.Add(EventLog.Channel, _ => { }, listening.SetResult))
        {
            await node.Listener.StartAsync(Ct);
            await listening.Task.WaitAsync(Ct);
        }
        return node;
    }

    /// <summary>A node whose LISTEN connection does not come about.</summary>
    public static AccessNode Deaf(PostgresFixture postgres, TimeProvider? clock = null, string stage = "standalone") =>
        new(postgres, clock ?? TimeProvider.System, stage);

    /// <summary>A person nobody has seen before, outside every workspace.</summary>
    public async Task<Caller> NewPersonAsync(string? email = null)
    {
        var id = PersonId.New();
        email ??= $"{id.Value:N}@example.org";
        await using var admin = await postgres.OpenAdminAsync(Ct);
        await using var insert = new NpgsqlCommand(
            "insert into access.person (id, display_name, email, normalized_email) values ($1, $2, $3, lower($3))",
            admin
        );
        insert.Parameters.AddWithValue(id.Value);
        insert.Parameters.AddWithValue("Person " + id.Value.ToString("N")[^4..]);
        insert.Parameters.AddWithValue(email);
        await insert.ExecuteNonQueryAsync(Ct);
        return await Directory.CallerOfAsync(id, "Person " + id.Value.ToString("N")[^4..], Ct);
    }

    /// <summary>A workspace of this person, entered by them.</summary>
    public async Task<Caller> NewWorkspaceAsync(Caller person, string? name = null)
    {
        var made = await CreateWorkspace.RunAsync(
            person,
            new CreateWorkspace.Body(name ?? "ws " + Guid.CreateVersion7().ToString("N")[^10..]),
            key: null,
            Ct
        );
        return (await Directory.EnterAsync(person, made.Workspace.Id.ToString(), Ct)).ShouldNotBeNull();
    }

    /// <summary>Makes the person a member of the workspace that the owner has entered, by invitation.</summary>
    public async Task<Caller> JoinAsync(Caller owner, Caller person, Role role)
    {
        var invitation = await Invite.InviteAsync(
            owner,
            new InviteMember.Body($"{Guid.CreateVersion7():N}@example.org", role.Name()),
            once: null,
            Ct
        );
        await Accept.RunAsync(person, new AcceptInvitation.Body(invitation.Token), Ct);
        return (await Directory.EnterAsync(person, owner.Owner.ToString(), Ct)).ShouldNotBeNull();
    }

    /// <summary>An operator, as the owner key is one.</summary>
    public static Caller Operator() =>
        new(
            new Actor(new ActorId(Guid.CreateVersion7()), "operator"),
            OwnerId.Platform,
            FrozenSet.Create(StringComparer.Ordinal, Scopes.All)
        );

    public async ValueTask DisposeAsync()
    {
        await Listener.StopAsync(CancellationToken.None);
        Listener.Dispose();
        Invalidation.Dispose();
        Closed.Dispose();
        Keys.Dispose();
        Ring.Dispose();
    }
}

/// <summary>A clock that stands until it is moved.</summary>
internal sealed class StandingClock(DateTimeOffset now) : TimeProvider
{
    public DateTimeOffset Now { get; set; } = now;

    public override DateTimeOffset GetUtcNow() => Now;
}

internal static class Problems
{
    /// <summary>Runs what must be refused and returns the problem.</summary>
    public static async Task<Problem> RefusedAsync(Func<Task> act) =>
        (await Should.ThrowAsync<ProblemException>(act)).Problem;
}
