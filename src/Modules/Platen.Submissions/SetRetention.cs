using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;

namespace Platen.Submissions;

/// <summary>Says how long what was sent is kept. What is older goes at once, and from then on every day.</summary>
internal sealed class SetRetention(PostgresPools pools, TimeProvider clock)
{
    /// <param name="Days">1 to 3650; null: until it is erased.</param>
    /// <param name="Instances">What is different for single instances, by their public id.</param>
    public sealed record Body(int? Days, IReadOnlyDictionary<string, int?>? Instances = null);

    public async Task<Retention> ReadAsync(Caller caller, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(caller.Operation("read retention"), ct);
        return await Retention.FindAsync(session, locked: false, ct);
    }

    /// <exception cref="ProblemException"><see cref="KernelProblems.Invalid"/> or <see cref="KernelProblems.StaleVersion"/>.</exception>
    public async Task<Retention> RunAsync(Caller caller, Body body, Precondition precondition, CancellationToken ct)
    {
        var instances = (body.Instances ?? ImmutableDictionary<string, int?>.Empty).ToImmutableSortedDictionary(
            StringComparer.Ordinal
        );
        Check(body.Days, instances);
        await using var session = await pools.OpenAsync(caller.Operation("set retention"), ct);
        // Two that say it for the first time at once: the second sees the first.
        await session.ExecuteAsync(
            "select pg_advisory_xact_lock(hashtextextended(platform.current_owner()::text || ' retention', 1397050442))",
            ct
        );
        var former = await Retention.FindAsync(session, locked: true, ct);
        precondition.Check(former.Tag);
        if (former.Revision > 0 && former.Days == body.Days && former.Instances.SequenceEqual(instances))
        {
            // Runs that were lost begin again with the rule said again.
            await EnsureRunsAsync(session, former, ct);
            await session.CommitAsync(ct);
            return former;
        }
        await session.ExecuteAsync(
            """
            insert into submissions.retention as r (owner, days, instances, updated_by_name)
            values (platform.current_owner(), $1, $2, $3)
            on conflict (owner) do update
               set days = $1, instances = $2, updated_by_name = $3, revision = r.revision + 1, updated_at = clock_timestamp()
            """,
            ct,
            new NpgsqlParameter { Value = (object?)body.Days ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Integer },
            Sql.Json(JsonSerializer.SerializeToUtf8Bytes(instances)),
            Sql.Text(caller.Actor.Name)
        );
        var retention = await Retention.FindAsync(session, locked: false, ct);
        await EnsureRunsAsync(session, retention, ct);
        await AuditLog.RecordAsync(
            session,
            SubmissionEvents.RetentionChanged,
            "submissions",
            former.Revision == 0 ? null : former.Digest,
            retention.Digest,
            Changes(former, retention),
            ct
        );
        await session.CommitAsync(ct);
        return retention;
    }

    private Task EnsureRunsAsync(Session session, Retention rule, CancellationToken ct) =>
        rule.Ends
            ? DailyRuns.EnsureAsync(session, ExpireSubmissions.JobKind, rule.Revision, clock, ct)
            : Task.CompletedTask;

    // A rule can name more instances than an entry holds: the first that changed are named, and the digests tell two rules apart.
    private static object Changes(Retention before, Retention after)
    {
        var changed = before
            .Instances.Keys.Union(after.Instances.Keys, StringComparer.Ordinal)
            .Where(id => Own(before, id) != Own(after, id))
            .Order(StringComparer.Ordinal)
            .ToList();
        return new
        {
            days = new { before = before.Days, after = after.Days },
            instances = changed
                .Take(SubmissionsLimits.AuditedInstances)
                .Select(id => new
                {
                    id,
                    before = Own(before, id),
                    after = Own(after, id),
                }),
            changedInstances = changed.Count,
        };

        // Days, "kept" without end, or nothing of its own.
        static string? Own(Retention rule, string id) =>
            rule.Instances.TryGetValue(id, out var days)
                ? days?.ToString(CultureInfo.InvariantCulture) ?? "kept"
                : null;
    }

    private static void Check(int? days, ImmutableSortedDictionary<string, int?> instances)
    {
        var faults = new List<Fault>();
        var rule = string.Create(
            CultureInfo.InvariantCulture,
            $"1 to {SubmissionsLimits.RetentionDays} days, or null to keep them."
        );
        if (days is < 1 or > SubmissionsLimits.RetentionDays)
            faults.Add(new Fault("/days", rule));
        if (instances.Count > SubmissionsLimits.RetentionInstances)
            faults.Add(new Fault("/instances", $"At most {SubmissionsLimits.RetentionInstances} instances."));
        foreach (var (id, own) in instances.Take(SubmissionsLimits.RetentionInstances))
        {
            var at =
                "/instances/"
                + id.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);
            if (!PublicId.TryParse(id, out var parsed) || parsed.ToString() != id)
                faults.Add(new Fault(at, "That is not a public id."));
            else if (own is < 1 or > SubmissionsLimits.RetentionDays)
                faults.Add(new Fault(at, rule));
        }
        if (faults.Count > 0)
            throw KernelProblems.Invalid.Because("Submissions cannot be kept like that.", faults).AsException();
    }
}
