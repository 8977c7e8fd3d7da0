using Npgsql;
using Platen.Access;
using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Platform.Channels;
using Platen.Platform.Postgres;

namespace Platen.Templates;

/// <summary>
/// Removes versions that are past their time: old drafts, deprecated versions after their sunset and, when asked to, old versions that
/// nothing names. What a channel, a pin, a running trial, a successor or an open request names stays, whatever its age. A version that was
/// given out keeps its name: the database lets it come back as what it was and as nothing else. The bytes are the next garbage
/// collection's.
/// </summary>
internal sealed class ExpireVersions(PostgresPools pools, TimeProvider clock)
{
    /// <param name="DraftsOlderThanDays">Drafts that nobody changed for so long go; null leaves drafts alone.</param>
    /// <param name="UnusedOlderThanDays">Stable and deprecated versions that are so old and that nothing names go; null leaves them alone.</param>
    /// <param name="AfterSunset">Whether deprecated versions go after their sunset.</param>
    /// <param name="DryRun">Only tells what would go.</param>
    public sealed record Body(
        int? DraftsOlderThanDays = null,
        int? UnusedOlderThanDays = null,
        bool AfterSunset = true,
        bool DryRun = false
    );

    /// <param name="Version">Which.</param>
    /// <param name="Status">What it was.</param>
    /// <param name="Release">Its release; its bytes can be collected when nothing else has them.</param>
    /// <param name="Because">Why it goes; or, among those that stay, what names it.</param>
    public sealed record Line(string Version, string Status, Digest Release, string Because);

    /// <param name="DryRun">Whether it was only told.</param>
    /// <param name="Removed">What went, or would go.</param>
    /// <param name="Kept">What is past its time and stays, because something names it.</param>
    /// <param name="HasMore">Whether more is past its time than one request removes: the same request again goes on.</param>
    public sealed record View(bool DryRun, IReadOnlyList<Line> Removed, IReadOnlyList<Line> Kept, bool HasMore);

    public async Task<View> RunAsync(Caller caller, TemplateName name, Body body, CancellationToken ct)
    {
        Check(body.DraftsOlderThanDays, body.UnusedOlderThanDays, leastDays: 0);
        await using var session = await pools.OpenAsync(caller.Operation("expire versions"), ct);
        var done = await ExpireAsync(session, name, body, ct) ?? throw TemplateRequests.NotFound(name);
        if (!body.DryRun && done.Removed.Count > 0)
            await session.CommitAsync(ct);
        return done;
    }

    /// <summary>Removes them in the session, which the caller commits unless it is a dry run; null when there is no such template.</summary>
    public async Task<View?> ExpireAsync(Session session, TemplateName name, Body body, CancellationToken ct)
    {
        // Moves and pushes of the template wait, so nothing is named between the look and the removal.
        if (await Template.LockAsync(session, name, ct) is null)
            return null;
        var now = clock.GetUtcNow();
        var (removed, kept) = (new List<Line>(), new List<Line>());
        var hasMore = false;
        foreach (var version in await TemplateVersion.ListAsync(session, name, ct))
        {
            if (Why(version, body, now) is not { } because)
                continue;
            var text = version.Version.ToString();
            var named =
                await NamedByAsync(session, name, text, ct)
                ?? await NamedUntilAsync(session, name, version, body, now, ct);
            if (named is not null)
            {
                kept.Add(new Line(text, version.Status, version.Release, named));
                continue;
            }
            hasMore = removed.Count == TemplatesLimits.Expired;
            if (hasMore)
                break;
            removed.Add(new Line(text, version.Status, version.Release, because));
            // Also in a dry run, which is rolled back: what one removal sets free, the next one sees.
            await RemoveAsync(session, name, version, because, ct);
        }
        return new View(body.DryRun, removed, kept, hasMore);
    }

    private static string? Why(TemplateVersion version, Body body, DateTimeOffset now) =>
        version.Status == VersionStatus.Draft
            ? body.DraftsOlderThanDays is { } days && version.UpdatedAt < now.AddDays(-days)
                ? $"a draft that nobody changed for {days} days"
                : null
            : IsAfterSunset(version, body, now)
                ? $"deprecated, and its sunset was on {version.SunsetAt:yyyy-MM-dd}"
                : body.UnusedOlderThanDays is { } unused && version.UpdatedAt < now.AddDays(-unused)
                    ? $"older than {unused} days, and nothing names it"
                    : null;

