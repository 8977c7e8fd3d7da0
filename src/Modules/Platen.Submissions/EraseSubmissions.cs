using System.Text.Json;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Platform.Events;
using Platen.Platform.Postgres;

namespace Platen.Submissions;

/// <summary>
/// Removes what somebody sent, for good. The audit log keeps that it was done and how often, never of whom: the address of the person is
/// what was asked to be forgotten.
/// </summary>
internal sealed class EraseSubmissions(PostgresPools pools)
{
    /// <param name="Person">An e-mail address: every submission with it as an answer goes.</param>
    public sealed record Body(string Person);

    /// <exception cref="ProblemException"><see cref="KernelProblems.NotFound"/>.</exception>
    public async Task OneAsync(Caller caller, Guid id, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(caller.Operation("erase submission"), ct);
        var publicId =
            await session.FirstAsync(
                "delete from submissions.submission where id = $1 returning public_id",
                row => row.GetString(0),
                ct,
                Sql.Uuid(id)
            ) ?? throw KernelProblems.NotFound.Because($"There is no submission {id}.").AsException();
        await TellAsync(session, publicId, 1, ct);
        await session.CommitAsync(ct);
    }

    /// <returns>How many there were.</returns>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Invalid"/>.</exception>
    public async Task<long> OfPersonAsync(Caller caller, Body body, CancellationToken ct)
    {
        var person = body.Person.Trim();
        if (
            person.Length > SubmissionsLimits.EmailLength
            || person.IndexOf('@', StringComparison.Ordinal) <= 0
            || person.Any(char.IsControl)
        )
        {
            throw KernelProblems
                .Invalid.Because("The person is not named by an address.", [new Fault("/person", "An e-mail address.")])
                .AsException();
        }
        await using var session = await pools.OpenAsync(caller.Operation("erase person"), ct);
        var erased = await session.ListAsync(
            """
            with erased as (
                delete from submissions.submission
                where exists (select from jsonb_each_text(fields) answer where lower(btrim(answer.value)) = lower($1))
                returning public_id
            )
            select public_id, count(*) from erased group by public_id order by public_id
            """,
            row => (PublicId: row.GetString(0), Count: row.GetInt64(1)),
            ct,
            Sql.Text(person)
        );
        foreach (var (publicId, count) in erased)
            await TellAsync(session, publicId, count, ct);
        if (erased.Count == 0)
            await AuditLog.RecordAsync(
                session,
                SubmissionEvents.Erased,
                "submissions",
                null,
                null,
                new { count = 0 },
                ct
            );
        await session.CommitAsync(ct);
        return erased.Sum(one => one.Count);
    }

    private static async Task TellAsync(Session session, string publicId, long count, CancellationToken ct)
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
