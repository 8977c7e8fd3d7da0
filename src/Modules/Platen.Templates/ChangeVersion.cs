using Platen.Access;
using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Kernel.Versions;
using Platen.Platform.Postgres;

namespace Platen.Templates;

/// <summary>Takes a version forward: a draft becomes stable, a stable one deprecated. Its content never changes here.</summary>
internal sealed class ChangeVersion(PostgresPools pools)
{
    /// <param name="Status">stable or deprecated; null leaves it as it is.</param>
    /// <param name="Reason">Why; readers of a deprecated version see it.</param>
    /// <param name="Successor">The version to use instead of a deprecated one.</param>
    /// <param name="SunsetAt">When a deprecated version may stop being served.</param>
    /// <param name="Changelog">Replaces the changelog; null leaves it.</param>
    public sealed record Body(
        string? Status = null,
        string? Reason = null,
        string? Successor = null,
        DateTimeOffset? SunsetAt = null,
        string? Changelog = null
    );

    public async Task<TemplateVersion> RunAsync(
        Caller caller,
        TemplateName name,
        SemVer version,
        Body body,
        Precondition precondition,
        CancellationToken ct
    )
    {
        TemplateRequests.CheckReason(body.Reason);
        await using var session = await pools.OpenAsync(
            caller.Operation(body.Reason ?? $"change {name} {version}"),
            ct
        );
        _ = await Template.LockAsync(session, name, ct) ?? throw TemplateRequests.NotFound(name);
        var all = await TemplateVersion.ListAsync(session, name, ct);
        var before =
            all.Find(v => v.Version == version)
            ?? throw TemplateRequests.NoSuchVersion(name, version.ToString(), all.Select(v => v.Version));
        precondition.Check(before.Tag);
        var status = body.Status ?? before.Status;
        Check(body, status, before, all);
        await session.ExecuteAsync(
            """
            update templates.template_version
            set status = $3, changelog = coalesce($4, changelog), revision = revision + 1, updated_at = clock_timestamp(),
                deprecated_at = case when $3 = 'deprecated' then coalesce(deprecated_at, clock_timestamp()) end,
                deprecation_reason = case when $3 = 'deprecated' then coalesce($5, deprecation_reason) end,
                successor = case when $3 = 'deprecated' then coalesce($6, successor) end,
                sunset_at = case when $3 = 'deprecated' then coalesce($7, sunset_at) end
            where template = $1 and semver = $2
            """,
            ct,
            Sql.Text(name.Value),
            Sql.Text(version.ToString()),
            Sql.Text(status),
            Sql.Text(body.Changelog),
            Sql.Text(status == VersionStatus.Deprecated ? body.Reason : null),
            Sql.Text(body.Successor),
            new Npgsql.NpgsqlParameter
            {
                Value = (object?)body.SunsetAt?.ToUniversalTime() ?? DBNull.Value,
                NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.TimestampTz,
            }
        );
        await VersionChannels.FollowAsync(session, name, ct);
        var saved = (await TemplateVersion.FindAsync(session, name, version, ct))!;
        await Template.TouchAsync(
            session,
            name,
            TemplateEvents.VersionChanged,
            new
            {
                version = version.ToString(),
                status,
                reason = body.Reason,
                successor = body.Successor,
            },
            ct,
            before.ContentDigest,
            saved.ContentDigest
        );
        await session.CommitAsync(ct);
        return saved;
    }

    private static void Check(Body body, string status, TemplateVersion before, List<TemplateVersion> all)
    {
        var faults = new List<Fault>();
        if (status is not (VersionStatus.Draft or VersionStatus.Stable or VersionStatus.Deprecated))
            faults.Add(new Fault("/status", "stable or deprecated."));
        else if (
            Place(status) < Place(before.Status)
            || (before.Status, status) is (VersionStatus.Draft, VersionStatus.Deprecated)
        )
        {
            throw TemplatesProblems
                .StatusGoesForward.Because($"Version {before.Version} is {before.Status}: it cannot become {status}.")
                .AsException();
        }
        if (status != VersionStatus.Deprecated)
        {
            if (body.Successor is not null)
                faults.Add(new Fault("/successor", "Only a deprecated version has a successor."));
            if (body.SunsetAt is not null)
                faults.Add(new Fault("/sunsetAt", "Only a deprecated version has an end."));
        }
        else if (before.Status != VersionStatus.Deprecated && string.IsNullOrWhiteSpace(body.Reason))
            faults.Add(new Fault("/reason", "Say why it is deprecated: whoever uses it is told."));
        if (
            body.Successor is { } successor
            && !all.Exists(v =>
                v.Version.ToString() == successor && v.Version != before.Version && v.Status == VersionStatus.Stable
            )
        )
            faults.Add(new Fault("/successor", "Another version of the template that is stable."));
        if (
            body.Changelog?.Length > TemplateLimits.ChangelogLength
            || body.Changelog?.Contains('\0', StringComparison.Ordinal) == true
        )
            faults.Add(
                new Fault("/changelog", $"At most {TemplateLimits.ChangelogLength} characters, and not U+0000.")
            );
        if (faults.Count > 0)
            throw KernelProblems.Invalid.Because("The version cannot be changed so.", faults).AsException();
    }

    private static int Place(string status) =>
        status switch
        {
            VersionStatus.Draft => 0,
            VersionStatus.Stable => 1,
            _ => 2,
        };
}
