using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Platen.Access.Audit;
using Platen.Access.People;
using Platen.Kernel;
using Platen.Platform.Http;
using Platen.Platform.Http.RateLimits;

namespace Platen.Access.SignIn;

/// <summary>
/// The pages of signing in, rendered here and posted back here: all of them work without scripts, except that a passkey cannot.
/// They are anonymous to the API's authorization, because each decides itself what it shows to whom; a form of somebody who is
/// signed in carries their token, and every form must come from this site.
/// </summary>
internal static class SignInPages
{
    public static void Map(IEndpointRouteBuilder app)
    {
        var pages = app.MapGroup("").ExcludeFromDescription().AllowAnonymous();
        pages.MapGet("/sign-in", ShowSignIn);
        pages
            .MapPost("/sign-in", SignIn)
            .RateLimited(RateLimitPolicies.SignIn)
            .Audited("session.started", "session.ended");
        pages.MapPost("/sign-out", SignOut).Audited("session.ended").LeavesNothing("nobody was signed in");
        pages.MapGet("/sign-in/{provider}", GoToProvider);
        pages.MapGet("/setup/{token}", ShowSetup);
        pages
            .MapPost("/setup/{token}", SetUp)
            .RateLimited(RateLimitPolicies.SignIn)
            .Audited("platform.set-up", "person.added", AccessEvents.MemberAdded, "session.started", "session.ended");
        pages.MapGet("/reset", ShowReset);
        pages
            .MapPost("/reset", AskForReset)
            .RateLimited(RateLimitPolicies.SignIn)
            .NotAudited("enqueues a job, whether or not there is such a person; using the link is recorded");
        pages.MapGet("/reset/{token}", ShowNewPassword);
        pages
            .MapPost("/reset/{token}", SetNewPassword)
            .RateLimited(RateLimitPolicies.SignIn)
            .Audited("person.password-set", "sessions.ended");
        pages.MapGet("/confirm-email/{token}", ShowConfirm);
        pages.MapPost("/confirm-email/{token}", Confirm).Audited("person.email-confirmed");
        AccountPage.Map(pages);
        TerminalLogin.Map(app, pages);
    }

    private static IResult ShowSignIn(HttpContext context, Providers providers) =>
        SignInForm(context, providers, problem: null, email: "");

    private static IResult SignInForm(HttpContext context, Providers providers, Problem? problem, string email)
    {
        var next = LocalPath.Or(context.Request.Query["returnTo"], "/account");
        var note = context.Request.Query["problem"].ToString() switch
        {
            "provider" => "The sign-in did not come to an end. Try again.",
            "unknown" =>
                "Nobody here is known by that identity. Sign in another way, then link it on your account's page; or ask for an invitation.",
            _ => null,
        };
        var done = context.Request.Query["done"].ToString() switch
        {
            "password" => "Your password is set. Sign in with it.",
            "out" => "You are signed out.",
            "email" => "Your e-mail address is confirmed.",
            "deleted" => "Your account is deleted.",
            _ => null,
        };
        var query = "?returnTo=" + Uri.EscapeDataString(next);
        var others = string.Concat(
            providers.All.Select(p =>
                $"<a class=\"button quiet\" href=\"{HtmlPage.Text(p.Url + query)}\">Continue with {HtmlPage.Text(p.Title)}</a>"
            )
        );
        return HtmlPage.WithForms(
            context,
            "Sign in · Platen",
            $"""
            <h1>Sign in</h1>
            {PageForm.Note(done)}{PageForm.Notice(problem)}{(note is null ? "" : $"<p class=\"note bad\" role=\"alert\">{HtmlPage.Text(note)}</p>")}
            <form method="post" action="/sign-in{HtmlPage.Text(query)}">
            {PageForm.Field("email", "E-mail address", "email", "username", problem, email)}
            {PageForm.Field("password", "Password", "password", "current-password", problem)}
            <button>Sign in</button>
            </form>
            <p><a href="/reset">Forgot your password?</a></p>
            <div data-passkey-area{(others.Length == 0 ? " hidden" : "")}><p class="or">or</p></div>
            {others}
            <div data-passkey-area hidden><button type="button" class="quiet" id="use-passkey" data-next="{HtmlPage.Text(
                next
            )}">Use a passkey</button></div>
            <p class="soft" data-passkey-note role="status" hidden></p>
            """,
            SignInScripts.Passkeys,
            problem?.Type.Status ?? StatusCodes.Status200OK
        );
    }

