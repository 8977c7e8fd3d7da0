using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.People;

/// <summary>
/// What happened to people, in the platform's audit log. The server itself acts on these rows; the entry says for whom. Where it is nobody,
/// a link or a credential was presented by somebody who was not signed in, and the server is the actor.
/// </summary>
/// <remarks>
/// The digests are of what changed: the person, or the session, passkey or provider of theirs. None is of an e-mail address or a password,
/// nor of what a provider calls them: whoever guesses one could prove it by its digest, also after the person is gone (ADR 0516). That an
/// address is another one shows in when it was confirmed.
/// </remarks>
internal static class PersonAudit
{
    /// <param name="session">A session of the platform.</param>
    /// <param name="action">What was done.</param>
    /// <param name="person">To whom.</param>
    /// <param name="by">By whom; null for whom the session acts already, or for nobody.</param>
    /// <param name="ct">Cancels.</param>
    /// <param name="more">What else is worth knowing.</param>
    /// <param name="before">What changed, as it was.</param>
    /// <param name="after">What changed, as it is.</param>
    public static Task RecordAsync(
        Session session,
        string action,
        PersonId person,
        Actor? by,
        CancellationToken ct,
        object? more = null,
        object? before = null,
        object? after = null
    )
    {
        if (by is not null && session.Context.Actor.Id == ActorId.System)
            session.ActFor(by);
        return AuditLog.RecordAsync(
            session,
            action,
            "person/" + person,
            AuditLog.DigestOf(before),
            AuditLog.DigestOf(after),
            new { more },
            ct
        );
    }

    /// <summary>Records what has become of a person, whose rows are read as they are now.</summary>
    /// <param name="session">A session of the platform that sees the person.</param>
    /// <param name="action">What was done.</param>
    /// <param name="person">To whom.</param>
    /// <param name="before">As they were; null for somebody new.</param>
    /// <param name="by">As in <see cref="RecordAsync"/>.</param>
    /// <param name="ct">Cancels.</param>
    public static async Task RecordChangeAsync(
        Session session,
        string action,
        PersonId person,
        Person? before,
        Actor? by,
        CancellationToken ct
    )
    {
        var after = await Person.FindAsync(session, person, ct);
        await RecordAsync(session, action, person, by, ct, before: before?.Content, after: after?.Content);
    }
}
