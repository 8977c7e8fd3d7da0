using System.Text.Json;
using Npgsql;
using NpgsqlTypes;

namespace Platen.Cli.Legacy;

/// <summary>A row of the old <c>widget_instances</c>.</summary>
internal sealed record LegacyInstance(
    string RowId,
    string? PublicId,
    string? Type,
    string? Workspace,
    string? Status,
    string? Config,
    DateTime UpdatedAt
);

/// <summary>A row of the old <c>widget_instance_locales</c>.</summary>
internal sealed record LegacyOverlay(string PublicId, string Locale, string? Ops, string? BaseFingerprint);

/// <summary>How far one row is, as it stands in the ledger.</summary>
/// <param name="PublicId">Its id here.</param>
/// <param name="Digest">Of the config that was last written for it; null for none.</param>
/// <param name="Status">The status that was written with it.</param>
/// <param name="State"><c>planned</c>, <c>refused</c> or <c>written</c>.</param>
internal sealed record LedgerLine(string? PublicId, string? Digest, string? Status, string State);

/// <summary>An overlay that was written.</summary>
/// <param name="Source">Digest of what it was made from; null when the last attempt was refused.</param>
/// <param name="Tag">Its version when it was written: whoever changed it since left another.</param>
internal sealed record LedgerOverlay(string? Source, string? Tag);

/// <summary>
/// A PostgreSQL database in the old shape: <c>widgets (id, type)</c>, <c>widget_instances (id, widget_id, workspace_id, public_id, status,
/// config, updated_at)</c>, <c>widget_instance_locales (public_id, locale, ops, base_fingerprint)</c>, <c>workspaces (id, name)</c>. Its tables
/// are only read, but for the constraint at the end. How far a migration is, is kept beside them, in a schema of its own:
/// <code>
/// platen_migration.phase      number, finished_at, report
/// platen_migration.instance   row_id, old_id, public_id, workspace, digest, status, state (planned | refused | written), notes,
///                             written_digest, written_status
/// platen_migration.overlay    old_id, locale, public_id, digest, tag, state (written | refused), notes
/// platen_migration.workspace  old_id, workspace
/// </code>
/// </summary>
internal sealed class LegacyDatabase : IAsyncDisposable
{
    private const string Constraint = "platen_curated_ids_moved_away";
    private readonly NpgsqlDataSource source;
    private readonly bool hasWorkspaces;

    private LegacyDatabase(NpgsqlDataSource source, bool hasWorkspaces) =>
        (this.source, this.hasWorkspaces) = (source, hasWorkspaces);

    /// <summary>Connects, and checks the shape.</summary>
    /// <exception cref="CliException">It cannot be reached, or has another shape.</exception>
    public static async Task<LegacyDatabase> OpenAsync(string connectionString, CancellationToken ct)
    {
        NpgsqlDataSource opened;
        try
        {
            opened = NpgsqlDataSource.Create(
                new NpgsqlConnectionStringBuilder(connectionString) { ApplicationName = "platen migrate-legacy" }
            );
        }
        catch (ArgumentException e)
        {
            throw Unusable($"This is not a connection string: {e.Message}");
        }
        try
        {
            var columns = new HashSet<string>(StringComparer.Ordinal);
            await using var command = opened.CreateCommand(
                "select table_name || '.' || column_name from information_schema.columns where table_schema = 'public'"
            );
            await using var reader = await command.ExecuteReaderAsync(ct);
            while (await reader.ReadAsync(ct))
                columns.Add(reader.GetString(0));
            string[] needed =
            [
                "widgets.id",
                "widgets.type",
                "widget_instances.id",
                "widget_instances.widget_id",
                "widget_instances.workspace_id",
                "widget_instances.public_id",
                "widget_instances.status",
                "widget_instances.config",
                "widget_instances.updated_at",
                "widget_instance_locales.public_id",
                "widget_instance_locales.locale",
                "widget_instance_locales.ops",
                "widget_instance_locales.base_fingerprint",
            ];
            var missing = needed.Where(n => !columns.Contains(n)).ToList();
            if (missing.Count == 0)
                return new LegacyDatabase(opened, columns.Contains("workspaces.name"));
            await opened.DisposeAsync();
            throw Unusable($"The database lacks {string.Join(", ", missing)}.");
        }
        catch (NpgsqlException e)
        {
            await opened.DisposeAsync();
            throw Unusable($"The database cannot be read: {e.Message}");
        }
    }

    private static CliException Unusable(string what) =>
        new(ExitCode.Usage, "unusable-database", what, "docs/operating/legacy-migration.md says which shape is read.");

