using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.People;

/// <summary>
/// What happened to people, in the platform's audit log. The server itself acts on these rows; the entry says for whom. Where it is nobody,
/// a link or a credential was presented by somebody who was not signed in, and the server is the actor.
/// </summary>
internal static class PersonAudit
{
    public static Task RecordAsync(
        Session session,
        string action,
        PersonId person,
        Actor? by,
        CancellationToken ct,
        object? more = null
    )
    {
        if (by is not null && session.Context.Actor.Id == ActorId.System)
            session.ActFor(by);
        return AuditLog.RecordAsync(session, action, "person/" + person, before: null, after: null, new { more }, ct);
    }
}
