using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Npgsql;
using Platen.Access;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Widgets;

/// <summary>A version of an instance, as it was saved.</summary>
internal sealed record InstanceVersion(
    long Revision,
    string WidgetType,
    string Status,
    string BaseLocale,
    JsonElement Config,
    Digest ConfigDigest,
    ImmutableArray<string> AllowedOrigins,
    DateTimeOffset SavedAt,
    string SavedBy
)
{
    public const string Columns = """
        revision, widget_type, status, base_locale, config::text, config_digest, allowed_origins, saved_at, saved_by_name
        """;

    public static InstanceVersion Read(NpgsqlDataReader row) =>
        new(
            row.GetInt64(0),
            row.GetString(1),
            row.GetString(2),
            row.GetString(3),
            JsonElement.Parse(row.GetString(4)),
            Digest.Parse(row.GetString(5)),
            [.. row.GetFieldValue<string[]>(6)],
            row.GetFieldValue<DateTimeOffset>(7),
            row.GetString(8)
        );
}

/// <summary>Reads the versions of an instance, compares them, and makes a former one the current content again.</summary>
internal sealed class InstanceHistory(PostgresPools pools, SaveInstance save)
{
    /// <param name="Items">Latest first, without their configs.</param>
    /// <param name="NextBefore">Where the next page begins; null on the last.</param>
    public sealed record Page(IReadOnlyList<Line> Items, long? NextBefore);

    public sealed record Line(
        long Revision,
        string WidgetType,
        string Status,
        Digest ConfigDigest,
        DateTimeOffset SavedAt,
        string SavedBy
    );

    public sealed record Difference(long From, long To, IReadOnlyList<JsonChange> Changes);

    public async Task<Page> PageAsync(Caller caller, PublicId id, long? before, int? limit, CancellationToken ct)
    {
        var size = Math.Clamp(limit ?? Limits.DefaultPageItems, 1, Limits.PageItems);
        await using var session = await pools.OpenAsync(caller.Operation("read history"), ct);
        _ = await Instance.FindAsync(session, id, ct) ?? throw InstanceRequests.NotFound(id);
        var lines = await session.ListAsync(
            """
            select revision, widget_type, status, config_digest, saved_at, saved_by_name
            from widgets.instance_version
            where owner = platform.current_owner() and public_id = $1 and revision < $2
            order by revision desc
            limit $3
            """,
            row => new Line(
                row.GetInt64(0),
                row.GetString(1),
                row.GetString(2),
                Digest.Parse(row.GetString(3)),
                row.GetFieldValue<DateTimeOffset>(4),
                row.GetString(5)
            ),
            ct,
            Sql.Text(id.ToString()),
            Sql.Long(before ?? long.MaxValue),
            Sql.Int(size + 1)
        );
        return lines.Count > size ? new Page(lines[..size], lines[size - 1].Revision) : new Page(lines, null);
    }

    public async Task<InstanceVersion> OneAsync(Caller caller, PublicId id, long revision, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(caller.Operation("read history"), ct);
        return await FindAsync(session, id, revision, ct);
    }

    /// <summary>What differs from one version to another, by default to the current one.</summary>
    public async Task<Difference> CompareAsync(Caller caller, PublicId id, long from, long? to, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(caller.Operation("compare versions"), ct);
        var current = await Instance.FindAsync(session, id, ct) ?? throw InstanceRequests.NotFound(id);
        var one = await FindAsync(session, id, from, ct);
        var other = await FindAsync(session, id, to ?? current.Revision, ct);
        return new Difference(one.Revision, other.Revision, JsonChanges.Between(Document(one), Document(other)));
    }

    /// <summary>Saves a former version's content as a new version; its status and sites come with it.</summary>
    public async Task<InstanceDetail> RestoreAsync(
        Caller caller,
        PublicId id,
        long revision,
        Precondition precondition,
        CancellationToken ct
    )
    {
        var former = await OneAsync(caller, id, revision, ct);
        var body = new SaveInstance.Body(
            former.WidgetType,
            former.Config,
            former.Status,
            former.BaseLocale,
            former.AllowedOrigins
        );
        return (await save.RunAsync(caller, id, body, precondition, ct)).Detail;
    }

    private static async Task<InstanceVersion> FindAsync(
        Session session,
        PublicId id,
        long revision,
        CancellationToken ct
    ) =>
        await session.FirstAsync(
            $"""
            select {InstanceVersion.Columns} from widgets.instance_version
            where owner = platform.current_owner() and public_id = $1 and revision = $2
            """,
            InstanceVersion.Read,
            ct,
            Sql.Text(id.ToString()),
            Sql.Long(revision)
        )
        ?? throw KernelProblems
            .NotFound.Because(string.Create(CultureInfo.InvariantCulture, $"'{id}' has no version {revision}."))
            .AsException();

    private static JsonElement Document(InstanceVersion version) =>
        JsonSerializer.SerializeToElement(
            new
            {
                widgetType = version.WidgetType,
                status = version.Status,
                baseLocale = version.BaseLocale,
                allowedOrigins = version.AllowedOrigins,
                config = version.Config,
            }
        );
}
