using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Platen.Access.Audit;
using Platen.Access.People;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Platform.Http;
using Platen.Platform.Http.RateLimits;

namespace Platen.Access.SignIn;

/// <summary>A person as they see themself.</summary>
internal sealed record MyselfView(
    Guid Id,
    string DisplayName,
    string Email,
    bool EmailConfirmed,
    bool HasPassword,
    DateTimeOffset CreatedAt
)
{
    public static MyselfView Of(Person person) =>
        new(
            person.Id.Value,
            person.DisplayName,
            person.Email,
            person.EmailConfirmedAt is not null,
            person.PasswordHash is not null,
            person.CreatedAt
        );
}

/// <summary>Who is signed in, and what their script sends with a request that changes something.</summary>
internal sealed record SessionView(
    Guid Id,
    string Method,
    DateTimeOffset StartedAt,
    DateTimeOffset ExpiresAt,
    bool IsFresh,
    string CsrfToken,
    SessionPersonView Person
)
{
    public static SessionView Of(SignedIn signedIn) =>
        new(
            signedIn.SessionId,
            signedIn.Method,
            signedIn.StartedAt,
            signedIn.ExpiresAt,
            signedIn.IsFresh,
            signedIn.CsrfToken,
            new SessionPersonView(signedIn.Person.Value, signedIn.DisplayName, signedIn.Email)
        );
}

internal sealed record SessionPersonView(Guid Id, string DisplayName, string Email);

/// <summary>The ways there are to sign in.</summary>
internal sealed record SignInMethodsView(bool Password, bool Passkey, IReadOnlyList<Providers.Listed> Providers);

internal sealed record SessionListView(IReadOnlyList<PersonSessions.Listed> Items);

internal sealed record EndedView(int Ended);

/// <summary>The terminals that a person has signed in, newest first.</summary>
internal sealed record TerminalListView(IReadOnlyList<Terminals.Listed> Items);

internal sealed record PasskeyListView(IReadOnlyList<Passkeys.Listed> Items);

internal sealed record PasskeyAddedView(string Id);

/// <summary>The routes of signing in, for scripts and programs; people without scripts have <see cref="SignInPages"/>.</summary>
internal static class SignInEndpoints
{
    public sealed record PasswordBody(string Email, string Password);

    public sealed record PasskeyBody(Guid Ceremony, JsonElement Credential);

    public sealed record NewPasskeyBody(Guid Ceremony, JsonElement Credential, string? Name = null);

    public sealed record ResetBody(string Email);

    public sealed record CompleteBody(string Token, string Password);

    public sealed record TokenBody(string Token);

    public sealed record NewPasswordBody(string NewPassword, string? CurrentPassword = null);

    public sealed record NewEmailBody(string Email);

    public sealed record NameBody(string DisplayName);

