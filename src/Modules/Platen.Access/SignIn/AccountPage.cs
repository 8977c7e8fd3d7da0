using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Platen.Access.Audit;
using Platen.Access.People;
using Platen.Kernel;
using Platen.Platform.Http;

namespace Platen.Access.SignIn;

/// <summary>What a person sees of themself: name, sessions, terminals, passkeys, providers, password.</summary>
internal static class AccountPage
{
    public static void Map(IEndpointRouteBuilder pages)
    {
        pages.MapGet("/account", Show);
        pages.MapPost("/account/password", Password).Audited("person.password-set", "sessions.ended");
        pages.MapPost("/account/delete", Delete).Audited(DeletePerson.Leaves);
        pages.MapPost("/account/sessions/{id:guid}/end", EndSession).Audited("session.ended");
        pages
            .MapPost("/account/sessions/end-others", EndOthers)
            .Audited("sessions.ended")
            .LeavesNothing("there was no other");
        pages
            .MapPost("/account/terminals/{id:guid}/end", EndTerminal)
            .Audited(AccessEvents.KeyRevoked, AccessEvents.InvitationRevoked)
            .LeavesNothing("it had ended already");
        pages.MapPost("/account/passkeys/{id}/remove", RemovePasskey).Audited("passkey.removed");
        pages
            .MapPost("/account/providers/{provider}/link", Link)
            .NotAudited("sends the browser to the provider; coming back is recorded");
        pages
            .MapPost("/account/providers/{provider}/unlink", Unlink)
            .Audited("provider.unlinked")
            .LeavesNothing("it was not linked");
    }

    /// <summary>Whether the form carries the token of the person whose cookie came with it.</summary>
    public static bool IsOurs(IFormCollection form, SignedIn person) =>
        CryptographicOperations.FixedTimeEquals(
            Encoding.UTF8.GetBytes(form["csrf"].ToString()),
            Encoding.UTF8.GetBytes(person.CsrfToken)
        );

    private static async Task<IResult> Show(
        HttpContext context,
        PersonSessions sessions,
        AccountParts parts,
        CancellationToken ct
    ) =>
        await sessions.FindAsync(context.Request, ct) is { } person
            ? await PageAsync(context, person, parts, problem: null, ct)
            : SignInPages.See("/sign-in");

