using System.Text.Json;
using Npgsql;
using Platen.Kernel.Templates;
using Platen.Platform.Postgres;

namespace Platen.Templates;

/// <summary>A candidate beside the live version of a channel, from its beginning to its end.</summary>
internal sealed record Trial(
    Guid Id,
    TemplateName Template,
    string Channel,
    string LiveVersion,
    string CandidateVersion,
    GuardRule? Guard,
    string State,
    string? Decision,
    DateTimeOffset StartedAt,
    DateTimeOffset? EndedAt
)
{
    public const string Running = "running";
    public const string Promoted = "promoted";
    public const string RolledBack = "rolled-back";
    public const string Ended = "ended";

    private const string Columns =
        "id, template, channel, live_semver, candidate_semver, guard::text, state, decision, started_at, ended_at";

    public static Task<Trial?> RunningAsync(Session session, TemplateName name, string channel, CancellationToken ct) =>
        session.FirstAsync(
            $"select {Columns} from templates.trial where template = $1 and channel = $2 and state = 'running'",
            Read,
            ct,
            Sql.Text(name.Value),
            Sql.Text(channel)
        );

    /// <summary>The trials of a channel, latest first.</summary>
    public static Task<List<Trial>> ListAsync(
        Session session,
        TemplateName name,
        string channel,
        CancellationToken ct
    ) =>
        session.ListAsync(
            $"select {Columns} from templates.trial where template = $1 and channel = $2 order by id desc limit 50",
            Read,
            ct,
            Sql.Text(name.Value),
            Sql.Text(channel)
        );

    /// <summary>Begins, goes on with, or ends the channel's trial as the order says.</summary>
    public static async Task FollowAsync(
        Session session,
        TemplateName name,
        string channel,
        ChannelOrder order,
        CancellationToken ct
    )
    {
        var running = await RunningAsync(session, name, channel, ct);
        if (
            running is not null
            && order.Candidate is { } same
            && same.Version == running.CandidateVersion
            && order.Version == running.LiveVersion
        )
        {
            await session.ExecuteAsync(
                "update templates.trial set guard = $3 where template = $1 and id = $2",
                ct,
                Sql.Text(name.Value),
                Sql.Uuid(running.Id),
                GuardJson(same.Guard)
            );
            return;
        }
        if (running is not null)
        {
            var promoted = order.Version == running.CandidateVersion;
            await EndAsync(
                session,
                name,
                running,
                promoted ? Promoted : Ended,
                promoted
                    ? $"{running.CandidateVersion} was made live: {session.Context.Reason}"
                    : $"ended by {session.Context.Actor.Name}: {session.Context.Reason}",
                ct
            );
        }
        if (order.Candidate is not { } candidate)
            return;
        var id = Guid.CreateVersion7();
        await session.ExecuteAsync(
            """
            insert into templates.trial (owner, template, id, channel, live_semver, candidate_semver, guard, started_by_name)
            values ($1, $2, $3, $4, $5, $6, $7, $8)
            """,
            ct,
            Sql.Owner(session.Context.Owner),
            Sql.Text(name.Value),
            Sql.Uuid(id),
            Sql.Text(channel),
            Sql.Text(order.Version),
            Sql.Text(candidate.Version),
            GuardJson(candidate.Guard),
            Sql.Text(session.Context.Actor.Name)
        );
        await ForgetOutcomes.BeginAsync(session, name, id, ct);
    }

    public static async Task EndAsync(
        Session session,
        TemplateName name,
        Trial trial,
        string state,
        string decision,
        CancellationToken ct
    ) =>
        await session.ExecuteAsync(
            """
            update templates.trial set state = $3, decision = left($4, 2000), ended_at = clock_timestamp()
            where template = $1 and id = $2 and state = 'running'
            """,
            ct,
            Sql.Text(name.Value),
            Sql.Uuid(trial.Id),
            Sql.Text(state),
            Sql.Text(decision)
        );

    private static Trial Read(NpgsqlDataReader row) =>
        new(
            row.GetGuid(0),
            TemplateName.Parse(row.GetString(1)),
            row.GetString(2),
            row.GetString(3),
            row.GetString(4),
            row.IsDBNull(5) ? null : JsonSerializer.Deserialize<GuardRule>(row.GetString(5), JsonSerializerOptions.Web),
            row.GetString(6),
            row.IsDBNull(7) ? null : row.GetString(7),
            row.GetFieldValue<DateTimeOffset>(8),
            row.IsDBNull(9) ? null : row.GetFieldValue<DateTimeOffset>(9)
        );

    private static NpgsqlParameter GuardJson(GuardRule? guard) =>
        guard is null
            ? new NpgsqlParameter { Value = DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Jsonb }
            : Sql.Json(JsonSerializer.SerializeToUtf8Bytes(guard, JsonSerializerOptions.Web));
}