    /// <summary>Every instance, in the order of the rows' ids.</summary>
    public async Task<List<LegacyInstance>> ReadInstancesAsync(CancellationToken ct)
    {
        var rows = new List<LegacyInstance>();
        await using var command = source.CreateCommand(
            """
            select i.id::text, i.public_id, w.type, i.workspace_id::text, i.status, i.config::text,
                   coalesce(i.updated_at, 'epoch')::timestamp
            from widget_instances i left join widgets w on w.id = i.widget_id
            order by i.id
            """
        );
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            rows.Add(
                new LegacyInstance(
                    reader.GetString(0),
                    Text(reader, 1),
                    Text(reader, 2),
                    Text(reader, 3),
                    Text(reader, 4),
                    Text(reader, 5),
                    reader.GetDateTime(6)
                )
            );
        }
        return rows;
    }

    public async Task<List<LegacyOverlay>> ReadOverlaysAsync(CancellationToken ct)
    {
        var rows = new List<LegacyOverlay>();
        await using var command = source.CreateCommand(
            """
            select public_id, locale, ops::text, base_fingerprint from widget_instance_locales
            where public_id is not null and locale is not null order by public_id, locale
            """
        );
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
            rows.Add(new LegacyOverlay(reader.GetString(0), reader.GetString(1), Text(reader, 2), Text(reader, 3)));
        return rows;
    }

    /// <summary>The old workspaces' names by their ids; empty when the database has none.</summary>
    public async Task<Dictionary<string, string>> ReadWorkspacesAsync(CancellationToken ct)
    {
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        if (!hasWorkspaces)
            return names;
        await using var command = source.CreateCommand("select id::text, name from workspaces where name is not null");
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
            names[reader.GetString(0)] = reader.GetString(1);
        return names;
    }

    /// <summary>Makes the ledger, once.</summary>
    public Task CreateLedgerAsync(CancellationToken ct) =>
        ExecuteAsync(
            """
            create schema if not exists platen_migration;
            create table if not exists platen_migration.phase (
                number integer primary key, finished_at timestamptz not null default now(), report jsonb not null
            );
            create table if not exists platen_migration.instance (
                row_id text primary key, old_id text, public_id text, workspace text, digest text, status text,
                state text not null check (state in ('planned', 'refused', 'written')), notes text[] not null default '{}',
                written_digest text, written_status text
            );
            create table if not exists platen_migration.overlay (
                old_id text not null, locale text not null, public_id text, digest text, tag text,
                state text not null check (state in ('refused', 'written')), notes text[] not null default '{}',
                primary key (old_id, locale)
            );
            create table if not exists platen_migration.workspace (old_id text primary key, workspace text not null);
            """,
            ct
        );

    public async Task<bool> HasLedgerAsync(CancellationToken ct)
    {
        await using var command = source.CreateCommand("select to_regclass('platen_migration.phase') is not null");
        return (bool)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>The last phase that was finished; -1 for none.</summary>
    public async Task<int> LastPhaseAsync(CancellationToken ct)
    {
        await using var command = source.CreateCommand("select coalesce(max(number), -1) from platen_migration.phase");
        return (int)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>A phase that begins again is not finished, and neither are those after it.</summary>
    public Task ReopenAsync(int number, CancellationToken ct) =>
        ExecuteAsync("delete from platen_migration.phase where number >= $1", ct, number);

    public Task FinishPhaseAsync(int number, string report, CancellationToken ct) =>
        ExecuteAsync(
            """
            insert into platen_migration.phase (number, report) values ($1, $2)
            on conflict (number) do update set finished_at = now(), report = excluded.report
            """,
            ct,
            number,
            new NpgsqlParameter { Value = report, NpgsqlDbType = NpgsqlDbType.Jsonb }
        );

    /// <summary>Notes what becomes of a row; one that was written stays so until its content is another.</summary>
    public Task PlanAsync(IReadOnlyCollection<PlannedInstance> plan, CancellationToken ct) =>
        ExecuteAsync(
            """
            insert into platen_migration.instance as i (row_id, old_id, public_id, workspace, digest, status, state, notes)
            select p->>'rowId', p->>'oldId', p->>'publicId', p->>'workspace', p->>'digest', p->>'status', p->>'state',
                   array(select jsonb_array_elements_text(p->'notes'))
            from jsonb_array_elements($1) as p
            on conflict (row_id) do update
            set old_id = excluded.old_id, public_id = excluded.public_id, workspace = excluded.workspace, notes = excluded.notes,
                digest = excluded.digest, status = excluded.status,
                state = case when excluded.state = 'planned' and i.public_id = excluded.public_id
                    and i.written_digest = excluded.digest and i.written_status = excluded.status then 'written' else excluded.state end,
                written_digest = case when i.public_id = excluded.public_id then i.written_digest end,
                written_status = case when i.public_id = excluded.public_id then i.written_status end
            """,
            ct,
            new NpgsqlParameter
            {
                Value = JsonSerializer.Serialize(plan.Select(p => p.ForLedger()), JsonSerializerOptions.Web),
                NpgsqlDbType = NpgsqlDbType.Jsonb,
            }
        );

    public async Task<Dictionary<string, LedgerLine>> LedgerAsync(CancellationToken ct)
    {
        var lines = new Dictionary<string, LedgerLine>(StringComparer.Ordinal);
        await using var command = source.CreateCommand(
            "select row_id, public_id, written_digest, written_status, state from platen_migration.instance"
        );
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            lines[reader.GetString(0)] = new LedgerLine(
                Text(reader, 1),
                Text(reader, 2),
                Text(reader, 3),
                reader.GetString(4)
            );
        }
        return lines;
    }

    /// <summary>The server has what was planned, which may be newer than what the first phase noted.</summary>
    public Task MarkWrittenAsync(PlannedInstance planned, CancellationToken ct) =>
        ExecuteAsync(
            """
            insert into platen_migration.instance as i (
                row_id, old_id, public_id, workspace, digest, status, state, written_digest, written_status
            ) values ($1, $2, $3, $4, $5, $6, 'written', $5, $6)
            on conflict (row_id) do update
            set state = 'written', public_id = excluded.public_id, digest = excluded.digest, status = excluded.status,
                written_digest = excluded.digest, written_status = excluded.status
            """,
            ct,
            planned.Row.RowId,
            Nullable(planned.Row.PublicId),
            planned.Id!.ToString(),
            Nullable(planned.Row.Workspace),
            planned.Digest!.Value.ToString(),
            planned.Status
        );

    /// <summary>The server did not take the row, or has something else in its place.</summary>
    public Task MarkRefusedAsync(string rowId, string why, CancellationToken ct) =>
        ExecuteAsync(
            """
            update platen_migration.instance
            set state = 'refused', notes = case when $2 = any (notes) then notes else notes || $2 end
            where row_id = $1
            """,
            ct,
            rowId,
            why
        );

    /// <summary>The overlays that were written, by old id and locale.</summary>
    public async Task<Dictionary<(string, string), LedgerOverlay>> WrittenOverlaysAsync(CancellationToken ct)
    {
        var lines = new Dictionary<(string, string), LedgerOverlay>();
        await using var command = source.CreateCommand(
            "select old_id, locale, digest, tag from platen_migration.overlay where tag is not null"
        );
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
            lines[(reader.GetString(0), reader.GetString(1))] = new LedgerOverlay(Text(reader, 2), Text(reader, 3));
        return lines;
    }

    /// <param name="tag">Its version on the server when it is written there; null when it was refused, and the last one stays noted.</param>
    public Task MarkOverlayAsync(
        LegacyOverlay overlay,
        string? publicId,
        string digest,
        string? tag,
        IReadOnlyCollection<string> notes,
        CancellationToken ct
    ) =>
        ExecuteAsync(
            """
            insert into platen_migration.overlay as o (old_id, locale, public_id, state, digest, tag, notes)
            select $1, $2, $3, case when $5::text is null then 'refused' else 'written' end, case when $5::text is not null then $4 end, $5, $6
            on conflict (old_id, locale) do update
            set public_id = excluded.public_id, state = excluded.state, digest = excluded.digest,
                tag = coalesce(excluded.tag, o.tag), notes = excluded.notes
            """,
            ct,
            overlay.PublicId,
            overlay.Locale,
            Nullable(publicId),
            digest,
            Nullable(tag),
            notes.ToArray()
        );

    public async Task<Dictionary<string, string>> LedgerWorkspacesAsync(CancellationToken ct)
    {
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        await using var command = source.CreateCommand("select old_id, workspace from platen_migration.workspace");
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
            found[reader.GetString(0)] = reader.GetString(1);
        return found;
    }

    public Task AddWorkspaceAsync(string oldId, string workspace, CancellationToken ct) =>
        ExecuteAsync(
            """
            insert into platen_migration.workspace (old_id, workspace) values ($1, $2)
            on conflict (old_id) do update set workspace = excluded.workspace
            """,
            ct,
            oldId,
            workspace
        );

    /// <summary>
    /// From now on the old table takes no new curated row, and no change of one. The rows that are there stay as they are: the constraint is
    /// not held against them.
    /// </summary>
    public Task ForbidCuratedAsync(CancellationToken ct) =>
        ExecuteAsync(
            $"""
            do $$
            begin
                if not exists (select from pg_constraint where conname = '{Constraint}') then
                    alter table widget_instances add constraint {Constraint}
                        check (lower(public_id) !~ '^\s*wgt_(main|curated)_') not valid;
                end if;
            end
            $$
            """,
            ct
        );

    private async Task ExecuteAsync(string sql, CancellationToken ct, params object[] parameters)
    {
        await using var command = source.CreateCommand(sql);
        foreach (var parameter in parameters)
            command.Parameters.Add(parameter as NpgsqlParameter ?? new NpgsqlParameter { Value = parameter });
        await command.ExecuteNonQueryAsync(ct);
    }

    private static NpgsqlParameter Nullable(string? text) =>
        new() { Value = (object?)text ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text };

    private static string? Text(NpgsqlDataReader reader, int column) =>
        reader.IsDBNull(column) ? null : reader.GetString(column);

    public ValueTask DisposeAsync() => source.DisposeAsync();
}