    private static async Task<IResult> PageAsync(
        HttpContext context,
        SignedIn person,
        AccountParts parts,
        Problem? problem,
        CancellationToken ct
    )
    {
        var token = PageForm.Token(person);
        var myself = await parts.Myself.ReadAsync(person, ct);
        var sessions = await parts.Sessions.ListAsync(person, ct);
        var terminals = await parts.Terminals.ListAsync(person, ct);
        var passkeys = await parts.Passkeys.ListAsync(person, ct);
        var linked = await parts.Providers.LinkedAsync(person, ct);
        var done = context.Request.Query["done"].ToString() switch
        {
            "setup" => "You are the owner now. Add a passkey, so that you never need the password.",
            "password" => "Your password is changed; every other session was ended.",
            "passkey" => "The passkey is added.",
            "linked" => "You can sign in with it from now on.",
            "ended" => "Done.",
            _ => null,
        };
        var wrong = context.Request.Query["problem"].ToString() switch
        {
            "linked-elsewhere" =>
                "That identity belongs to somebody else here, or you have another one of that provider.",
            _ => null,
        };
        var fresh = person.IsFresh
            ? ""
            : "<p class=\"hint\">To add one, <a href=\"/sign-in?returnTo=%2Faccount\">sign in again</a> first: your sign-in is older than 15 minutes.</p>";
        return HtmlPage.WithForms(
            context,
            "Your account · Platen",
            $"""
            <h1>{HtmlPage.Text(person.DisplayName)}</h1>
            <p class="soft">{HtmlPage.Text(myself.Email)}{(myself.EmailConfirmedAt is null ? " · not confirmed yet" : "")}</p>
            {PageForm.Note(done)}{PageForm.Notice(problem)}{(wrong is null ? "" : $"<p class=\"note bad\" role=\"alert\">{HtmlPage.Text(wrong)}</p>")}
            <form class="inline" method="post" action="/sign-out">{token}<button class="quiet">Sign out</button></form>
            <h2>Passkeys</h2>
            {(passkeys.Count == 0 ? "<p class=\"soft\">None yet.</p>" : "<dl>" + string.Concat(passkeys.Select(k => Row(
                k.Name,
                "Added " + SignInPages.Day(k.CreatedAt) + (k.LastUsedAt is { } used ? ", last used " + SignInPages.Day(used) : ""),
                $"/account/passkeys/{k.Id}/remove",
                token,
                "Remove"
            ))) + "</dl>")}
            {fresh}
            <div data-passkey-area hidden><form id="add-passkey" method="post" action="/account">
            <label for="passkey-name">Name of a new passkey</label>
            <input id="passkey-name" maxlength="120" value="{HtmlPage.Text(DeviceName(context))}" autocomplete="off">
            <button{(person.IsFresh ? "" : " disabled")}>Add a passkey</button></form></div>
            <p class="soft" data-passkey-note role="status" hidden></p>
            <noscript><p class="soft">Adding a passkey needs scripts; signing in with a password does not.</p></noscript>
            {(parts.Providers.All.Count == 0 ? "" : "<h2>Other ways to sign in</h2><dl>" + string.Concat(parts.Providers.All.Select(p => Row(
                p.Title,
                linked.Contains(p.Name) ? "Linked" : "Not linked",
                $"/account/providers/{p.Name}/{(linked.Contains(p.Name) ? "unlink" : "link")}",
                token,
                linked.Contains(p.Name) ? "Unlink" : "Link"
            ))) + "</dl>")}
            <h2>Signed in</h2>
            <dl>{string.Concat(sessions.Select(s => Row(
                Device(s.UserAgent),
                $"{(s.Current ? "This browser · " : "")}by {s.Method} from {s.Address ?? "an unknown address"}, last seen {SignInPages.Day(s.LastSeenAt)}",
                $"/account/sessions/{s.Id:D}/end",
                token,
                s.Current ? "Sign out" : "End"
            )))}</dl>
            {(sessions.Count < 2 ? "" : $"<form class=\"inline\" method=\"post\" action=\"/account/sessions/end-others\">{token}<button class=\"quiet\">End all others</button></form>")}
            <h2>Terminals</h2>
            {(terminals.Count == 0 ? "<p class=\"soft\">None. <code>platen login</code> signs one in.</p>" : "<dl>" + string.Concat(terminals.Select(t => Row(
                t.Name,
                AboutTerminal(t),
                $"/account/terminals/{t.Id:D}/end",
                token,
                "End"
            ))) + "</dl>")}
            <h2>{(myself.PasswordHash is null ? "Set a password" : "Change your password")}</h2>
            <form method="post" action="/account/password">{token}
            <input type="hidden" name="username" autocomplete="username" value="{HtmlPage.Text(myself.Email)}">
            {(myself.PasswordHash is null ? "" : PageForm.Field("currentPassword", "Password until now", "password", "current-password", problem))}
            {PageForm.Field("newPassword", "New password", "password", "new-password", problem, hint: SignInPages.PasswordHint)}
            <button>Change the password</button></form>
            <h2>Delete your account</h2>
            <p class="soft">You leave every workspace, and every sign-in, passkey and terminal of yours ends. What you made stays with its
            workspaces, and what you did stays on record with your name. There is no way back.</p>
            {(person.IsFresh ? $"""
            <form method="post" action="/account/delete">{token}
            {PageForm.Field("email", "Your e-mail address, to be sure", "email", "off", problem)}
            <button class="quiet">Delete my account</button></form>
            """ : "<p class=\"hint\">To delete it, <a href=\"/sign-in?returnTo=%2Faccount\">sign in again</a> first.</p>")}
            """,
            SignInScripts.Passkeys,
            problem?.Type.Status ?? StatusCodes.Status200OK,
            narrow: false
        );
    }

    private static string AboutTerminal(Terminals.Listed terminal)
    {
        var may =
            terminal.Workspace is null ? "Opens nothing: you left the workspace"
            : terminal.Scopes.Contains(Scopes.All) ? "May do everything in " + terminal.Workspace
            : terminal.Scopes.All(Roles.ScopesOf(Role.Viewer).Contains) ? "May read in " + terminal.Workspace
            : "May read and write in " + terminal.Workspace;
        var used = terminal.LastUsedAt is { } at ? ", last used " + SignInPages.Day(at) : ", not used yet";
        var ends = terminal.ExpiresAt is { } end ? ", ends " + SignInPages.Day(end) : "";
        return $"{may} · signed in {SignInPages.Day(terminal.CreatedAt)}{used}{ends}";
    }

    private static string Row(string what, string about, string action, string token, string label) =>
        $"""
        <div><dt>{HtmlPage.Text(what)}</dt><dd>{HtmlPage.Text(about)}
        <form class="inline" method="post" action="{HtmlPage.Text(action)}">{token}<button class="quiet" aria-label="{HtmlPage.Text(
            label + " " + what
        )}">{HtmlPage.Text(label)}</button></form></dd></div>
        """;

    private static async Task<IResult> Password(
        HttpContext context,
        PersonSessions sessions,
        SetPassword passwords,
        AccountParts parts,
        CancellationToken ct
    )
    {
        var form = await PageForm.ReadAsync(context, ct);
        var person = await RequireAsync(context, form, sessions, ct);
        try
        {
            await passwords.BySelfAsync(
                context,
                person,
                form["currentPassword"].ToString(),
                form["newPassword"].ToString(),
                ct
            );
        }
        catch (ProblemException refused)
        {
            return await PageAsync(context, person, parts, refused.Problem, ct);
        }
        return SignInPages.See("/account?done=password");
    }

