using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Platen.Access.People.Mail;
using Platen.Access.SignIn;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;

namespace Platen.Access.People;

/// <summary>People who sign in: with a password, a passkey or a provider, by a session's cookie.</summary>
public static class PeopleModule
{
    // Which of the two kinds of credential a request carries.
    private const string EitherScheme = "platen";

    public static IServiceCollection AddPeople(this IServiceCollection services, PeopleSettings settings)
    {
        services.AddSingleton(settings).AddSingleton<PublicAddress>();
        services.AddSingleton<IMail>(provider =>
            settings.Mail switch
            {
                MailLocation.Smtp server => new SmtpMail(server, provider.GetRequiredService<TimeProvider>()),
                MailLocation.Folder folder => new FolderMail(folder, provider.GetRequiredService<TimeProvider>()),
                _ => throw new InvalidOperationException("There is no such kind of mail."),
            }
        );
        AddIdentity(services, settings);
        AddAuthentication(services, settings);
        return services
            .AddSingleton<PersonSessions>()
            .AddSingleton<SignInThrottle>()
            .AddSingleton<Passwords>()
            .AddSingleton<SignInWithPassword>()
            .AddSingleton<SetPassword>()
            .AddSingleton<ChangeEmail>()
            .AddSingleton<AddPerson>()
            .AddSingleton<ReadPeople>()
            .AddSingleton<Myself>()
            .AddSingleton<DeletePerson>()
            .AddSingleton<SetupLink>()
            .AddSingleton<Providers>()
            .AddSingleton<TerminalLogin>()
            .AddSingleton<Terminals>()
            .AddScoped<Passkeys>()
            .AddScoped<AccountParts>()
            .AddSingleton<IJobHandler, SendPersonMail>();
    }

    /// <summary>Maps the routes of people and of signing in, and their pages.</summary>
    public static void MapPeople(this IEndpointRouteBuilder app)
    {
        SignInEndpoints.Map(app);
        PeopleEndpoints.Map(app);
        SignInPages.Map(app);
    }

    /// <summary>A new one-time link for the platform's first owner, such as <c>/setup/…</c>; null when there has been one.</summary>
    public static Task<string?> RenewSetupLinkAsync(PostgresPools pools, CancellationToken ct) =>
        SetupLink.RenewAsync(pools, ct);

    private static void AddIdentity(IServiceCollection services, PeopleSettings settings)
    {
        services
            .AddIdentityCore<Person>(identity =>
            {
                // The rules are PasswordRules' alone; these would add their own.
                identity.Password = new PasswordOptions
                {
                    RequiredLength = PeopleLimits.PasswordMin,
                    RequiredUniqueChars = 1,
                    RequireDigit = false,
                    RequireLowercase = false,
                    RequireNonAlphanumeric = false,
                    RequireUppercase = false,
                };
                identity.User.RequireUniqueEmail = true;
                identity.User.AllowedUserNameCharacters = "";
            })
            .AddUserStore<PersonStore>()
            .AddPasswordValidator<PasswordRules>();
        services.AddSingleton<ILookupNormalizer, EmailNormalizer>();
        services.AddSingleton<IPasswordHasher<Person>, PasswordHasher<Person>>();
        services.AddScoped<IPasskeyHandler<Person>, PasskeyHandler<Person>>();
        services.Configure<IdentityPasskeyOptions>(passkeys =>
        {
            // Null: the host that the browser asked, which no page can make it lie about. A public address fixes it for good.
            passkeys.ServerDomain = settings.PublicUrl?.Host;
            passkeys.UserVerificationRequirement = "required";
            passkeys.ResidentKeyRequirement = "required";
            passkeys.AuthenticatorTimeout = PeopleLimits.CeremonyLife;
        });
    }

    private static void AddAuthentication(IServiceCollection services, PeopleSettings settings)
    {
        services.AddDataProtection().SetApplicationName("platen");
        services.AddSingleton<IConfigureOptions<KeyManagementOptions>>(
            provider => new ConfigureOptions<KeyManagementOptions>(keys =>
                keys.XmlRepository = new ProtectionKeys(provider.GetRequiredService<PostgresPools>())
            )
        );
        var authentication = new AuthenticationBuilder(services);
        authentication.AddScheme<AuthenticationSchemeOptions, SessionAuthentication>(
            SessionAuthentication.SchemeName,
            configureOptions: null
        );
        // A key that is sent counts, also beside a cookie: a program says what it means, a browser's cookies come by themselves.
        authentication.AddPolicyScheme(
            EitherScheme,
            displayName: null,
            either =>
                either.ForwardDefaultSelector = context =>
                    context.Request.Headers.Authorization.Count == 0 && PersonSessions.IsCarriedBy(context.Request)
                        ? SessionAuthentication.SchemeName
                        : MachineKeyAuthentication.SchemeName
        );
        services.Configure<AuthenticationOptions>(options => options.DefaultScheme = EitherScheme);
        Providers.Add(authentication, settings);
        services
            .AddAuthorizationBuilder()
            .AddPolicy(
                EndpointsOfPeople.Policy,
                policy => policy.RequireAssertion(context => context.User.Identities.OfType<PersonIdentity>().Any())
            );
    }
}
