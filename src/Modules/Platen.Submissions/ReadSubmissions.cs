using System.Globalization;
using Npgsql;
using NpgsqlTypes;
using Platen.Access;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Submissions;

/// <summary>Which submissions of an instance are meant.</summary>
/// <param name="PublicId">The instance.</param>
/// <param name="From">Received then or later; null from the first.</param>
/// <param name="To">Received before; null to the last.</param>
/// <param name="Search">A text that one of the answers holds, in any case; null for all.</param>
internal sealed record SubmissionFilter(PublicId PublicId, DateTimeOffset? From, DateTimeOffset? To, string? Search)
{
    /// <exception cref="ProblemException"><see cref="KernelProblems.Malformed"/>.</exception>
    public static SubmissionFilter Read(PublicId id, string? from, string? to, string? q)
    {
        if (q is { Length: > SubmissionsLimits.SearchLength } || q?.Contains('\0', StringComparison.Ordinal) == true)
            throw KernelProblems.Malformed.Because("'q' is too long or holds U+0000.").AsException();
        return new SubmissionFilter(id, Time(from, "from"), Time(to, "to"), string.IsNullOrEmpty(q) ? null : q);
    }

    private static DateTimeOffset? Time(string? value, string name) =>
        value switch
        {
            null or "" => null,
            _ when DateTimeOffset.TryParseExact(
                    value,
                    ["yyyy-MM-dd", "yyyy-MM-dd'T'HH:mmK", "yyyy-MM-dd'T'HH:mm:ssK", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK"],
                    CultureInfo.InvariantCulture,
                    DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal,
                    out var time
                ) => time,
            _ => throw KernelProblems
                .Malformed.Because($"'{name}' is not a date or an RFC 3339 time such as 2026-01-31T08:00:00Z.")
                .AsException(),
        };
}

/// <summary>Reads what was sent to an instance, newest first in lists and oldest first in files.</summary>
internal sealed class ReadSubmissions(PostgresPools pools)
{
    private const string Where = """
        from submissions.submission
        where public_id = $1 and ($2::timestamptz is null or received_at >= $2) and ($3::timestamptz is null or received_at < $3)
          and ($4::text is null or exists (
              select from jsonb_each_text(fields) answer where strpos(lower(answer.value), lower($4)) > 0))
        """;

    public Task<List<Submission>> NewestAsync(
        Caller caller,
        SubmissionFilter filter,
        SubmissionPlace? after,
        int limit,
        CancellationToken ct
    ) => PageAsync(caller, filter, after, "<", "desc", limit, ct);

    public Task<List<Submission>> OldestAsync(
        Caller caller,
        SubmissionFilter filter,
        SubmissionPlace? after,
        int limit,
        CancellationToken ct
    ) => PageAsync(caller, filter, after, ">", "", limit, ct);

    /// <summary>One of the caller's.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.NotFound"/>.</exception>
    public async Task<Submission> OneAsync(Caller caller, Guid id, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(caller.Operation("read submission"), ct);
        return await session.FirstAsync(
                $"select {Submission.Columns} from submissions.submission where owner = platform.current_owner() and id = $1",
                Submission.Read,
                ct,
                Sql.Uuid(id)
            ) ?? throw KernelProblems.NotFound.Because($"There is no submission {id}.").AsException();
    }

    /// <summary>For how many days what was sent to an instance is kept; null: without end.</summary>
    public async Task<int?> KeptForDaysAsync(Caller caller, PublicId id, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(caller.Operation("read retention"), ct);
        return (await Retention.FindAsync(session, locked: false, ct)).For(id.ToString());
    }

    /// <summary>The names of all answers, in alphabetical order: the columns of a table of them.</summary>
    public async Task<List<string>> ColumnsAsync(Caller caller, SubmissionFilter filter, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(caller.Operation("export submissions"), ct);
        return await session.ListAsync(
            $"select distinct jsonb_object_keys(fields) as key {Where} order by key limit $5",
            row => row.GetString(0),
            ct,
            [.. Parameters(filter), Sql.Int(SubmissionsLimits.ExportColumns)]
        );
    }

    private async Task<List<Submission>> PageAsync(
        Caller caller,
        SubmissionFilter filter,
        SubmissionPlace? after,
        string side,
        string direction,
        int limit,
        CancellationToken ct
    )
    {
        await using var session = await pools.OpenAsync(caller.Operation("read submissions"), ct);
        return await session.ListAsync(
            string.Create(
                CultureInfo.InvariantCulture,
                $"""
                select {Submission.Columns} {Where}
                  and ($5::timestamptz is null or (received_at, id) {side} ($5, $6))
                order by received_at {direction}, id {direction}
                limit $7
                """
            ),
            Submission.Read,
            ct,
            [.. Parameters(filter), Time(after?.At), Sql.Uuid(after?.Id ?? Guid.Empty), Sql.Int(limit)]
        );
    }

    private static NpgsqlParameter[] Parameters(SubmissionFilter filter) =>
        [Sql.Text(filter.PublicId.ToString()), Time(filter.From), Time(filter.To), Sql.Text(filter.Search)];

    private static NpgsqlParameter Time(DateTimeOffset? at) =>
        new() { Value = (object?)at?.UtcDateTime ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.TimestampTz };
}
