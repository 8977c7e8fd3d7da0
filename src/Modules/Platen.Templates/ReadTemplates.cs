using Platen.Access;
using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Kernel.Versions;
using Platen.Platform.Channels;
using Platen.Platform.Postgres;

namespace Platen.Templates;

/// <summary>A line of the list.</summary>
internal sealed record TemplateSummary(
    string Name,
    string Description,
    bool Enabled,
    long Versions,
    string? DefaultVersion,
    string? StableVersion,
    string? LatestVersion,
    DateTimeOffset UpdatedAt,
    string UpdatedBy
);

/// <summary>Reads templates, their versions, files, channels and differences. The platform's are readable by every workspace.</summary>
internal sealed class ReadTemplates(PostgresPools pools, TemplateStates states)
{
    public sealed record Page<T>(IReadOnlyList<T> Items, string? NextCursor);

    public sealed record VersionDetail(TemplateVersion Version, IReadOnlyList<TemplateArtifact> Artifacts);

    public sealed record Difference(
        TemplateVersion From,
        TemplateVersion To,
        IReadOnlyList<TemplateFileChange> Changes
    );

    /// <summary>Ordered by name, so that a cursor is simply the last one seen.</summary>
    public async Task<Page<TemplateSummary>> PageAsync(
        Caller caller,
        string? search,
        bool? enabled,
        string? kind,
        string? cursor,
        int? limit,
        CancellationToken ct
    )
    {
        cursor = string.IsNullOrEmpty(cursor) ? null : cursor;
        if (cursor is not null && !TemplateName.TryParse(cursor, out _))
            throw KernelProblems.UnknownCursor();
        if (search?.Length > 200)
            throw KernelProblems.Malformed.Because("A search has at most 200 characters.").AsException();
        var size = Math.Clamp(limit ?? Limits.DefaultPageItems, 1, Limits.PageItems);
        await using var session = await pools.OpenAsync(caller.Operation("list templates"), ct);
        var items = await session.ListAsync(
            """
            with page as (
                select * from templates.template t
                where ($1::text is null or t.name > $1)
                    and ($2::text is null or strpos(t.name, lower($2)) > 0 or strpos(lower(t.description), lower($2)) > 0
                        or exists (select from templates.template_version v
                                   where v.owner = t.owner and v.template = t.name and strpos(lower(v.changelog), lower($2)) > 0))
                    and ($3::boolean is null or t.enabled = $3)
                    and ($4::text is null or exists (select from templates.artifact a
                                                     where a.owner = t.owner and a.template = t.name and a.kind = $4))
                order by t.name limit $5
            ), pointed as (
                select p.name,
                    max(v.semver) filter (where c.name = 'default') as on_default,
                    max(v.semver) filter (where c.name = 'stable') as on_stable,
                    max(v.semver) filter (where c.name = 'latest') as on_latest
                from page p
                join platform.channel c on c.owner = p.owner and c.subject = p.subject and c.name in ('default', 'stable', 'latest')
                join templates.template_version v
                    on v.owner = p.owner and v.template = p.name and v.release_digest = c.release_digest
                group by p.name
            )
            select p.name, p.description, p.enabled, p.versions, x.on_default, x.on_stable, x.on_latest, p.updated_at, p.updated_by_name
            from page p
            left join pointed x using (name)
            order by p.name
            """,
            row => new TemplateSummary(
                row.GetString(0),
                row.GetString(1),
                row.GetBoolean(2),
                row.GetInt64(3),
                row.IsDBNull(4) ? null : row.GetString(4),
                row.IsDBNull(5) ? null : row.GetString(5),
                row.IsDBNull(6) ? null : row.GetString(6),
                row.GetFieldValue<DateTimeOffset>(7),
                row.GetString(8)
            ),
            ct,
            Sql.Text(cursor),
            Sql.Text(string.IsNullOrWhiteSpace(search) ? null : search),
            new Npgsql.NpgsqlParameter
            {
                Value = (object?)enabled ?? DBNull.Value,
                NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Boolean,
            },
            Sql.Text(kind),
            Sql.Int(size + 1)
        );
        return items.Count > size
            ? new Page<TemplateSummary>(items[..size], items[size - 1].Name)
            : new Page<TemplateSummary>(items, null);
    }

