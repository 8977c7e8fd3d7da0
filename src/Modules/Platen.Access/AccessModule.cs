using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Platen.Access.Audit;
using Platen.Access.Invitations;
using Platen.Access.Keys;
using Platen.Access.Members;
using Platen.Access.Snapshots;
using Platen.Access.Tokens;
using Platen.Access.Workspaces;
using Platen.Platform.Embedding;
using Platen.Platform.Events;
using Platen.Platform.Http;
using Platen.Platform.Jobs;
using Platen.Platform.Owners;
using Platen.Platform.Postgres;

namespace Platen.Access;

/// <summary>Who may do what: workspaces and their members, machine keys and short-lived tokens, and their scopes.</summary>
public static class AccessModule
{
    /// <summary>The module's SQL.</summary>
    public static readonly SqlModule Sql = new("access", typeof(AccessModule).Assembly);

    public static IServiceCollection AddAccess(this IServiceCollection services, AccessOptions? options = null)
    {
        services.AddEvents();
        services.AddEmbedTokens();
        services.TryAddSingleton(options ?? new AccessOptions());
        // The parts of AddAuthentication that a bearer key needs: the rest would write a key ring to the home folder.
        services.AddWebEncoders();
        services.AddAuthenticationCore(auth => auth.DefaultScheme = MachineKeyAuthentication.SchemeName);
        new AuthenticationBuilder(services).AddScheme<AuthenticationSchemeOptions, MachineKeyAuthentication>(
            MachineKeyAuthentication.SchemeName,
            configureOptions: null
        );
        AddPolicies(services);
        services
            .AddSingleton<Invalidation>()
            .AddSingleton(provider => new WorkspaceDirectory(
                provider.GetRequiredService<PostgresPools>(),
                provider.GetRequiredService<Invalidation>(),
                provider.GetRequiredService<TimeProvider>()
            ))
            .AddSingleton<KeyVerifier>()
            .AddHostedService(provider => provider.GetRequiredService<KeyVerifier>())
            .AddSingleton(provider => new RememberedCallers(
                provider.GetRequiredService<KeyVerifier>(),
                provider.GetRequiredService<ILogger<RememberedCallers>>()
            ))
            .AddSingleton<KeyHolderRule>(provider => provider.GetRequiredService<RememberedCallers>().OwnerOfAsync)
            .AddSingleton<KeyRing>()
            .AddHostedService(provider => provider.GetRequiredService<KeyRing>())
            .AddSingleton(provider => new TokenSigner(
                provider.GetRequiredService<KeyRing>(),
                provider.GetRequiredService<ClosedOwners>(),
                provider.GetRequiredService<TimeProvider>()
            ))
            .AddSingleton(provider => new LongRequests(
                provider.GetRequiredService<PostgresPools>(),
                provider.GetRequiredService<WorkspaceDirectory>(),
                provider.GetRequiredService<ClosedOwners>(),
                provider.GetRequiredService<Invalidation>(),
                provider.GetRequiredService<TimeProvider>(),
                provider.GetRequiredService<ILogger<LongRequests>>()
            ))
            .AddSingleton<LateCallerCheck>(provider => provider.GetRequiredService<LongRequests>().RefuseLostAsync)
            .AddSingleton(provider => new SnapshotUrls(
                provider.GetRequiredService<PostgresPools>(),
                provider.GetRequiredService<TokenSigner>(),
                provider.GetRequiredService<TimeProvider>()
            ))
            .AddSingleton<CreateKey>()
            .AddSingleton<ReadKeys>()
            .AddSingleton<RevokeKey>()
            .AddSingleton<ReadMembers>()
            .AddSingleton<ChangeMember>()
            .AddSingleton<InviteMember>()
            .AddSingleton<AcceptInvitation>()
            .AddSingleton<MailInvitation>()
            .AddSingleton<RegisterByInvitation>()
            .AddSingleton<CreateWorkspace>()
            .AddSingleton<ReadWorkspaces>()
            .AddSingleton<ChangeWorkspace>()
            .AddSingleton<IJobHandler, PurgeWorkspace>();
        return services;
    }

    /// <summary>Maps the module's routes.</summary>
    public static void MapAccess(this IEndpointRouteBuilder app)
    {
        WorkspacesEndpoints.Map(app);
        MembersEndpoints.Map(app);
        InvitationsEndpoints.Map(app);
        InvitationPage.Map(app);
        KeysEndpoints.Map(app);
        TokensEndpoints.Map(app);
        SnapshotsEndpoints.Map(app);
        WhoAmI.Map(app);
    }

    /// <summary>Maps the audit log.</summary>
    public static void MapAudit(this IEndpointRouteBuilder app) => AuditEndpoints.Map(app);

    private static void AddPolicies(IServiceCollection services)
    {
        services.AddSingleton<IAuthorizationHandler, WorkspaceAuthorization>();
        var authorization = services.AddAuthorizationBuilder();
        authorization.AddPolicy(WorkspaceAccess.AnyCaller, policy => policy.RequireAuthenticatedUser());
        foreach (var scope in Scopes.Known)
        {
            authorization.AddPolicy(
                scope,
                policy =>
                    policy.RequireAssertion(context =>
                        context.User.Identity is CallerIdentity { Caller: var caller } && caller.Has(scope)
                    )
            );
            authorization.AddPolicy(
                WorkspaceAccess.WorkspacePolicy(scope),
                policy => policy.RequireAuthenticatedUser().AddRequirements(new WorkspaceRequirement(scope))
            );
        }
    }
}
