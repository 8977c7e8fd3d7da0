using Microsoft.AspNetCore.Http;
using Npgsql;
using Platen.Access.People;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.SignIn;

/// <summary>
/// The sessions of people: a row each, so that they can be listed and ended, and an ended one is refused by every node at its
/// next request. The cookie holds the secret; the row holds its hash.
/// </summary>
internal sealed class PersonSessions(PostgresPools pools)
{
    private const string PlainName = "platen_session";

    // The prefix binds the cookie to this host and to https (RFC 6265bis section 4.1.3.2).
    private const string SecureName = "__Host-" + PlainName;

    /// <summary>A session as its person sees it.</summary>
    /// <param name="Current">Whether it is the one that asks.</param>
    public sealed record Listed(
        Guid Id,
        string Method,
        string? Address,
        string? UserAgent,
        DateTimeOffset StartedAt,
        DateTimeOffset LastSeenAt,
        DateTimeOffset ExpiresAt,
        bool Current
    );

    private const string Returned = " returning id, person_id, method, expires_at";

    private sealed record Ended(Guid Id, PersonId Person, string Method, DateTimeOffset ExpiresAt)
    {
        public object Content => new { method = Method, expiresAt = ExpiresAt };

        public static Ended Read(NpgsqlDataReader row) =>
            new(row.GetGuid(0), new PersonId(row.GetGuid(1)), row.GetString(2), row.GetFieldValue<DateTimeOffset>(3));
    }

    /// <summary>Whether the request carries a session's cookie at all.</summary>
    public static bool IsCarriedBy(HttpRequest request) => request.Cookies.ContainsKey(NameFor(request));

    /// <summary>Who the cookie's session is, or null: none, ended, expired, idle for too long, or of a disabled person.</summary>
    public async Task<SignedIn?> FindAsync(HttpRequest request, CancellationToken ct)
    {
        if (!Secret256.TryParse(request.Cookies[NameFor(request)], out var secret))
            return null;
        await using var session = await pools.OpenAsync(Person.ByServer("authenticate"), ct);
        var found = await session.FirstAsync(
            """
            select p.id, p.display_name, p.email, s.id, s.method, s.started_at, s.expires_at,
                   s.last_seen_at < now() - interval '5 minutes', s.started_at > now() - $3
            from access.person_session s join access.person p on p.id = s.person_id
            where s.token_hash = $1 and s.ended_at is null and s.expires_at > now() and s.last_seen_at > now() - $2
              and p.disabled_at is null
            """,
            row => new
            {
                SignedIn = new SignedIn(
                    new PersonId(row.GetGuid(0)),
                    row.GetString(1),
                    row.GetString(2),
                    row.GetGuid(3),
                    row.GetString(4),
                    row.GetFieldValue<DateTimeOffset>(5),
                    row.GetFieldValue<DateTimeOffset>(6),
                    row.GetBoolean(8),
                    secret.Derive("csrf")
                ),
                Unseen = row.GetBoolean(7),
            },
            ct,
            Sql.Bytes(secret.Hash),
            Span(PeopleLimits.SessionIdle),
            Span(PeopleLimits.Fresh)
        );
        if (found is { Unseen: true })
        {
            await session.ExecuteAsync(
                "update access.person_session set last_seen_at = now() where id = $1",
                ct,
                Sql.Uuid(found.SignedIn.SessionId)
            );
            await session.CommitAsync(ct);
        }
        return found?.SignedIn;
    }

    /// <summary>Whether a session has neither ended nor expired. That it is idle says nothing: whoever asks is using it.</summary>
    public static async Task<bool> IsLiveAsync(PostgresPools pools, Guid id, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(Person.ByServer("look after session"), ct);
        return await session.FirstAsync(
            """
            select exists (
                select from access.person_session s join access.person p on p.id = s.person_id
                where s.id = $1 and s.ended_at is null and s.expires_at > now() and p.disabled_at is null)
            """,
            row => row.GetBoolean(0),
            ct,
            Sql.Uuid(id)
        );
    }

    /// <summary>
    /// Begins a session in the transaction that found out who it is. The cookie's former session ends, so that a cookie
    /// planted before the sign-in is worth nothing after it.
    /// </summary>
    /// <param name="session">The server's own session; commit it, then send the secret with <see cref="SendCookie"/>.</param>
    /// <param name="person">Who.</param>
    /// <param name="method">How, as the table names it.</param>
    /// <param name="request">From where.</param>
    /// <param name="ct">Cancels.</param>
    public static async Task<Secret256> StartAsync(
        Session session,
        PersonId person,
        string method,
        HttpRequest request,
        CancellationToken ct
    )
    {
        if (Secret256.TryParse(request.Cookies[NameFor(request)], out var former))
        {
            var replaced = await session.ListAsync(
                "update access.person_session set ended_at = now() where token_hash = $1 and ended_at is null"
                    + Returned,
                Ended.Read,
                ct,
                Sql.Bytes(former.Hash)
            );
            await TellEndedAsync(session, replaced, by: null, ct);
        }
        var tooMany = await session.ListAsync(
            """
            update access.person_session set ended_at = now() where id in (
                select id from access.person_session
                where person_id = $1 and ended_at is null and expires_at > now()
                order by started_at desc, id desc offset $2
            )
            """ + Returned,
            Ended.Read,
            ct,
            Sql.Uuid(person.Value),
            Sql.Int(PeopleLimits.Sessions - 1)
        );
        await TellEndedAsync(session, tooMany, by: null, ct);
        var secret = Secret256.Generate();
        var agent = request.Headers.UserAgent.ToString();
        var expiresAt = await session.FirstAsync(
            """
            insert into access.person_session (id, person_id, token_hash, method, address, user_agent, expires_at)
            values ($1, $2, $3, $4, $5, $6, now() + $7)
            returning expires_at
            """,
            row => row.GetFieldValue<DateTimeOffset>(0),
            ct,
            Sql.Uuid(Guid.CreateVersion7()),
            Sql.Uuid(person.Value),
            Sql.Bytes(secret.Hash),
            Sql.Text(method),
            Sql.Text(request.HttpContext.Connection.RemoteIpAddress?.ToString()),
            Sql.Text(agent.Length > 400 ? agent[..400] : agent),
            Span(PeopleLimits.SessionLife)
        );
        await PersonAudit.RecordAsync(
            session,
            "session.started",
            person,
            by: null,
            ct,
            new { method },
            after: new { method, expiresAt }
        );
        return secret;
    }

