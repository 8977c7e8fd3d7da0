using System.Net.Http.Headers;
using System.Text.Json;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.OAuth;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Platen.Access.People;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.SignIn;

/// <summary>
/// Signing in with an outside service: the framework's OAuth 2.0 handler with state, PKCE and a correlation cookie; who it is, the
/// service's OpenID Connect user info tells, over the connection that the code was exchanged on. Nobody is added by this: a
/// service vouches for people who are here already.
/// </summary>
internal sealed partial class Providers(PostgresPools pools, PeopleSettings settings, ILogger<Providers> logger)
{
    private const string SubjectKey = "platen.subject";
    private const string LinkKey = "platen.link";

    /// <summary>What a person sees of a provider.</summary>
    public sealed record Listed(string Name, string Title, string Url);

    public IReadOnlyList<Listed> All { get; } =
    [.. settings.Providers.Select(p => new Listed(p.Name, p.Title, "/sign-in/" + p.Name))];

    public static string SchemeOf(string provider) => "provider-" + provider;

    /// <summary>Registers a handler for each provider.</summary>
    public static void Add(AuthenticationBuilder authentication, PeopleSettings settings)
    {
        foreach (var provider in settings.Providers)
        {
            authentication.AddOAuth(
                SchemeOf(provider.Name),
                provider.Title,
                options =>
                {
                    options.ClientId = provider.ClientId;
                    options.ClientSecret = provider.ClientSecret;
                    options.AuthorizationEndpoint = provider.AuthorizationEndpoint.ToString();
                    options.TokenEndpoint = provider.TokenEndpoint.ToString();
                    options.UserInformationEndpoint = provider.UserInfoEndpoint.ToString();
                    options.CallbackPath = $"/sign-in/{provider.Name}/callback";
                    options.UsePkce = true;
                    options.SaveTokens = false;
                    options.RemoteAuthenticationTimeout = TimeSpan.FromMinutes(10);
                    options.BackchannelTimeout = TimeSpan.FromSeconds(10);
                    options.Scope.Clear();
                    foreach (var scope in provider.Scope.Split(' ', StringSplitOptions.RemoveEmptyEntries))
                        options.Scope.Add(scope);
                    // The way back is a link that the browser follows, so Lax lets the cookie through, also without https.
                    options.CorrelationCookie.SameSite = SameSiteMode.Lax;
                    options.CorrelationCookie.SecurePolicy = CookieSecurePolicy.SameAsRequest;
                    options.Events.OnCreatingTicket = context => ReadUserInfoAsync(context);
                    options.Events.OnTicketReceived = context =>
                        context
                            .HttpContext.RequestServices.GetRequiredService<Providers>()
                            .FinishAsync(context, provider.Name);
                    options.Events.OnRemoteFailure = context =>
                    {
                        var providers = context.HttpContext.RequestServices.GetRequiredService<Providers>();
                        providers.Refused(provider.Name, context.Failure);
                        return Leave(context, "/sign-in?problem=provider");
                    };
                }
            );
        }
    }

    /// <summary>Sends the browser to the provider.</summary>
    /// <param name="context">The request.</param>
    /// <param name="provider">One of <see cref="All"/>.</param>
    /// <param name="returnTo">Where to go afterwards.</param>
    /// <param name="link">The signed-in person who wants to be known by the provider from now on; null to sign in.</param>
    public static Task BeginAsync(HttpContext context, string provider, string returnTo, SignedIn? link)
    {
        var properties = new AuthenticationProperties { RedirectUri = returnTo };
        if (link is not null)
            properties.Items[LinkKey] = link.SessionId.ToString("D");
        return context.ChallengeAsync(SchemeOf(provider), properties);
    }