    private static async Task<IResult> SignIn(
        HttpContext context,
        SignInWithPassword signIn,
        Providers providers,
        CancellationToken ct
    )
    {
        var form = await PageForm.ReadAsync(context, ct);
        var email = form["email"].ToString();
        try
        {
            await signIn.RunAsync(context, email, form["password"].ToString(), ct);
        }
        catch (ProblemException refused)
        {
            return SignInForm(context, providers, refused.Problem, email);
        }
        return See(LocalPath.Or(context.Request.Query["returnTo"], "/account"));
    }

    private static async Task<IResult> SignOut(HttpContext context, PersonSessions sessions, CancellationToken ct)
    {
        var form = await PageForm.ReadAsync(context, ct);
        if (await sessions.FindAsync(context.Request, ct) is { } person && AccountPage.IsOurs(form, person))
        {
            await sessions.EndAsync(person, person.SessionId, ct);
            PersonSessions.RemoveCookie(context);
        }
        return See("/sign-in?done=out");
    }

    private static async Task GoToProvider(string provider, HttpContext context, Providers providers)
    {
        if (providers.All.All(p => p.Name != provider))
            throw KernelProblems.NotFound.Because("There is no such provider.").AsException();
        context.Response.Headers.CacheControl = "no-store";
        var next = LocalPath.Or(context.Request.Query["returnTo"], "/account");
        await Providers.BeginAsync(context, provider, next, link: null);
    }

    private static async Task<IResult> ShowSetup(
        string token,
        HttpContext context,
        SetupLink setup,
        CancellationToken ct
    ) =>
        await setup.IsOpenAsync(token, ct)
            ? SetupForm(context, token, problem: null, name: "", email: "")
            : Spent(context, "This link sets nothing up any more.", "/sign-in", "Sign in");

    private static IResult SetupForm(HttpContext context, string token, Problem? problem, string name, string email) =>
        HtmlPage.WithForms(
            context,
            "Set up Platen",
            $"""
            <h1>Set up Platen</h1>
            <p class="soft">You become this server's owner. The link works once.</p>
            {PageForm.Notice(problem)}
            <form method="post" action="/setup/{HtmlPage.Text(token)}">
            {PageForm.Field("displayName", "Your name", "text", "name", problem, name)}
            {PageForm.Field("email", "E-mail address", "email", "username", problem, email)}
            {PageForm.Field("password", "Password", "password", "new-password", problem, hint: PasswordHint)}
            <button>Become the owner</button>
            </form>
            """,
            status: problem?.Type.Status ?? StatusCodes.Status200OK
        );

    private static async Task<IResult> SetUp(string token, HttpContext context, SetupLink setup, CancellationToken ct)
    {
        var form = await PageForm.ReadAsync(context, ct);
        var (name, email) = (form["displayName"].ToString(), form["email"].ToString());
        try
        {
            await setup.UseAsync(context, token, name, email, form["password"].ToString(), ct);
        }
        catch (ProblemException spent) when (spent.Problem.Type == PeopleProblems.LinkSpent)
        {
            return Spent(context, spent.Problem.Detail, "/sign-in", "Sign in");
        }
        catch (ProblemException refused)
        {
            return SetupForm(context, token, refused.Problem, name, email);
        }
        return See("/account?done=setup");
    }

    private static IResult ShowReset(HttpContext context) =>
        HtmlPage.WithForms(
            context,
            "Set a new password · Platen",
            $"""
            <h1>Set a new password</h1>
            <p class="soft">We send you a link.</p>
            <form method="post" action="/reset">
            {PageForm.Field("email", "E-mail address", "email", "username", problem: null)}
            <button>Send the link</button>
            </form>
            <p><a href="/sign-in">Back to signing in</a></p>
            """
        );

    private static async Task<IResult> AskForReset(HttpContext context, SetPassword passwords, CancellationToken ct)
    {
        var form = await PageForm.ReadAsync(context, ct);
        await passwords.AskForLinkAsync(form["email"].ToString(), ct);
        return HtmlPage.WithForms(
            context,
            "Look into your mail · Platen",
            """
            <h1>Look into your mail</h1>
            <p>If somebody here has this address, a link is on its way to it. It works for an hour.</p>
            <p><a href="/sign-in">Back to signing in</a></p>
            """
        );
    }

