using Platen.Access;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Submissions;

/// <summary>
/// Removes what somebody sent, for good. The audit log keeps that it was done and how often, never of whom: the address of the person is
/// what was asked to be forgotten.
/// </summary>
internal sealed class EraseSubmissions(PostgresPools pools)
{
    private static readonly TimeSpan KeptAfterwards = TimeSpan.FromDays(90);

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
        await ErasureStep.TellAsync(session, publicId, 1, ct);
        await session.CommitAsync(ct);
    }

    /// <summary>
    /// Takes the first step; where that is not all, a job takes the others. What was asked before and is not done goes on instead, also
    /// when its job had been given up.
    /// </summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Invalid"/>.</exception>
    public async Task<Erasure> OfPersonAsync(Caller caller, Body body, CancellationToken ct)
    {
        var person = body.Person.Trim();
        if (
            person.Length > SubmissionsLimits.EmailLength
            || person.IndexOf('@', StringComparison.Ordinal) <= 0
            || person.EndsWith('@')
            || person.Any(char.IsControl)
        )
        {
            throw KernelProblems
                .Invalid.Because("The person is not named by an address.", [new Fault("/person", "An e-mail address.")])
                .AsException();
        }
        await using var session = await pools.OpenAsync(caller.Operation("erase person"), ct);
        if (await TakeOverAsync(session, person, ct) is { } begun)
        {
            await TellAsync(session, goesOn: true, ct);
            await session.CommitAsync(ct);
            return begun;
        }
        var step = await ErasureStep.TakeAsync(session, person, Guid.Empty, ct);
        var erasure = step.IsLast
            ? new Erasure(null, step.LookedAt, step.Erased, IsDone: true)
            : await BeginAsync(session, person, step, ct);
        if (step.Erased == 0)
            await TellAsync(session, goesOn: !step.IsLast, ct);
        await session.CommitAsync(ct);
        return erasure;
    }

    /// <summary>How far erasing is that takes several steps.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.NotFound"/>: there is none, or it ended 90 days ago.</exception>
    public async Task<Erasure> FindAsync(Caller caller, Guid id, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(caller.Operation("read erasure"), ct);
        return await session.FirstAsync(
                """
                select e.id, e.looked_at, e.erased, e.finished_at is not null, e.job, j.state
                from submissions.erasure e
                left join platform.job j on j.owner = e.owner and j.id = e.job
                where e.owner = platform.current_owner() and e.id = $1
                """,
                row =>
                {
                    var isDone = row.GetBoolean(3);
                    // A job that succeeded has seen the last step done, so one that is over while the row is not was given up.
                    var isOver = row.IsDBNull(5) || row.GetString(5) is not ("queued" or "running");
                    return new Erasure(row.GetGuid(0), row.GetInt64(1), row.GetInt64(2), isDone)
                    {
                        HasFailed = !isDone && isOver,
                        Job = isDone || row.IsDBNull(5) ? null : row.GetGuid(4),
                    };
                },
                ct,
                Sql.Uuid(id)
            ) ?? throw KernelProblems.NotFound.Because($"There is no erasure {id}.").AsException();
    }

    // One at a time for a person: of two who ask at once, the second finds what the first began.
    private static async Task<Erasure?> TakeOverAsync(Session session, string person, CancellationToken ct)
    {
        await session.ExecuteAsync(
            "select pg_advisory_xact_lock(hashtextextended('submissions.erasure/' || platform.current_owner() || '/' || lower($1), 0))",
            ct,
            Sql.Text(person)
        );
        var begun = await session.FirstAsync(
            """
            select id, looked_at, erased from submissions.erasure
            where owner = platform.current_owner() and lower(person) = lower($1)
            order by id limit 1 for update
            """,
            row => new Erasure(row.GetGuid(0), row.GetInt64(1), row.GetInt64(2), IsDone: false),
            ct,
            Sql.Text(person)
        );
        if (begun is not { Id: { } id })
            return null;
        // The same job while it lives, else a new one.
        var job = await EraseInSteps.EnqueueAsync(session, id, ct);
        await session.ExecuteAsync(
            "update submissions.erasure set job = $2 where owner = platform.current_owner() and id = $1",
            ct,
            Sql.Uuid(id),
            Sql.Uuid(job.Id.Value)
        );
        return begun;
    }

    private static Task TellAsync(Session session, bool goesOn, CancellationToken ct) =>
        AuditLog.RecordAsync(
            session,
            SubmissionEvents.Erased,
            "submissions",
            before: null,
            after: null,
            new { count = 0, goesOn },
            ct
        );

    private static async Task<Erasure> BeginAsync(
        Session session,
        string person,
        ErasureStep step,
        CancellationToken ct
    )
    {
        await session.ExecuteAsync(
            "delete from submissions.erasure where owner = platform.current_owner() and finished_at < clock_timestamp() - $1",
            ct,
            new Npgsql.NpgsqlParameter<TimeSpan> { TypedValue = KeptAfterwards }
        );
        var id = Guid.CreateVersion7();
        var job = await EraseInSteps.EnqueueAsync(session, id, ct);
        await session.ExecuteAsync(
            """
            insert into submissions.erasure (owner, id, person, looked_to, looked_at, erased, asked_by, asked_by_name, job)
            values (platform.current_owner(), $1, $2, $3, $4, $5, platform.current_actor(), $6, $7)
            """,
            ct,
            Sql.Uuid(id),
            Sql.Text(person),
            Sql.Uuid(step.LookedTo),
            Sql.Long(step.LookedAt),
            Sql.Long(step.Erased),
            Sql.Text(session.Context.Actor.Name),
            Sql.Uuid(job.Id.Value)
        );
        return new Erasure(id, step.LookedAt, step.Erased, IsDone: false);
    }
}

/// <summary>Erasing what a person sent, as far as it is.</summary>
/// <param name="Id">Names it while it goes on; null when one step was enough.</param>
/// <param name="LookedAt">Submissions looked at so far.</param>
/// <param name="Erased">Submissions that are gone.</param>
/// <param name="IsDone">Whether that is all.</param>
internal sealed record Erasure(Guid? Id, long LookedAt, long Erased, bool IsDone)
{
    /// <summary>Whether its job was given up, so that nothing goes on by itself.</summary>
    public bool HasFailed { get; init; }

    /// <summary>The job that takes the steps; null when it is not known any more, and when all is done.</summary>
    public Guid? Job { get; init; }
}