    private static async Task ReadUserInfoAsync(OAuthCreatingTicketContext context)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, context.Options.UserInformationEndpoint);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", context.AccessToken);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        using var response = await context.Backchannel.SendAsync(request, context.HttpContext.RequestAborted);
        response.EnsureSuccessStatusCode();
        var bytes = await response.Content.ReadAsByteArrayAsync(context.HttpContext.RequestAborted);
        var user = JsonElement.Parse(bytes);
        if (Text(user, "sub") is not { Length: > 0 and <= 255 } subject)
            throw new JsonException("The provider's user info has no 'sub'.");
        var verified = user.TryGetProperty("email_verified", out var flag) && flag.ValueKind == JsonValueKind.True;
        context.Properties.Items[SubjectKey] = subject;
        if (verified && Text(user, "email") is { } email && EmailAddress.TryParse(email, out var address))
            context.Properties.Items["platen.email"] = address.Normalized;

        static string? Text(JsonElement user, string name) =>
            user.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
                ? value.GetString()
                : null;
    }

    private async Task FinishAsync(TicketReceivedContext context, string provider)
    {
        var http = context.HttpContext;
        var ct = http.RequestAborted;
        var items = context.Properties!.Items;
        var subject = items[SubjectKey]!;
        await using var session = await pools.OpenAsync(Person.ByServer("sign in by provider"), ct);
        if (items.TryGetValue(LinkKey, out var linking))
        {
            var sessions = http.RequestServices.GetRequiredService<PersonSessions>();
            var person = await sessions.FindAsync(http.Request, ct);
            if (person is null || person.SessionId.ToString("D") != linking)
            {
                await Leave(context, "/sign-in?problem=provider");
                return;
            }
            var linked = await LinkAsync(session, provider, subject, person.Person, person.Actor, ct);
            if (linked)
                await session.CommitAsync(ct);
            await Leave(context, linked ? "/account?done=linked" : "/account?problem=linked-elsewhere");
            return;
        }
        var found =
            await KnownAsync(session, provider, subject, ct)
            ?? await ByConfirmedEmailAsync(session, provider, subject, items, ct);
        if (found is not { } id)
        {
            LogRefused(logger, provider, "nobody here is known by this identity");
            await Leave(context, "/sign-in?problem=unknown");
            return;
        }
        var secret = await PersonSessions.StartAsync(session, id, "provider", http.Request, ct);
        await session.CommitAsync(ct);
        PersonSessions.SendCookie(http, secret);
        await Leave(context, LocalPath.Or(context.ReturnUri, "/account"));
    }

    private static async Task<PersonId?> KnownAsync(
        Session session,
        string provider,
        string subject,
        CancellationToken ct
    ) =>
        await session.FirstAsync<PersonId?>(
            """
            select p.id from access.outside_identity o join access.person p on p.id = o.person_id
            where o.provider = $1 and o.subject = $2 and p.disabled_at is null
            """,
            row => new PersonId(row.GetGuid(0)),
            ct,
            Sql.Text(provider),
            Sql.Text(subject)
        );

    /// <summary>
    /// The person whose confirmed address the provider says it has verified. Both sides must have proved it: otherwise whoever
    /// registers another's address, here or there, would be let in as them.
    /// </summary>
    private static async Task<PersonId?> ByConfirmedEmailAsync(
        Session session,
        string provider,
        string subject,
        IDictionary<string, string?> items,
        CancellationToken ct
    )
    {
        if (
            !items.TryGetValue("platen.email", out var email)
            || await Person.FindByEmailAsync(session, email!, ct)
                is not { EmailConfirmedAt: not null, DisabledAt: null } person
        )
        {
            return null;
        }
        return await LinkAsync(session, provider, subject, person.Id, by: null, ct) ? person.Id : null;
    }

    /// <summary>Whether the subject is this person's from now on; it may have been before.</summary>
    private static async Task<bool> LinkAsync(
        Session session,
        string provider,
        string subject,
        PersonId person,
        Actor? by,
        CancellationToken ct
    )
    {
        var linkedAt = await session.FirstAsync(
            """
            insert into access.outside_identity (provider, subject, person_id) values ($1, $2, $3)
            on conflict do nothing returning linked_at
            """,
            row => (DateTimeOffset?)row.GetFieldValue<DateTimeOffset>(0),
            ct,
            Sql.Text(provider),
            Sql.Text(subject),
            Sql.Uuid(person.Value)
        );
        if (linkedAt is { } at)
        {
            await PersonAudit.RecordAsync(
                session,
                "provider.linked",
                person,
                by,
                ct,
                new { provider },
                after: ContentOf(provider, at)
            );
            return true;
        }
        return await session.FirstAsync(
            "select exists (select from access.outside_identity where provider = $1 and subject = $2 and person_id = $3)",
            row => row.GetBoolean(0),
            ct,
            Sql.Text(provider),
            Sql.Text(subject),
            Sql.Uuid(person.Value)
        );
    }

    private static object ContentOf(string provider, DateTimeOffset linkedAt) => new { provider, linkedAt };

    /// <summary>The providers that the person is known by.</summary>
    public async Task<HashSet<string>> LinkedAsync(SignedIn person, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(person.Operation("list providers"), ct);
        var linked = await session.ListAsync(
            "select provider from access.outside_identity where person_id = $1 limit 100",
            row => row.GetString(0),
            ct,
            Sql.Uuid(person.Person.Value)
        );
        return linked.ToHashSet(StringComparer.Ordinal);
    }

    /// <summary>Forgets what the person is at a provider.</summary>
    public async Task UnlinkAsync(SignedIn person, string provider, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(person.Operation("unlink provider"), ct);
        var linkedAt = await session.FirstAsync(
            "delete from access.outside_identity where person_id = $1 and provider = $2 returning linked_at",
            row => (DateTimeOffset?)row.GetFieldValue<DateTimeOffset>(0),
            ct,
            Sql.Uuid(person.Person.Value),
            Sql.Text(provider)
        );
        if (linkedAt is not { } at)
            return;
        await PersonAudit.RecordAsync(
            session,
            "provider.unlinked",
            person.Person,
            person.Actor,
            ct,
            new { provider },
            before: ContentOf(provider, at)
        );
        await session.CommitAsync(ct);
    }

    private void Refused(string provider, Exception? failure) =>
        LogRefused(logger, provider, failure?.Message ?? "no reason given");

    private static Task Leave<TOptions>(HandleRequestContext<TOptions> context, string path)
        where TOptions : AuthenticationSchemeOptions
    {
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Redirect(path);
        context.HandleResponse();
        return Task.CompletedTask;
    }

    [LoggerMessage(1502, LogLevel.Information, "Sign-in by {Provider} was refused: {Reason}")]
    private static partial void LogRefused(ILogger logger, string provider, string reason);
}

/// <summary>Where a person goes after signing in: within this site, whatever the address asked for.</summary>
internal static class LocalPath
{
    public static string Or(string? path, string otherwise) =>
        path is ['/', ..] and not ['/', '/' or '\\', ..] && !path.Any(char.IsControl) && path.Length <= 2000
            ? path
            : otherwise;
}
