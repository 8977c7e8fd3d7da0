using Npgsql;
using NpgsqlTypes;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.People;

/// <summary>The people of the platform, as its operators see and disable them.</summary>
internal sealed class ReadPeople(PostgresPools pools)
{
    private const string Columns = """
        select id, display_name, email, email_confirmed_at is not null, created_at, disabled_at from access.person
        """;

    public async Task<List<PersonView>> PageAsync(Guid? after, int limit, string? email, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(Person.ByServer("list people"), ct);
        return await session.ListAsync(
            Columns
                + " where deleted_at is null and ($1 is null or id > $1) and ($2 is null or normalized_email = $2) order by id limit $3",
            Read,
            ct,
            new NpgsqlParameter { Value = after is { } id ? id : DBNull.Value, NpgsqlDbType = NpgsqlDbType.Uuid },
            Sql.Text(email is null ? null : EmailAddress.Normalize(email)),
            Sql.Int(limit)
        );
    }

    public async Task<PersonView?> OneAsync(PersonId id, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(Person.ByServer("read person"), ct);
        return await FindAsync(session, id, ct);
    }

    public async Task<PersonView?> ChangeAsync(Actor by, PersonId id, bool enabled, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(Person.ByServer("change person"), ct);
        session.ActFor(by);
        var person = await FindAsync(session, id, ct);
        if (person is null || person.DisabledAt is null == enabled)
            return person;
        var before = await Person.FindAsync(session, id, ct);
        if (enabled)
            await DisablePerson.EnableAsync(session, id, ct);
        else
            await DisablePerson.DisableAsync(session, id, ct);
        // Deleted meanwhile, they stay as they are.
        if (await FindAsync(session, id, ct) is not { } changed)
            return null;
        var what = enabled ? "person.enabled" : "person.disabled";
        await PersonAudit.RecordChangeAsync(session, what, id, before, by, ct);
        await session.CommitAsync(ct);
        return changed;
    }

    private static Task<PersonView?> FindAsync(Session session, PersonId id, CancellationToken ct) =>
        session.FirstAsync<PersonView?>(
            Columns + " where id = $1 and deleted_at is null",
            Read,
            ct,
            Sql.Uuid(id.Value)
        );

    private static PersonView Read(NpgsqlDataReader row) =>
        new(
            row.GetGuid(0),
            row.GetString(1),
            row.GetString(2),
            row.GetBoolean(3),
            row.GetFieldValue<DateTimeOffset>(4),
            Person.TimeOrNull(row, 5)
        );
}