    /// <summary>The live sessions of the person, latest first.</summary>
    public async Task<List<Listed>> ListAsync(SignedIn person, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(person.Operation("list sessions"), ct);
        return await session.ListAsync(
            """
            select id, method, address, user_agent, started_at, last_seen_at, expires_at
            from access.person_session
            where person_id = $1 and ended_at is null and expires_at > now() and last_seen_at > now() - $2
            order by last_seen_at desc, id desc limit $3
            """,
            row => new Listed(
                row.GetGuid(0),
                row.GetString(1),
                row.IsDBNull(2) ? null : row.GetString(2),
                row.IsDBNull(3) ? null : row.GetString(3),
                row.GetFieldValue<DateTimeOffset>(4),
                row.GetFieldValue<DateTimeOffset>(5),
                row.GetFieldValue<DateTimeOffset>(6),
                row.GetGuid(0) == person.SessionId
            ),
            ct,
            Sql.Uuid(person.Person.Value),
            Span(PeopleLimits.SessionIdle),
            Sql.Int(PeopleLimits.Sessions)
        );
    }

    /// <summary>Ends one of the person's sessions; false when they have no such live session.</summary>
    public async Task<bool> EndAsync(SignedIn person, Guid id, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(person.Operation("end session"), ct);
        var ended = await session.ListAsync(
            "update access.person_session set ended_at = now() where person_id = $1 and id = $2 and ended_at is null"
                + Returned,
            Ended.Read,
            ct,
            Sql.Uuid(person.Person.Value),
            Sql.Uuid(id)
        );
        await TellEndedAsync(session, ended, person.Actor, ct);
        await session.CommitAsync(ct);
        return ended.Count == 1;
    }

    /// <summary>Ends every session of the person but the one that asks; returns how many.</summary>
    public async Task<int> EndOthersAsync(SignedIn person, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(person.Operation("end other sessions"), ct);
        var ended = await EndAllAsync(session, person.Person, person.SessionId, person.Actor, ct);
        await session.CommitAsync(ct);
        return ended;
    }

    /// <summary>Ends every session of the person, but for one; returns how many.</summary>
    public static async Task<int> EndAllAsync(
        Session session,
        PersonId person,
        Guid? except,
        Actor? by,
        CancellationToken ct
    )
    {
        var ended = await session.ListAsync(
            """
            update access.person_session set ended_at = now()
            where person_id = $1 and ended_at is null and id is distinct from $2
            """ + Returned,
            Ended.Read,
            ct,
            Sql.Uuid(person.Value),
            new NpgsqlParameter
            {
                Value = except is { } id ? id : DBNull.Value,
                NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Uuid,
            }
        );
        if (ended.Count > 0)
        {
            await PersonAudit.RecordAsync(
                session,
                "sessions.ended",
                person,
                by,
                ct,
                new { ended = ended.Count },
                before: ended.OrderBy(one => one.Id).Select(one => one.Content)
            );
        }
        return ended.Count;
    }

    private static async Task TellEndedAsync(Session session, List<Ended> ended, Actor? by, CancellationToken ct)
    {
        foreach (var one in ended)
        {
            await PersonAudit.RecordAsync(
                session,
                "session.ended",
                one.Person,
                by,
                ct,
                new { id = one.Id },
                before: one.Content
            );
        }
    }

    /// <summary>Gives the browser the session. Scripts never see it, and other sites' requests do not carry it, links excepted.</summary>
    public static void SendCookie(HttpContext context, Secret256 secret) =>
        context.Response.Cookies.Append(
            NameFor(context.Request),
            secret.Reveal(),
            Cookie(context.Request, PeopleLimits.SessionLife)
        );

    /// <summary>Takes the cookie back.</summary>
    public static void RemoveCookie(HttpContext context) =>
        context.Response.Cookies.Delete(NameFor(context.Request), Cookie(context.Request, null));

    internal static NpgsqlParameter Span(TimeSpan span) => new NpgsqlParameter<TimeSpan> { TypedValue = span };

    private static string NameFor(HttpRequest request) => request.IsHttps ? SecureName : PlainName;

    private static CookieOptions Cookie(HttpRequest request, TimeSpan? life) =>
        new()
        {
            HttpOnly = true,
            IsEssential = true,
            Path = "/",
            SameSite = SameSiteMode.Lax,
            Secure = request.IsHttps,
            MaxAge = life,
        };
}