    public static void Map(IEndpointRouteBuilder app)
    {
        // Whoever is not signed in yet must be able to reach what signs them in. Every one of these refuses what another site's
        // page makes a browser send.
        app.MapGet("/v1/sign-in-methods", Methods)
            .WithName("listSignInMethods")
            .WithTags("signing in")
            .AllowAnonymous();
        app.MapPost("/v1/session", SignIn)
            .WithName("signIn")
            .RateLimited(RateLimitPolicies.SignIn)
            .Audited("session.started", "session.ended")
            .WithTags("signing in")
            .Accepts<PasswordBody>("application/json")
            .Refuses(
                PeopleProblems.SignInRefused,
                PeopleProblems.CrossSite,
                PeopleProblems.SignInLocked,
                KernelProblems.Invalid
            )
            .AllowAnonymous();
        app.MapPost("/v1/session/passkey-options", PasskeyOptions)
            .WithName("beginPasskeySignIn")
            .RateLimited(RateLimitPolicies.SignIn)
            .NotAudited("a challenge; what is answered is recorded")
            .WithTags("signing in")
            .Refuses(PeopleProblems.CrossSite)
            .AllowAnonymous();
        app.MapPost("/v1/session/passkey", PasskeySignIn)
            .WithName("signInWithPasskey")
            .RateLimited(RateLimitPolicies.SignIn)
            .Audited("session.started", "session.ended")
            .WithTags("signing in")
            .Accepts<PasskeyBody>("application/json")
            .Refuses(PeopleProblems.CrossSite, PeopleProblems.PasskeyRefused)
            .AllowAnonymous();
        app.MapPost("/v1/password-reset", AskForReset)
            .WithName("askForPasswordReset")
            .RateLimited(RateLimitPolicies.SignIn)
            .NotAudited("enqueues a job, whether or not there is such a person; using the link is recorded")
            .WithTags("signing in")
            .Accepts<ResetBody>("application/json")
            .Refuses(PeopleProblems.CrossSite, KernelProblems.Invalid)
            .AllowAnonymous();
        app.MapPost("/v1/password-reset/complete", CompleteReset)
            .WithName("completePasswordReset")
            .RateLimited(RateLimitPolicies.SignIn)
            .Audited("person.password-set", "sessions.ended")
            .WithTags("signing in")
            .Accepts<CompleteBody>("application/json")
            .Refuses(PeopleProblems.CrossSite, PeopleProblems.LinkSpent, KernelProblems.Invalid)
            .AllowAnonymous();
        app.MapPost("/v1/email-confirmation", ConfirmEmail)
            .WithName("confirmEmail")
            .RateLimited(RateLimitPolicies.SignIn)
            .Audited("person.email-confirmed")
            .WithTags("signing in")
            .Accepts<TokenBody>("application/json")
            .Refuses(PeopleProblems.CrossSite, PeopleProblems.LinkSpent, KernelProblems.Invalid)
            .AllowAnonymous();

        // About oneself: being signed in is enough, whatever the role.
        var mine = app.MapGroup("/v1").WithTags("signing in").NeedsPerson();
        mine.MapGet("/session", (HttpContext context) => Fresh(context, SessionView.Of(context.SignedIn())))
            .WithName("getSession");
        mine.MapDelete("/session", SignOut)
            .WithName("signOut")
            .Audited("session.ended")
            .WithMetadata(new Unversioned());
        mine.MapGet("/sessions", ListSessions).WithName("listSessions");
        mine.MapDelete("/sessions", EndOthers)
            .WithName("endOtherSessions")
            .Audited("sessions.ended")
            .LeavesNothing("there was no other")
            .WithMetadata(new Unversioned());
        mine.MapDelete("/sessions/{id:guid}", EndSession)
            .WithName("endSession")
            .Audited("session.ended")
            .WithMetadata(new Unversioned());
        mine.MapGet("/terminals", ListTerminals).WithName("listTerminals");
        mine.MapDelete("/terminals/{id:guid}", EndTerminal)
            .WithName("endTerminal")
            .Audited(AccessEvents.KeyRevoked, AccessEvents.InvitationRevoked)
            .LeavesNothing("it had ended already")
            .WithMetadata(new Unversioned());
        mine.MapGet("/people/me", Myself).WithName("getMyself");
        mine.MapPatch("/people/me", Rename)
            .WithName("renameMyself")
            .Audited("person.renamed")
            .LeavesNothing("it is their name already")
            .Accepts<NameBody>("application/json")
            .Refuses(KernelProblems.Invalid);
        mine.MapPost("/people/me/delete", DeleteMyself)
            .WithName("deleteMyself")
            .Audited(DeletePerson.Leaves)
            .Accepts<DeletePerson.Body>("application/json")
            .Refuses(KernelProblems.Invalid, PeopleProblems.FreshSignInNeeded, WorkspaceProblems.LastOwner);
        mine.MapPost("/people/me/password", ChangePassword)
            .WithName("changePassword")
            .Refuses(KernelProblems.Conflict)
            .Audited("person.password-set", "sessions.ended")
            .Accepts<NewPasswordBody>("application/json")
            .Refuses(KernelProblems.Invalid, PeopleProblems.SignInLocked);
        mine.MapPost("/people/me/email", AskForEmail)
            .WithName("changeEmail")
            .NotAudited("mails a link; using it is recorded")
            .Accepts<NewEmailBody>("application/json")
            .Refuses(KernelProblems.Invalid);
        mine.MapGet("/passkeys", ListPasskeys).WithName("listPasskeys");
        mine.MapPost("/passkeys/options", NewPasskeyOptions)
            .WithName("beginAddingPasskey")
            .NotAudited("a challenge; what is answered is recorded")
            .Refuses(PeopleProblems.TooManyPasskeys);
        mine.MapPost("/passkeys", AddPasskey)
            .WithName("addPasskey")
            .Audited("passkey.added")
            .Accepts<NewPasskeyBody>("application/json")
            .Refuses(PeopleProblems.PasskeyRefused, PeopleProblems.TooManyPasskeys);
        mine.MapDelete("/passkeys/{id}", RemovePasskey)
            .WithName("removePasskey")
            .Audited("passkey.removed")
            .WithMetadata(new Unversioned());
    }

