using Npgsql;
using NpgsqlTypes;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;

namespace Platen.Templates;

/// <summary>Says which versions go by themselves. What is past its time goes at once, and from then on every day.</summary>
internal sealed class SetRetention(PostgresPools pools, TimeProvider clock)
{
    /// <param name="DraftsOlderThanDays">1 to 3650; null: no drafts.</param>
    /// <param name="UnusedOlderThanDays">1 to 3650; null: no others.</param>
    /// <param name="AfterSunset">Whether deprecated versions go after their sunset.</param>
    public sealed record Body(
        int? DraftsOlderThanDays = null,
        int? UnusedOlderThanDays = null,
        bool AfterSunset = false
    );

    public async Task<Retention> ReadAsync(Caller caller, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(caller.Operation("read template retention"), ct);
        return await Retention.FindAsync(session, locked: false, ct);
    }

    /// <exception cref="ProblemException"><see cref="KernelProblems.Invalid"/> or <see cref="KernelProblems.StaleVersion"/>.</exception>
    public async Task<Retention> RunAsync(Caller caller, Body body, Precondition precondition, CancellationToken ct)
    {
        // A rule that removes what was made a moment ago would remove what somebody is working on.
        ExpireVersions.Check(body.DraftsOlderThanDays, body.UnusedOlderThanDays, leastDays: 1);
        await using var session = await pools.OpenAsync(caller.Operation("set template retention"), ct);
        // Two that say it for the first time at once: the second sees the first.
        await session.ExecuteAsync(
            "select pg_advisory_xact_lock(hashtextextended(platform.current_owner()::text || ' template retention', 1413567060))",
            ct
        );
        var former = await Retention.FindAsync(session, locked: true, ct);
        precondition.Check(former.Tag);
        if (
            former.Revision > 0
            && (former.DraftsOlderThanDays, former.UnusedOlderThanDays, former.AfterSunset)
                == (body.DraftsOlderThanDays, body.UnusedOlderThanDays, body.AfterSunset)
        )
        {
            // Runs that were lost begin again with the rule said again.
            await EnsureRunsAsync(session, former, ct);
            await session.CommitAsync(ct);
            return former;
        }
        await session.ExecuteAsync(
            """
            insert into templates.retention as r
                (owner, drafts_older_than_days, unused_older_than_days, after_sunset, updated_by_name)
            values (platform.current_owner(), $1, $2, $3, $4)
            on conflict (owner) do update
               set drafts_older_than_days = $1, unused_older_than_days = $2, after_sunset = $3, updated_by_name = $4,
                   revision = r.revision + 1, updated_at = clock_timestamp()
            """,
            ct,
            Days(body.DraftsOlderThanDays),
            Days(body.UnusedOlderThanDays),
            Sql.Bool(body.AfterSunset),
            Sql.Text(caller.Actor.Name)
        );
        var retention = await Retention.FindAsync(session, locked: false, ct);
        await EnsureRunsAsync(session, retention, ct);
        await AuditLog.RecordAsync(
            session,
            TemplateEvents.RetentionChanged,
            "templates",
            former.Revision == 0 ? null : former.Digest,
            retention.Digest,
            new
            {
                draftsOlderThanDays = new
                {
                    before = former.DraftsOlderThanDays,
                    after = retention.DraftsOlderThanDays,
                },
                unusedOlderThanDays = new
                {
                    before = former.UnusedOlderThanDays,
                    after = retention.UnusedOlderThanDays,
                },
                afterSunset = new { before = former.AfterSunset, after = retention.AfterSunset },
            },
            ct
        );
        await session.CommitAsync(ct);
        return retention;
    }

    private Task EnsureRunsAsync(Session session, Retention rule, CancellationToken ct) =>
        rule.Removes
            ? DailyRuns.EnsureAsync(session, RunRetention.JobKind, rule.Revision, clock, ct)
            : Task.CompletedTask;

    private static NpgsqlParameter Days(int? days) =>
        new() { Value = (object?)days ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Integer };
}
