using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Platen.Access.Audit;
using Platen.Access.Keys;
using Platen.Access.People;
using Platen.Access.Tokens;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Platform.Http;
using Platen.Platform.Http.RateLimits;
using Platen.Platform.Postgres;

namespace Platen.Access.SignIn;

/// <summary>
/// Signs a terminal in by way of the browser, as OAuth 2.0 does with PKCE (RFC 7636). The terminal makes a secret and opens a page with its
/// hash; the person says there for which workspace, how much and how long; the page hands over a code, to the terminal's own loopback
/// address or to be copied; and the terminal exchanges code and secret for a key named after its machine. The code is a token that works
/// once, for five minutes, and is worth nothing without the secret, which never left the terminal.
/// </summary>
internal sealed class TerminalLogin(
    PostgresPools pools,
    TokenSigner signer,
    WorkspaceDirectory directory,
    AccessOptions options,
    TimeProvider clock
)
{
    private const string NameFact = "name";
    private const string RightsFact = "rights";
    private const string DaysFact = "days";
    private static readonly TimeSpan CodeLife = TimeSpan.FromMinutes(5);

    /// <param name="Code">As the page handed it over.</param>
    /// <param name="Verifier">The secret whose hash the page was opened with.</param>
    public sealed record Body(string Code, string Verifier);

    /// <summary>The key that the terminal has now.</summary>
    /// <param name="Id">Names it.</param>
    /// <param name="Name">The machine's.</param>
    /// <param name="Owner">Whose it is: a workspace, or the platform.</param>
    /// <param name="Scopes">What it may do.</param>
    /// <param name="ExpiresAt">When it ends.</param>
    /// <param name="Secret">The key itself: told once.</param>
    public sealed record View(
        Guid Id,
        string Name,
        Guid Owner,
        IReadOnlyList<string> Scopes,
        DateTimeOffset ExpiresAt,
        string Secret
    );

    /// <summary>How much of their own rights a person lends to a terminal, the least first.</summary>
    private static readonly IReadOnlyDictionary<string, string> Rights = new Dictionary<string, string>(
        StringComparer.Ordinal
    )
    {
        ["read"] = "Read",
        ["write"] = "Read and write content",
        [Everything] = "Everything you may do there",
    };

    private const string Everything = "all";

    private static readonly int[] Days = [1, 30, 90];

    public static void Map(IEndpointRouteBuilder app, IEndpointRouteBuilder pages)
    {
        pages.MapGet("/terminal-login", Show);
        pages
            .MapPost("/terminal-login", Approve)
            .NotAudited("hands over a code; the key that it is exchanged for is recorded");
        app.MapPost("/v1/terminal-logins", Exchange)
            .WithName("exchangeTerminalLogin")
            .Refuses(KernelProblems.Unauthenticated, KernelProblems.LimitReached)
            .RateLimited(RateLimitPolicies.SignIn)
            .Audited(AccessEvents.KeyCreated)
            .WithTags("signing in")
            .Accepts<Body>("application/json")
            .AllowAnonymous();
    }

    /// <summary>A code for a terminal that has the secret of this hash.</summary>
    public string Issue(SignedIn person, OwnerId owner, string challenge, string name, string rights, int days) =>
        signer.Issue(
            TokenPurpose.TerminalLogin,
            owner,
            challenge,
            CodeLife,
            new Dictionary<string, string>(StringComparer.Ordinal)
            {
                [NameFact] = name,
                [RightsFact] = rights,
                [DaysFact] = days.ToString(CultureInfo.InvariantCulture),
            },
            person.Actor
        );

    /// <summary>Makes the key. Who the person is there is asked again: they may have been removed since.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Unauthenticated"/>.</exception>
    public async Task<View> ExchangeAsync(Body body, CancellationToken ct)
    {
        var claims = signer.Verify(body.Code, TokenPurpose.TerminalLogin) switch
        {
            TokenCheck.Valid(var valid) => valid,
            TokenCheck.Refused(var why) => throw Refused(why),
            _ => throw new InvalidOperationException("The hierarchy is closed."),
        };
        if (
            !CryptographicOperations.FixedTimeEquals(
                Encoding.ASCII.GetBytes(Challenge(body.Verifier)),
                Encoding.ASCII.GetBytes(claims.Subject)
            )
        )
            throw Refused("The code was made for another terminal.");
        await using var session = await pools.OpenAsync(
            new OperationContext(claims.Actor, claims.Owner, "terminal login"),
            ct
        );
        if (!await TokenSigner.SpendAsync(session, claims, ct))
            throw Refused("The code was used already.");
        var role =
            await session.FirstAsync(
                """
                select m.role from access.member m join access.person p on p.id = m.person_id
                where m.owner = platform.current_owner() and m.person_id = $1 and p.disabled_at is null
                """,
                row => Roles.Parse(row.GetString(0)),
                ct,
                Sql.Uuid(claims.Actor.Id.Value)
            ) ?? throw Refused("You are not a member there any more.");
        var scopes = ScopesOf(claims.Owner, role, claims.Facts[RightsFact]);
        var expiresAt = clock.GetUtcNow().AddDays(int.Parse(claims.Facts[DaysFact], CultureInfo.InvariantCulture));
        var secret = MachineKey.Generate();
        var wanted = new CreateKey.Wanted(
            claims.Facts[NameFact],
            scopes,
            expiresAt,
            scopes.Contains(Scopes.CuratedPublish) ? options.Stage : null,
            AccessRequests.Asked(claims.Id),
            new PersonId(claims.Actor.Id.Value)
        );
        var made = await CreateKey.InsertAsync(session, Guid.CreateVersion7(), wanted, secret, ct);
        await session.CommitAsync(ct);
        return new View(made.Id, made.Name, claims.Owner.Value, made.Scopes, expiresAt, secret.Reveal());
    }

    private static async Task<Ok<View>> Exchange(TerminalLogin login, HttpContext context, CancellationToken ct)
    {
        var body = await context.BodyAsync<Body>(ct);
        context.Response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(await login.ExchangeAsync(body, ct));
    }

    private static async Task<IResult> Show(
        HttpContext context,
        PersonSessions sessions,
        TerminalLogin login,
        CancellationToken ct
    )
    {
        var asked = Asked.Of(context.Request.Query);
        if (asked is null)
            return Malformed(context);
        return await sessions.FindAsync(context.Request, ct) is { } person
            ? await login.FormAsync(context, person, asked, problem: null, ct)
            : SignInPages.See(
                "/sign-in?returnTo=" + Uri.EscapeDataString("/terminal-login" + context.Request.QueryString)
            );
    }

    private static async Task<IResult> Approve(
        HttpContext context,
        PersonSessions sessions,
        TerminalLogin login,
        CancellationToken ct
    )
    {
        var form = await PageForm.ReadAsync(context, ct);
        var person = await AccountPage.RequireAsync(context, form, sessions, ct);
        var (where, rights) = (form["where"].ToString(), form["rights"].ToString());
        if (
            Asked.Of(context.Request.Query) is not { } asked
            || !Rights.ContainsKey(rights)
            || !int.TryParse(form["days"], NumberStyles.None, CultureInfo.InvariantCulture, out var days)
            || !Days.Contains(days)
            || !Guid.TryParseExact(where, "D", out var owner)
        )
            return Malformed(context);
        var places = await login.PlacesAsync(person, ct);
        if (places.All(place => place.Owner.Value != owner))
            return await login.FormAsync(context, person, asked, "You are not a member there.", ct);
        // It lasts longer than any session, and does what the account page asks a fresh sign-in for: it invites, and makes keys.
        if (rights == Everything && !person.IsFresh)
        {
            var again = Uri.EscapeDataString("/terminal-login" + context.Request.QueryString);
            return await login.FormAsync(
                context,
                person,
                asked,
                "Your sign-in is older than 15 minutes, which is too old to lend everything.",
                ct,
                ("/sign-in?returnTo=" + again, "Sign in again")
            );
        }
        var code = login.Issue(person, new OwnerId(owner), asked.Challenge, asked.Name, rights, days);
        var back = asked.Port is { } port
            ? string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}/?state={asked.State}&code={code}")
            : null;
        if (back is not null)
            context.Response.Headers["Refresh"] = "0;url=" + back;
        return HtmlPage.WithForms(
            context,
            "Back to your terminal · Platen",
            $"""
            <h1>Back to your terminal</h1>
            {(
                back is null
                    ? "<p>Copy this code and paste it there. It works once, within five minutes.</p>"
                    : $"<p>It goes on by itself. If it does not, <a href=\"{HtmlPage.Text(back)}\">hand the code over</a>, or copy it and paste it there.</p>"
            )}
            <pre>{HtmlPage.Text(code)}</pre>
            <p class="soft">{HtmlPage.Text(
                asked.Name
            )} gets a key of its own. <code>platen logout</code> ends it, and so do you in <a href="/account">your account</a>.</p>
            """
        );
    }

    private async Task<IResult> FormAsync(
        HttpContext context,
        SignedIn person,
        Asked asked,
        string? problem,
        CancellationToken ct,
        (string Path, string Text)? wayOut = null
    )
    {
        var places = await PlacesAsync(person, ct);
        var action = "/terminal-login" + context.Request.QueryString;
        var link = wayOut is var (path, text) ? $" <a href=\"{HtmlPage.Text(path)}\">{HtmlPage.Text(text)}</a>" : "";
        var notice = problem is null ? "" : $"<p class=\"note bad\" role=\"alert\">{HtmlPage.Text(problem)}{link}</p>";
        return HtmlPage.WithForms(
            context,
            "Sign a terminal in · Platen",
            places.Count == 0
                ? """
                <h1>Sign a terminal in</h1>
                <p>You belong to no workspace yet. Ask for an invitation, or make one.</p>
                """
                : $"""
                <h1>Sign a terminal in</h1>
                <p><strong>{HtmlPage.Text(asked.Name)}</strong> asks to act for you, {HtmlPage.Text(
                    person.DisplayName
                )}.
                Go on only if you have just run <code>platen login</code> there yourself.</p>
                {notice}
                <form method="post" action="{HtmlPage.Text(action)}">{PageForm.Token(person)}
                {Select("where", "Where", places.Select(p => (p.Owner.ToString(), p.Name)))}
                {Select("rights", "What it may do", Rights.Select(r => (r.Key, r.Value)), "write")}
                {Select(
                    "days",
                    "For how long",
                    Days.Select(d => (d.ToString(CultureInfo.InvariantCulture), d == 1 ? "A day" : $"{d} days")),
                    "30"
                )}
                <button>Sign it in</button>
                </form>
                """
        );
    }

    private static string Select(
        string name,
        string label,
        IEnumerable<(string Value, string Text)> choices,
        string? chosen = null
    ) =>
        $"""
            <label for="{name}">{HtmlPage.Text(label)}</label>
            <select id="{name}" name="{name}">{string.Concat(choices.Select(choice =>
                $"<option value=\"{HtmlPage.Text(choice.Value)}\"{(choice.Value == chosen ? " selected" : "")}>{HtmlPage.Text(choice.Text)}</option>"
            ))}</select>
            """;

    private sealed record Place(OwnerId Owner, string Name);

    /// <summary>Where the person is a member; the platform first, for those who run it.</summary>
    private async Task<List<Place>> PlacesAsync(SignedIn person, CancellationToken ct)
    {
        var caller = await directory.CallerOfAsync(person.Person, person.DisplayName, ct);
        await using var session = await pools.OpenAsync(caller.Operation("terminal login"), ct);
        var places = await session.ListAsync(
            "select owner, name from access.list_workspaces(false, 'active', '', null, $1)",
            row => new Place(new OwnerId(row.GetGuid(0)), row.GetString(1)),
            ct,
            Sql.Int(Limits.PageItems)
        );
        return
        [
            .. places
                .OrderByDescending(place => place.Owner.IsPlatform)
                .ThenBy(place => place.Name, StringComparer.Ordinal),
        ];
    }

    private static List<string> ScopesOf(OwnerId owner, Role role, string rights)
    {
        var own = Roles.ScopesOf(role, owner);
        if (rights == Everything)
            return [.. own.Order(StringComparer.Ordinal)];
        var lent = Roles.ScopesOf(rights == "read" ? Role.Viewer : Role.Editor);
        IEnumerable<string> most = owner.IsPlatform && rights == "write" ? lent.Append(Scopes.CuratedPublish) : lent;
        return [.. most.Where(scope => own.Contains(Scopes.All) || own.Contains(scope)).Order(StringComparer.Ordinal)];
    }

    private static string Challenge(string verifier) =>
        Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes(verifier)));

    private static IResult Malformed(HttpContext context) =>
        HtmlPage.WithForms(
            context,
            "Sign a terminal in · Platen",
            "<h1>This link is not whole</h1><p>Run <code>platen login</code> again and open the address it prints.</p>",
            status: StatusCodes.Status400BadRequest
        );

    private static ProblemException Refused(string why) => KernelProblems.Unauthenticated.Because(why).AsException();

    /// <summary>What the terminal asks for, as its address says.</summary>
    /// <param name="Challenge">The hash of its secret (RFC 7636 section 4.2, S256).</param>
    /// <param name="Name">The machine's.</param>
    /// <param name="Port">Where it listens on the loopback; null when the browser is on another machine.</param>
    /// <param name="State">What it recognizes the answer by.</param>
    private sealed record Asked(string Challenge, string Name, int? Port, string State)
    {
        public static Asked? Of(IQueryCollection query)
        {
            var (challenge, name, state) = (
                query["challenge"].ToString(),
                query["name"].ToString(),
                query["state"].ToString()
            );
            int? port = null;
            if (query["port"].ToString() is { Length: > 0 } text)
            {
                if (
                    !int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
                    || number is < 1 or > 65_535
                )
                    return null;
                port = number;
            }
            return
                IsWord(challenge, 43, 43)
                && IsWord(state, 1, 64)
                && name.Length is > 0 and <= 100
                && !name.Any(c => char.IsControl(c) || char.GetUnicodeCategory(c) == UnicodeCategory.Format)
                ? new Asked(challenge, name, port, state)
                : null;
        }

        private static bool IsWord(string text, int least, int most) =>
            text.Length >= least
            && text.Length <= most
            && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_');
    }
}