    private static async Task<IResult> Delete(
        HttpContext context,
        PersonSessions sessions,
        DeletePerson delete,
        AccountParts parts,
        CancellationToken ct
    )
    {
        var form = await PageForm.ReadAsync(context, ct);
        var person = await RequireAsync(context, form, sessions, ct);
        try
        {
            await delete.BySelfAsync(person, form["email"].ToString(), ct);
        }
        catch (ProblemException refused)
        {
            return await PageAsync(context, person, parts, refused.Problem, ct);
        }
        PersonSessions.RemoveCookie(context);
        return SignInPages.See("/sign-in?done=deleted");
    }

    private static async Task<IResult> EndSession(
        Guid id,
        HttpContext context,
        PersonSessions sessions,
        CancellationToken ct
    )
    {
        var person = await RequireAsync(context, await PageForm.ReadAsync(context, ct), sessions, ct);
        await sessions.EndAsync(person, id, ct);
        return SignInPages.See(id == person.SessionId ? "/sign-in?done=out" : "/account?done=ended");
    }

    private static async Task<IResult> EndOthers(HttpContext context, PersonSessions sessions, CancellationToken ct)
    {
        var person = await RequireAsync(context, await PageForm.ReadAsync(context, ct), sessions, ct);
        await sessions.EndOthersAsync(person, ct);
        return SignInPages.See("/account?done=ended");
    }

    private static async Task<IResult> EndTerminal(
        Guid id,
        HttpContext context,
        PersonSessions sessions,
        Terminals terminals,
        CancellationToken ct
    )
    {
        var person = await RequireAsync(context, await PageForm.ReadAsync(context, ct), sessions, ct);
        await terminals.EndAsync(person, id, ct);
        return SignInPages.See("/account?done=ended");
    }

    private static async Task<IResult> RemovePasskey(
        string id,
        HttpContext context,
        PersonSessions sessions,
        Passkeys passkeys,
        CancellationToken ct
    )
    {
        var person = await RequireAsync(context, await PageForm.ReadAsync(context, ct), sessions, ct);
        await passkeys.RemoveAsync(person, id, ct);
        return SignInPages.See("/account?done=ended");
    }

    private static async Task Link(
        string provider,
        HttpContext context,
        PersonSessions sessions,
        Providers providers,
        CancellationToken ct
    )
    {
        var person = await RequireAsync(context, await PageForm.ReadAsync(context, ct), sessions, ct);
        Freshness.Require(person);
        if (providers.All.All(p => p.Name != provider))
            throw KernelProblems.NotFound.Because("There is no such provider.").AsException();
        await Providers.BeginAsync(context, provider, "/account", person);
    }

    private static async Task<IResult> Unlink(
        string provider,
        HttpContext context,
        PersonSessions sessions,
        Providers providers,
        CancellationToken ct
    )
    {
        var person = await RequireAsync(context, await PageForm.ReadAsync(context, ct), sessions, ct);
        await providers.UnlinkAsync(person, provider, ct);
        return SignInPages.See("/account?done=ended");
    }

    /// <summary>Who sent the form, signed in and from a page of their own.</summary>
    public static async Task<SignedIn> RequireAsync(
        HttpContext context,
        IFormCollection form,
        PersonSessions sessions,
        CancellationToken ct
    )
    {
        var person =
            await sessions.FindAsync(context.Request, ct)
            ?? throw KernelProblems.Unauthenticated.Because("Your session has ended: sign in again.").AsException();
        return IsOurs(form, person)
            ? person
            : throw PeopleProblems
                .CrossSite.Because("The form is of another session: load the page again.")
                .AsException();
    }

    private static string DeviceName(HttpContext context) => Device(context.Request.Headers.UserAgent.ToString());

    /// <summary>A few words for a browser, from what it says of itself; good enough to tell two devices apart.</summary>
    private static string Device(string? agent)
    {
        if (string.IsNullOrEmpty(agent))
            return "Unknown browser";
        (string Mark, string Name)[] browsers =
        [
            ("Edg/", "Edge"),
            ("OPR/", "Opera"),
            ("Firefox/", "Firefox"),
            ("Chrome/", "Chrome"),
            ("Safari/", "Safari"),
        ];
        (string Mark, string Name)[] systems =
        [
            ("iPhone", "iPhone"),
            ("iPad", "iPad"),
            ("Android", "Android"),
            ("Windows", "Windows"),
            ("Mac OS", "Mac"),
            ("Linux", "Linux"),
        ];
        var browser = browsers.FirstOrDefault(b => agent.Contains(b.Mark, StringComparison.Ordinal)).Name;
        var system = systems.FirstOrDefault(s => agent.Contains(s.Mark, StringComparison.Ordinal)).Name;
        return (browser, system) switch
        {
            (null, _) => agent.Length > 40 ? agent[..40] : agent,
            (_, null) => browser,
            _ => $"{browser} on {system}",
        };
    }
}

/// <summary>What the account's page is put together from.</summary>
internal sealed record AccountParts(
    Myself Myself,
    PersonSessions Sessions,
    Terminals Terminals,
    Passkeys Passkeys,
    Providers Providers
);