    private static Ok<SignInMethodsView> Methods(Providers providers) =>
        TypedResults.Ok(new SignInMethodsView(Password: true, Passkey: true, providers.All));

    private static async Task<NoContent> SignIn(HttpContext context, SignInWithPassword signIn, CancellationToken ct)
    {
        CrossSite.Refuse(context.Request);
        var body = await ReadAsync<PasswordBody>(context, ct);
        await signIn.RunAsync(context, body.Email, body.Password, ct);
        return Done(context);
    }

    private static async Task<Ok<Passkeys.Challenge>> PasskeyOptions(
        HttpContext context,
        Passkeys passkeys,
        CancellationToken ct
    )
    {
        CrossSite.Refuse(context.Request);
        return Fresh(context, await passkeys.BeginSignInAsync(context, ct));
    }

    private static async Task<NoContent> PasskeySignIn(HttpContext context, Passkeys passkeys, CancellationToken ct)
    {
        CrossSite.Refuse(context.Request);
        var body = await ReadAsync<PasskeyBody>(context, ct);
        await passkeys.SignInAsync(context, body.Ceremony, body.Credential, ct);
        return Done(context);
    }

    private static async Task<Accepted> AskForReset(HttpContext context, SetPassword passwords, CancellationToken ct)
    {
        CrossSite.Refuse(context.Request);
        await passwords.AskForLinkAsync((await ReadAsync<ResetBody>(context, ct)).Email, ct);
        return TypedResults.Accepted((string?)null);
    }

    private static async Task<NoContent> CompleteReset(HttpContext context, SetPassword passwords, CancellationToken ct)
    {
        CrossSite.Refuse(context.Request);
        var body = await ReadAsync<CompleteBody>(context, ct);
        await passwords.ByLinkAsync(body.Token, body.Password, ct);
        return Done(context);
    }

    private static async Task<NoContent> ConfirmEmail(HttpContext context, ChangeEmail email, CancellationToken ct)
    {
        CrossSite.Refuse(context.Request);
        await email.ConfirmAsync((await ReadAsync<TokenBody>(context, ct)).Token, ct);
        return Done(context);
    }

    private static async Task<NoContent> SignOut(HttpContext context, PersonSessions sessions, CancellationToken ct)
    {
        var person = context.SignedIn();
        await sessions.EndAsync(person, person.SessionId, ct);
        PersonSessions.RemoveCookie(context);
        return Done(context);
    }

    private static async Task<Ok<TerminalListView>> ListTerminals(
        HttpContext context,
        Terminals terminals,
        CancellationToken ct
    ) => Fresh(context, new TerminalListView(await terminals.ListAsync(context.SignedIn(), ct)));

    private static async Task<NoContent> EndTerminal(
        Guid id,
        HttpContext context,
        Terminals terminals,
        CancellationToken ct
    )
    {
        await terminals.EndAsync(context.SignedIn(), id, ct);
        return Done(context);
    }

    private static async Task<Ok<SessionListView>> ListSessions(
        HttpContext context,
        PersonSessions sessions,
        CancellationToken ct
    ) => Fresh(context, new SessionListView(await sessions.ListAsync(context.SignedIn(), ct)));

