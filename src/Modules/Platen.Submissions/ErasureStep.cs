using System.Text.Json;
using Platen.Access.Audit;
using Platen.Platform.Events;
using Platen.Platform.Postgres;

namespace Platen.Submissions;

/// <summary>What one transaction did of erasing what a person sent.</summary>
/// <param name="LookedTo">The last submission that was looked at, by id; as before when there was none left.</param>
/// <param name="LookedAt">How many were looked at; fewer than a step has is the end.</param>
/// <param name="Erased">How many of them are gone.</param>
internal readonly record struct ErasureStep(Guid LookedTo, long LookedAt, long Erased)
{
    public bool IsLast => LookedAt < SubmissionsLimits.EraseStep;

    /// <summary>
    /// Looks at the owner's next submissions, in the order of the primary key, and removes those with the address as an answer. They
    /// never change their place, so that what is there when the first step begins is looked at once.
    /// </summary>
    /// <param name="session">Whose; the event and the audit entry of what goes are written in it.</param>
    /// <param name="person">An e-mail address, in any case.</param>
    /// <param name="after">Where the former step ended; <see cref="Guid.Empty"/> for the first.</param>
    /// <param name="ct">Cancels.</param>
    public static async Task<ErasureStep> TakeAsync(Session session, string person, Guid after, CancellationToken ct)
    {
        var found = await session.ListAsync(
            """
            with step as materialized (
                select id, fields from submissions.submission
                where owner = platform.current_owner() and id > $2 order by id limit $3
            ), erased as (
                delete from submissions.submission s using step
                where s.owner = platform.current_owner() and s.id = step.id
                    and exists (select from jsonb_each_text(step.fields) answer where lower(btrim(answer.value)) = lower($1))
                returning s.public_id
            )
            select null as public_id, count(*), (select id from step order by id desc limit 1) from step
            union all
            select public_id, count(*), null from erased group by public_id
            order by public_id nulls first
            """,
            row => new
            {
                PublicId = row.IsDBNull(0) ? null : row.GetString(0),
                Count = row.GetInt64(1),
                Last = row.IsDBNull(2) ? after : row.GetGuid(2),
            },
            ct,
            Sql.Text(person),
            Sql.Uuid(after),
            Sql.Int(SubmissionsLimits.EraseStep)
        );
        long erased = 0;
        foreach (var one in found.Where(one => one.PublicId is not null))
        {
            erased += one.Count;
            await TellAsync(session, one.PublicId!, one.Count, ct);
        }
        return new ErasureStep(found[0].Last, found[0].Count, erased);
    }

    /// <summary>Writes down that some of an instance's submissions are gone, and never whose they were.</summary>
    public static async Task TellAsync(Session session, string publicId, long count, CancellationToken ct)
    {
        await EventLog.AppendAsync(
            session,
            SubmissionEvents.Stream(publicId),
            SubmissionEvents.Erased,
            JsonSerializer.SerializeToUtf8Bytes(new { publicId, count }),
            ct
        );
        await AuditLog.RecordAsync(
            session,
            SubmissionEvents.Erased,
            "submissions/" + publicId,
            null,
            null,
            new { count },
            ct
        );
    }
}
