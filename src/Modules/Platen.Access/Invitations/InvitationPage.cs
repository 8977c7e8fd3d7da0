using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Platen.Access.Audit;
using Platen.Access.People;
using Platen.Access.SignIn;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Platform.Http;

namespace Platen.Access.Invitations;

/// <summary>
/// The page that an invitation's link leads to: who is signed in accepts as themself, who is not signs in or becomes a person here. Opening
/// it changes nothing, as programs that look at mail open links.
/// </summary>
internal static class InvitationPage
{
    public static void Map(IEndpointRouteBuilder app)
    {
        // The token in the address is the credential; what is shown to its holder is decided here.
        var pages = app.MapGroup("").ExcludeFromDescription().AllowAnonymous();
        pages.MapGet("/invitation/{token}", Show);
        pages
            .MapPost("/invitation/{token}", Take)
            .Audited(
                AccessEvents.InvitationAccepted,
                AccessEvents.MemberAdded,
                "person.added",
                "session.started",
                "session.ended"
            );
    }

    private static async Task<IResult> Show(
        string token,
        HttpContext context,
        AcceptInvitation accept,
        PersonSessions sessions,
        CancellationToken ct
    ) =>
        await accept.PeekAsync(token, ct) is { } offer
            ? Form(context, token, offer, await sessions.FindAsync(context.Request, ct), problem: null, name: "")
            : Gone(context);

    private static async Task<IResult> Take(
        string token,
        HttpContext context,
        AcceptInvitation accept,
        RegisterByInvitation register,
        PersonSessions sessions,
        WorkspaceDirectory directory,
        CancellationToken ct
    )
    {
        var form = await PageForm.ReadAsync(context, ct);
        var person = await sessions.FindAsync(context.Request, ct);
        if (await accept.PeekAsync(token, ct) is not { } offer)
            return Gone(context);
        var name = form["displayName"].ToString();
        try
        {
            if (person is null)
            {
                await register.RunAsync(context, offer, name, form["password"].ToString(), ct);
            }
            else if (IsOurs(form["csrf"].ToString(), person))
            {
                var caller = await directory.CallerOfAsync(person.Person, person.DisplayName, ct);
                await accept.RunAsync(caller, new AcceptInvitation.Body(token), ct);
            }
            else
            {
                // The page was opened before they signed in: shown again, it carries their token.
                return Form(context, token, offer, person, problem: null, name);
            }
        }
        catch (ProblemException late) when (late.Problem.Type == InvitationProblems.Gone)
        {
            return Gone(context);
        }
        catch (ProblemException refused)
        {
            return Form(context, token, offer, person, refused.Problem, name);
        }
        context.Response.Headers.Location = "/account";
        return Results.StatusCode(StatusCodes.Status303SeeOther);
    }

    private static bool IsOurs(string token, SignedIn person) =>
        CryptographicOperations.FixedTimeEquals(
            Encoding.UTF8.GetBytes(token),
            Encoding.UTF8.GetBytes(person.CsrfToken)
        );

    private static IResult Form(
        HttpContext context,
        string token,
        AcceptInvitation.Offer offer,
        SignedIn? person,
        Problem? problem,
        string name
    )
    {
        var here = "/invitation/" + HtmlPage.Text(token);
        var article = offer.Invitation.Role == Role.Viewer ? "a" : "an";
        var fields = person is not null
            ? $"""
                {PageForm.Token(person)}
                <p>You are signed in as {HtmlPage.Text(person.DisplayName)} ({HtmlPage.Text(person.Email)}).</p>
                <button>Accept</button>
                """
            : $"""
                <p class="soft">For {HtmlPage.Text(offer.Invitation.Email)}.</p>
                {PageForm.Field("displayName", "Your name", "text", "name", problem, name)}
                {PageForm.Field(
                    "password",
                    "Password",
                    "password",
                    "new-password",
                    problem,
                    hint: $"At least {PeopleLimits.PasswordMin} characters; a sentence is easy to remember."
                )}
                <button>Accept</button>
                """;
        var other = person is not null
            ? ""
            : $"""<p><a href="/sign-in?returnTo={Uri.EscapeDataString("/invitation/" + token)}">I have an account already</a></p>""";
        return HtmlPage.WithForms(
            context,
            "Invitation · Platen",
            $"""
            <h1>{HtmlPage.Text(offer.Workspace)}</h1>
            <p>{HtmlPage.Text(
                offer.Invitation.CreatedBy
            )} invites you to this workspace, as {article} {offer.Invitation.Role.Name()}.</p>
            {PageForm.Notice(problem)}
            <form method="post" action="{here}">
            {fields}
            </form>
            {other}
            """,
            status: problem?.Type.Status ?? StatusCodes.Status200OK
        );
    }

    private static IResult Gone(HttpContext context) =>
        HtmlPage.WithForms(
            context,
            "Invitation · Platen",
            """
            <h1>This invitation cannot be accepted any more</h1>
            <p>It was accepted, taken back, sent again, or has expired. Ask whoever invited you for a new one.</p>
            <p><a href="/sign-in">Sign in</a></p>
            """,
            status: StatusCodes.Status410Gone
        );
}