    private static bool IsAfterSunset(TemplateVersion version, Body body, DateTimeOffset now) =>
        body.AfterSunset && version.Status == VersionStatus.Deprecated && version.SunsetAt < now;

    private static Task<string?> NamedByAsync(
        Session session,
        TemplateName name,
        string version,
        CancellationToken ct
    ) =>
        session.FirstAsync(
            "select templates.named_by($1, $2)",
            row => row.IsDBNull(0) ? null : row.GetString(0),
            ct,
            Sql.Text(name.Value),
            Sql.Text(version)
        );

    /// <summary>What a channel or a pin named lately is what one goes back to: its time begins when it was left. A sunset is told before.</summary>
    private static Task<string?> NamedUntilAsync(
        Session session,
        TemplateName name,
        TemplateVersion version,
        Body body,
        DateTimeOffset now,
        CancellationToken ct
    )
    {
        if (
            version.Status == VersionStatus.Draft
            || IsAfterSunset(version, body, now)
            || body.UnusedOlderThanDays is not { } days
        )
            return Task.FromResult<string?>(null);
        return session.FirstAsync(
            """
            select why from (
                (select 'the channel ' || m.name || ' left it on ' || to_char(m.at at time zone 'utc', 'YYYY-MM-DD') as why, m.at
                 from platform.channel_move m
                 where m.subject = $1 and $2 in (m.to_digest, m.from_digest, m.candidate_digest) and m.name <> $3 and m.at >= $4
                 order by m.at desc limit 1)
                union all
                (select 'a pin ended on ' || to_char(e.at at time zone 'utc', 'YYYY-MM-DD'), e.at
                 from templates.pin_ended_at($5, $3) as e (at) where e.at >= $4)
            ) lately order by at desc limit 1
            """,
            row => row.GetString(0),
            ct,
            Sql.Text(name.Subject),
            Sql.Digest(version.Release),
            Sql.Text(version.Version.ToString()),
            new NpgsqlParameter<DateTimeOffset> { TypedValue = now.AddDays(-days) },
            Sql.Text(name.Value)
        );
    }

    private static async Task RemoveAsync(
        Session session,
        TemplateName name,
        TemplateVersion version,
        string because,
        CancellationToken ct
    )
    {
        var text = version.Version.ToString();
        var tag = TemplateRequests.Channel(name, text);
        if (await ChannelStore.FindAsync(session, tag, ct) is { Release: not null } pointed)
            await ChannelStore.MoveAsync(session, tag, pointed.Revision, to: null, ct);
        await session.ExecuteAsync(
            """
            with pins as (delete from templates.ended_pin where template = $1 and semver = $2)
            delete from templates.template_version where template = $1 and semver = $2
            """,
            ct,
            Sql.Text(name.Value),
            Sql.Text(text)
        );
        await TemplateVersion.LetGoAsync(session, name, version.Release, ct);
        if (version.Status != VersionStatus.Draft)
        {
            await session.ExecuteAsync(
                """
                insert into templates.removed_version (owner, template, semver, release_digest, removed_by, removed_by_name)
                values ($1, $2, $3, $4, $5, $6)
                on conflict (owner, template, semver) do update
                set removed_by = excluded.removed_by, removed_by_name = excluded.removed_by_name, removed_at = clock_timestamp()
                """,
                ct,
                Sql.Owner(session.Context.Owner),
                Sql.Text(name.Value),
                Sql.Text(text),
                Sql.Digest(version.Release),
                Sql.Uuid(session.Context.Actor.Id.Value),
                Sql.Text(session.Context.Actor.Name)
            );
        }
        await Template.TouchAsync(
            session,
            name,
            TemplateEvents.VersionRemoved,
            new
            {
                version = text,
                status = version.Status,
                because,
            },
            ct,
            before: version.Release
        );
    }

    /// <exception cref="ProblemException"><see cref="KernelProblems.Invalid"/>: days out of their range.</exception>
    public static void Check(int? draftsOlderThanDays, int? unusedOlderThanDays, int leastDays)
    {
        var faults = new List<Fault>();
        CheckOne(draftsOlderThanDays, "/draftsOlderThanDays");
        CheckOne(unusedOlderThanDays, "/unusedOlderThanDays");
        if (faults.Count > 0)
            throw KernelProblems.Invalid.Because("Nothing can be removed by this.", faults).AsException();

        void CheckOne(int? days, string pointer)
        {
            if (days < leastDays || days > TemplatesLimits.ExpiryDays)
                faults.Add(new Fault(pointer, $"{leastDays} to {TemplatesLimits.ExpiryDays} days."));
        }
    }
}