    /// <summary>Whose template of that name the caller means.</summary>
    public async Task<OwnerId> OwnerAsync(Caller caller, TemplateName name, CancellationToken ct)
    {
        foreach (var context in TemplateRequests.Owners(caller, "find template"))
        {
            await using var session = await pools.OpenAsync(context, ct);
            if (await Template.FindAsync(session, name, ct) is { } found)
                return found.Owner;
        }
        throw TemplateRequests.NotFound(name);
    }

    public async Task<TemplateState> StateAsync(Caller caller, TemplateName name, CancellationToken ct)
    {
        foreach (var context in TemplateRequests.Owners(caller, "read template"))
        {
            await using var session = await pools.OpenAsync(context, ct);
            if (await states.FindAsync(session, name, ct) is { } state)
                return state;
        }
        throw TemplateRequests.NotFound(name);
    }

    public async Task<VersionDetail> VersionAsync(
        Caller caller,
        TemplateName name,
        SemVer version,
        CancellationToken ct
    )
    {
        var state = await StateAsync(caller, name, ct);
        var found =
            state.Find(version)
            ?? throw TemplateRequests.NoSuchVersion(name, version.ToString(), state.Versions.Select(v => v.Version));
        return new VersionDetail(found, await state.FilesAsync(pools, found, ct));
    }

    /// <summary>The files of a version that was resolved.</summary>
    public ValueTask<IReadOnlyList<TemplateArtifact>> FilesAsync(
        TemplateState state,
        TemplateVersion version,
        CancellationToken ct
    ) => state.FilesAsync(pools, version, ct);

    public async Task<Difference> DifferenceAsync(
        Caller caller,
        TemplateName name,
        SemVer from,
        SemVer to,
        CancellationToken ct
    )
    {
        var before = await VersionAsync(caller, name, from, ct);
        var after = await VersionAsync(caller, name, to, ct);
        return new Difference(
            before.Version,
            after.Version,
            TemplateFileChange.Between(before.Artifacts, after.Artifacts)
        );
    }

    public async Task<IReadOnlyList<ChannelDetail>> ChannelsAsync(
        Caller caller,
        TemplateName name,
        CancellationToken ct
    )
    {
        var state = await StateAsync(caller, name, ct);
        var details = new List<ChannelDetail>();
        await using var session = await pools.OpenAsync(OwnerContext(caller, state), ct);
        foreach (var channel in state.Channels.Keys.Order(StringComparer.Ordinal))
            details.Add(await MoveChannel.FindAsync(session, name, channel, ct));
        return details;
    }

    public async Task<(ChannelDetail Channel, IReadOnlyList<ChannelMoveRecord> Moves)> ChannelAsync(
        Caller caller,
        TemplateName name,
        string channel,
        CancellationToken ct
    )
    {
        var state = await StateAsync(caller, name, ct);
        await using var session = await pools.OpenAsync(OwnerContext(caller, state), ct);
        var detail = await MoveChannel.FindAsync(session, name, channel, ct);
        if (detail.Channel is null && !detail.IsProtected)
            throw KernelProblems.NotFound.Because($"'{name}' has no channel '{channel}'.").AsException();
        var key = TemplateRequests.Channel(name, channel);
        return (detail, await ChannelStore.MovesAsync(session, key, null, Limits.DefaultPageItems, ct));
    }

    public async Task<List<(Trial Trial, List<OutcomeSum> Sums)>> TrialsAsync(
        Caller caller,
        TemplateName name,
        string channel,
        CancellationToken ct
    )
    {
        var state = await StateAsync(caller, name, ct);
        await using var session = await pools.OpenAsync(OwnerContext(caller, state), ct);
        var trials = new List<(Trial, List<OutcomeSum>)>();
        foreach (var trial in await Trial.ListAsync(session, name, channel, ct))
            trials.Add((trial, await OutcomeSum.ListAsync(session, name, trial.Id, metric: null, ct)));
        return trials;
    }

    private static OperationContext OwnerContext(Caller caller, TemplateState state) =>
        new(caller.Actor, state.Template.Owner, "read template");
}