    private static async Task<Ok<EndedView>> EndOthers(
        HttpContext context,
        PersonSessions sessions,
        CancellationToken ct
    ) => Fresh(context, new EndedView(await sessions.EndOthersAsync(context.SignedIn(), ct)));

    private static async Task<NoContent> EndSession(
        Guid id,
        HttpContext context,
        PersonSessions sessions,
        CancellationToken ct
    )
    {
        var person = context.SignedIn();
        if (!await sessions.EndAsync(person, id, ct))
            throw KernelProblems.NotFound.Because("You have no such session.").AsException();
        if (id == person.SessionId)
            PersonSessions.RemoveCookie(context);
        return Done(context);
    }

    private static async Task<Ok<MyselfView>> Myself(HttpContext context, Myself myself, CancellationToken ct) =>
        Fresh(context, MyselfView.Of(await myself.ReadAsync(context.SignedIn(), ct)));

    private static async Task<Ok<MyselfView>> Rename(HttpContext context, Myself myself, CancellationToken ct)
    {
        var body = await ReadAsync<NameBody>(context, ct);
        return Fresh(context, MyselfView.Of(await myself.RenameAsync(context.SignedIn(), body.DisplayName, ct)));
    }

    private static async Task<NoContent> DeleteMyself(HttpContext context, DeletePerson delete, CancellationToken ct)
    {
        var body = await ReadAsync<DeletePerson.Body>(context, ct);
        await delete.BySelfAsync(context.SignedIn(), body.Email, ct);
        PersonSessions.RemoveCookie(context);
        return Done(context);
    }

    private static async Task<NoContent> ChangePassword(
        HttpContext context,
        SetPassword passwords,
        CancellationToken ct
    )
    {
        var body = await ReadAsync<NewPasswordBody>(context, ct);
        await passwords.BySelfAsync(context, context.SignedIn(), body.CurrentPassword, body.NewPassword, ct);
        return Done(context);
    }

    private static async Task<Accepted> AskForEmail(HttpContext context, ChangeEmail email, CancellationToken ct)
    {
        await email.AskAsync(context.SignedIn(), (await ReadAsync<NewEmailBody>(context, ct)).Email, ct);
        return TypedResults.Accepted((string?)null);
    }

    private static async Task<Ok<PasskeyListView>> ListPasskeys(
        HttpContext context,
        Passkeys passkeys,
        CancellationToken ct
    ) => Fresh(context, new PasskeyListView(await passkeys.ListAsync(context.SignedIn(), ct)));

    private static async Task<Ok<Passkeys.Challenge>> NewPasskeyOptions(
        HttpContext context,
        Passkeys passkeys,
        CancellationToken ct
    ) => Fresh(context, await passkeys.BeginAddingAsync(context, context.SignedIn(), ct));

    private static async Task<Created<PasskeyAddedView>> AddPasskey(
        HttpContext context,
        Passkeys passkeys,
        CancellationToken ct
    )
    {
        var body = await ReadAsync<NewPasskeyBody>(context, ct);
        var id = await passkeys.AddAsync(context, context.SignedIn(), body.Ceremony, body.Credential, body.Name, ct);
        return TypedResults.Created("/v1/passkeys/" + id, new PasskeyAddedView(id));
    }

    private static async Task<NoContent> RemovePasskey(
        string id,
        HttpContext context,
        Passkeys passkeys,
        CancellationToken ct
    ) =>
        await passkeys.RemoveAsync(context.SignedIn(), id, ct)
            ? Done(context)
            : throw KernelProblems.NotFound.Because("You have no such passkey.").AsException();

    private static Task<T> ReadAsync<T>(HttpContext context, CancellationToken ct)
        where T : class => JsonBody.ReadAsync<T>(context, PeopleLimits.BodyBytes, JsonBody.Shape, ct);

    /// <summary>What is about one person at one moment is stored nowhere.</summary>
    private static Ok<T> Fresh<T>(HttpContext context, T value)
    {
        context.Response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(value);
    }

    private static NoContent Done(HttpContext context)
    {
        context.Response.Headers.CacheControl = "no-store";
        return TypedResults.NoContent();
    }
}
