using Platen.Platform.Postgres;

namespace Platen.Access.People;

/// <summary>Lets a person sign in no more, and again; everything they are signed in with ends at once.</summary>
internal static class DisablePerson
{
    public static async Task<bool> DisableAsync(Session session, PersonId person, CancellationToken ct)
    {
        var found = await session.ExecuteAsync(
            "update access.person set disabled_at = coalesce(disabled_at, now()) where id = $1 and deleted_at is null",
            ct,
            Sql.Uuid(person.Value)
        );
        await session.ExecuteAsync(
            "update access.person_session set ended_at = now() where person_id = $1 and ended_at is null",
            ct,
            Sql.Uuid(person.Value)
        );
        return found == 1;
    }

    public static async Task<bool> EnableAsync(Session session, PersonId person, CancellationToken ct) =>
        await session.ExecuteAsync(
            "update access.person set disabled_at = null where id = $1 and deleted_at is null",
            ct,
            Sql.Uuid(person.Value)
        ) == 1;
}
