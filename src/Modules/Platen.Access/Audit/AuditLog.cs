using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Net;
using System.Text.Encodings.Web;
using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using Platen.Kernel;
using Platen.Platform.Http;
using Platen.Platform.Postgres;

namespace Platen.Access.Audit;

/// <summary>
/// Records who did what. An entry is written in the transaction of its fact, so there is never one without the other; it travels with
/// the commit and costs no round trip of its own.
/// </summary>
public static class AuditLog
{
    private const string Insert = """
        insert into access.audit_entry (
            owner, id, actor, actor_name, action, subject, origin, user_agent, trace_id, before_digest, after_digest, detail
        ) values (platform.current_owner(), $1, platform.current_actor(), $2, $3, $4, $5, $6, $7, $8, $9, $10)
        """;

    private const string ActAs = "select set_config('platen.actor', $1, true)";

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private static readonly Meter Meter = new("Platen.Access");

    private static readonly Counter<long> Entries = Meter.CreateCounter<long>(
        "platen.audit.entries",
        "{entry}",
        "Entries handed to a transaction."
    );

    /// <summary>
    /// Adds an entry to the transaction; it is kept when and only when the session commits. Who acts (or for whom the server does), for
    /// which owner and why are the session's, where it came from is <see cref="RequestOrigin.Current"/>, and when is the database's clock.
    /// </summary>
    /// <param name="session">The transaction of the fact.</param>
    /// <param name="action">What was done, in the past tense, as <c>noun.verb</c> of <c>a-z 0-9 . _ -</c>, such as <c>widget.saved</c>.</param>
    /// <param name="subject">What it was done to: 1 to 400 characters, such as <c>instance/wgt_main_content.faq</c>.</param>
    /// <param name="before">The content before, null when there was none or the fact has no content.</param>
    /// <param name="after">The content after, null when there is none or the fact has no content.</param>
    /// <param name="detail">What else is worth knowing, as an object that becomes JSON of at most
    /// <see cref="AuditLimits.DetailBytes"/>; never a secret.</param>
    /// <param name="ct">Not used: nothing is sent before the commit.</param>
    /// <exception cref="ArgumentException">The subject or detail is over its limit.</exception>
    public static Task RecordAsync(
        Session session,
        string action,
        string subject,
        Digest? before,
        Digest? after,
        object? detail,
        CancellationToken ct
    )
    {
        if (subject is not { Length: > 0 and <= AuditLimits.SubjectLength })
            throw new ArgumentException($"A subject has 1 to {AuditLimits.SubjectLength} characters.", nameof(subject));
        var details = JsonSerializer.SerializeToUtf8Bytes(detail ?? new object(), Json);
        if (details.Length > AuditLimits.DetailBytes)
            throw new ArgumentException($"A detail has at most {AuditLimits.DetailBytes} bytes.", nameof(detail));
        var origin = RequestOrigin.Current;
        // The database takes the actor from its scope, which is another for this entry alone where the server acts for somebody.
        if (session.ActsFor is { } actor)
            session.AtCommit(ActAs, Sql.Text(actor.Id.ToString()));
        session.AtCommit(
            Insert,
            Sql.Uuid(Guid.CreateVersion7()),
            Sql.Text((session.ActsFor ?? session.Context.Actor).Name),
            Sql.Text(action),
            Sql.Text(subject),
            new NpgsqlParameter { Value = (object?)origin?.Address ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Inet },
            Sql.Text(origin?.UserAgent),
            Sql.Text(Activity.Current?.TraceId.ToString()),
            Sql.Digest(before),
            Sql.Digest(after),
            Sql.Json(details)
        );
        if (session.ActsFor is not null)
            session.AtCommit(ActAs, Sql.Text(session.Context.Actor.Id.ToString()));
        Entries.Add(1, new KeyValuePair<string, object?>("action", action));
        return Task.CompletedTask;
    }

    /// <summary>The digest of a content that is no versioned document, for <see cref="RecordAsync"/>.</summary>
    /// <param name="content">A record of its values, in their order, nothing in it a secret that could be guessed; null when there is none.</param>
    public static Digest? DigestOf(object? content) =>
        content is null ? null : Digest.Of(JsonSerializer.SerializeToUtf8Bytes(content, Json));

    /// <summary>Entries of the session's owner that pass the filter.</summary>
    /// <param name="session">Whose.</param>
    /// <param name="filter">Which.</param>
    /// <param name="after">The last entry of the former page, in the direction of <paramref name="newestFirst"/>; null for the first.</param>
    /// <param name="newestFirst">The direction.</param>
    /// <param name="limit">At most this many.</param>
    /// <param name="ct">Cancels.</param>
    internal static Task<List<AuditEntry>> ReadAsync(
        Session session,
        AuditFilter filter,
        AuditPlace? after,
        bool newestFirst,
        int limit,
        CancellationToken ct
    )
    {
        // Each filter is left out when it is not asked for, so that the planner sees only what counts.
        var conditions = new List<string>();
        var values = new List<NpgsqlParameter>();
        if (filter.Actor is { } actor)
            conditions.Add($"actor = {Add(Sql.Uuid(actor.Value))}");
        if (filter.Action is { } action)
            conditions.Add(Matches("action", action));
        if (filter.Subject is { } subject)
            conditions.Add(Matches("subject", subject));
        if (filter.From is { } from)
            conditions.Add($"at >= {Add(Time(from))}");
        if (filter.To is { } to)
            conditions.Add($"at < {Add(Time(to))}");
        if (after is { } place)
            conditions.Add($"(at, id) {(newestFirst ? "<" : ">")} ({Add(Time(place.At))}, {Add(Sql.Uuid(place.Id))})");
        var direction = newestFirst ? "desc" : "asc";
        return session.ListAsync(
            $"""
            select id, at, actor, actor_name, action, subject, origin, user_agent, trace_id, before_digest, after_digest, detail
            from access.audit_entry
            {(conditions.Count == 0 ? "" : "where " + string.Join(" and ", conditions))}
            order by at {direction}, id {direction}
            limit {Add(Sql.Int(limit))}
            """,
            Read,
            ct,
            [.. values]
        );

        string Add(NpgsqlParameter value)
        {
            values.Add(value);
            return $"${values.Count}";
        }

        string Matches(string column, string wanted) =>
            wanted.EndsWith('*')
                ? $"{column} like {Add(Sql.Text(EscapeLike(wanted[..^1]) + "%"))}"
                : $"{column} = {Add(Sql.Text(wanted))}";
    }

    private static string EscapeLike(string text) => text.Replace(@"\", @"\\").Replace("%", @"\%").Replace("_", @"\_");

    private static NpgsqlParameter<DateTimeOffset> Time(DateTimeOffset value) =>
        new() { TypedValue = value.ToUniversalTime(), NpgsqlDbType = NpgsqlDbType.TimestampTz };

    private static AuditEntry Read(NpgsqlDataReader row) =>
        new(
            row.GetGuid(0),
            row.GetFieldValue<DateTimeOffset>(1),
            new Actor(new ActorId(row.GetGuid(2)), row.GetString(3)),
            row.GetString(4),
            row.GetString(5),
            row.IsDBNull(6) ? null : row.GetFieldValue<IPAddress>(6),
            row.IsDBNull(7) ? null : row.GetString(7),
            row.IsDBNull(8) ? null : row.GetString(8),
            row.IsDBNull(9) ? null : Digest.Parse(row.GetString(9)),
            row.IsDBNull(10) ? null : Digest.Parse(row.GetString(10)),
            row.IsDBNull(11) ? "{}"u8.ToArray() : row.GetFieldValue<byte[]>(11)
        );
}
