using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.People;

/// <summary>
/// What happened to people, in the platform's audit log. The server itself acts on these rows, so the entry's detail says on whose
/// behalf: nobody's means that a link or a credential was presented by somebody who was not signed in.
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
    ) =>
        AuditLog.RecordAsync(
            session,
            action,
            "person/" + person,
            before: null,
            after: null,
            new
            {
                by = by?.Id.Value,
                byName = by?.Name,
                more,
            },
            ct
        );
}
