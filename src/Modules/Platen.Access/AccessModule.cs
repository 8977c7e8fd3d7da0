using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Platen.Platform.Postgres;

namespace Platen.Access;

/// <summary>Who may do what: machine keys and their scopes.</summary>
public static class AccessModule
{
    /// <summary>The module's SQL.</summary>
    public static readonly SqlModule Sql = new("access", typeof(AccessModule).Assembly);

    public static IServiceCollection AddAccess(this IServiceCollection services)
    {
        // The parts of AddAuthentication that a bearer key needs: the rest would write a key ring to the home folder.
        services.AddWebEncoders();
        services.AddAuthenticationCore(options => options.DefaultScheme = MachineKeyAuthentication.SchemeName);
        new AuthenticationBuilder(services).AddScheme<AuthenticationSchemeOptions, MachineKeyAuthentication>(
            MachineKeyAuthentication.SchemeName,
            configureOptions: null
        );
        var authorization = services.AddAuthorizationBuilder();
        foreach (var scope in Scopes.Known)
        {
            authorization.AddPolicy(
                scope,
                policy =>
                    policy.RequireAssertion(context =>
                        context.User.Identity is CallerIdentity { Caller: var caller } && caller.Has(scope)
                    )
            );
        }
        return services;
    }

    /// <summary>Only callers with the scope reach the endpoint.</summary>
    public static TBuilder NeedsScope<TBuilder>(this TBuilder endpoint, string scope)
        where TBuilder : IEndpointConventionBuilder =>
        endpoint.RequireAuthorization(scope).WithMetadata(new NeededScope(scope));
}