    private static async Task<IResult> ShowNewPassword(
        string token,
        HttpContext context,
        SetPassword passwords,
        CancellationToken ct
    ) =>
        await passwords.LookAsync(token, ct) is { } person
            ? NewPasswordForm(context, token, person.Email, problem: null)
            : Spent(context, "This link sets no password any more.", "/reset", "Ask for a new link");

    private static IResult NewPasswordForm(HttpContext context, string token, string email, Problem? problem) =>
        HtmlPage.WithForms(
            context,
            "Set a new password · Platen",
            $"""
            <h1>Set a new password</h1>
            <p class="soft">For {HtmlPage.Text(email)}. Everything that is signed in now is signed out.</p>
            {PageForm.Notice(problem)}
            <form method="post" action="/reset/{HtmlPage.Text(token)}">
            <input type="hidden" name="username" autocomplete="username" value="{HtmlPage.Text(email)}">
            {PageForm.Field("password", "New password", "password", "new-password", problem, hint: PasswordHint)}
            <button>Set the password</button>
            </form>
            """,
            status: problem?.Type.Status ?? StatusCodes.Status200OK
        );

    private static async Task<IResult> SetNewPassword(
        string token,
        HttpContext context,
        SetPassword passwords,
        CancellationToken ct
    )
    {
        var form = await PageForm.ReadAsync(context, ct);
        try
        {
            await passwords.ByLinkAsync(token, form["password"].ToString(), ct);
        }
        catch (ProblemException spent) when (spent.Problem.Type == PeopleProblems.LinkSpent)
        {
            return Spent(context, spent.Problem.Detail, "/reset", "Ask for a new link");
        }
        catch (ProblemException refused)
        {
            var email = (await passwords.LookAsync(token, ct))?.Email ?? "";
            return NewPasswordForm(context, token, email, refused.Problem);
        }
        return See("/sign-in?done=password");
    }

    private static async Task<IResult> ShowConfirm(
        string token,
        HttpContext context,
        ChangeEmail change,
        CancellationToken ct
    ) =>
        await change.LookAsync(token, ct) is { } email
            ? HtmlPage.WithForms(
                context,
                "Confirm your e-mail address · Platen",
                $"""
                <h1>Confirm your e-mail address</h1>
                <p>{HtmlPage.Text(email)}</p>
                <form method="post" action="/confirm-email/{HtmlPage.Text(token)}"><button>It is mine</button></form>
                """
            )
            : Spent(context, "This link confirms no address any more.", "/account", "Your account");

    private static async Task<IResult> Confirm(
        string token,
        HttpContext context,
        ChangeEmail change,
        CancellationToken ct
    )
    {
        await PageForm.ReadAsync(context, ct);
        try
        {
            await change.ConfirmAsync(token, ct);
        }
        catch (ProblemException spent)
        {
            return Spent(context, spent.Problem.Detail, "/account", "Your account");
        }
        return See("/sign-in?done=email");
    }

    internal const string PasswordHint = "At least 10 characters; a few words in a row are easy to remember.";

    private static IResult Spent(HttpContext context, string what, string path, string label) =>
        HtmlPage.WithForms(
            context,
            "This link is used up · Platen",
            $"""
            <h1>This link is used up</h1>
            <p>{HtmlPage.Text(what)} It was used, it has expired, or a part of it is missing.</p>
            <p><a class="button" href="{path}">{HtmlPage.Text(label)}</a></p>
            """,
            status: StatusCodes.Status410Gone
        );

    /// <summary>After a form, another page (RFC 9110 section 15.4.4): a reload repeats nothing.</summary>
    internal static IResult See(string path) => new SeeOther(path);

    private sealed class SeeOther(string path) : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext)
        {
            httpContext.Response.StatusCode = StatusCodes.Status303SeeOther;
            httpContext.Response.Headers.Location = path;
            httpContext.Response.Headers.CacheControl = "no-store";
            return Task.CompletedTask;
        }
    }

    internal static string Day(DateTimeOffset time) =>
        time.UtcDateTime.ToString("d MMMM yyyy, HH:mm 'UTC'", CultureInfo.InvariantCulture);
}
