using System.Globalization;
using Platen.Kernel;
using Platen.Platform.Blobs;
using Platen.Platform.Postgres;

namespace Platen.Access.Workspaces;

/// <summary>How much of something a workspace may use, and uses.</summary>
/// <param name="Name">Such as <c>members</c>.</param>
/// <param name="Used">So far.</param>
/// <param name="Allowed">At most; null when it is not limited.</param>
public sealed record Entitlement(string Name, long Used, long? Allowed);

/// <summary>
/// Counts what a workspace uses against what its plan allows, in the transaction of each use. What has no entitlement is counted
/// and not limited.
/// </summary>
public static class Entitlements
{
    /// <summary>Members of the workspace.</summary>
    public const string Members = "members";

    /// <summary>Invitations that nobody has accepted yet.</summary>
    public const string Invitations = "invitations";

    /// <summary>Machine keys that open something: neither revoked nor at their end. Counted from the keys themselves.</summary>
    public const string Keys = "keys";

    /// <summary>Widget instances.</summary>
    public const string Instances = "instances";

    /// <summary>Templates.</summary>
    public const string Templates = "templates";

    /// <summary>Projects.</summary>
    public const string Projects = "projects";

    /// <summary>Themes.</summary>
    public const string Themes = "themes";

    /// <summary>
    /// Bytes in the blob store, as <c>platform.blob</c> records them. Counted as a transaction commits that records some, whichever part
    /// does it: then <see cref="Session.CommitAsync"/> throws <see cref="KernelProblems.LimitReached"/>.
    /// </summary>
    public const string StorageBytes = "storage-bytes";

    /// <summary>Views of pages in a month of UTC; counted by delivery, and never refused.</summary>
    public const string ViewsPerMonth = "views-per-month";

    /// <summary>Submissions kept in a month of UTC; never refused.</summary>
    public const string SubmissionsPerMonth = "submissions-per-month";

    /// <summary>Pages without the line that names Platen: 0 where the plan has the line.</summary>
    public const string Unbranded = "unbranded";

    /// <summary>Uses some, for the session's owner; the counter is locked until the session ends.</summary>
    /// <param name="session">The transaction of the use.</param>
    /// <param name="name">One of the names above, or a module's own: <c>[a-z][a-z0-9-]*</c>.</param>
    /// <param name="amount">How much more, at least 1.</param>
    /// <param name="ct">Cancels.</param>
    /// <exception cref="ProblemException"><see cref="KernelProblems.LimitReached"/> with <c>limit</c>, <c>used</c> and
    /// <c>allowed</c>.</exception>
    public static async Task UseAsync(Session session, string name, long amount, CancellationToken ct)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(amount, 1);
        var (taken, used, allowed) = await CountAsync(session, name, amount, ct);
        if (!taken)
            throw Reached(name, used, allowed!.Value).AsException();
    }

    /// <summary>
    /// Holds room in the storage of the session's owner for what an upload brings, before it comes: counted with what is stored until the
    /// row of the upload is gone.
    /// </summary>
    /// <param name="session">Committed before the bytes come.</param>
    /// <param name="upload">Its row.</param>
    /// <param name="leastBytes">All that it has by then, and what is known to come.</param>
    /// <param name="mostBytes">As much as it may go on without asking again.</param>
    /// <param name="ct">Cancels.</param>
    /// <returns>How many bytes it may have, from <paramref name="leastBytes"/> on.</returns>
    /// <exception cref="ProblemException"><see cref="KernelProblems.LimitReached"/>: there is no room for the least.</exception>
    public static async Task<long> HoldStorageAsync(
        Session session,
        UploadId upload,
        long leastBytes,
        long mostBytes,
        CancellationToken ct
    )
    {
        var (held, used, allowed) = await session.FirstAsync(
            "select held, used, allowed from access.hold_storage($1, $2, $3)",
            row =>
                (
                    row.IsDBNull(0) ? (long?)null : row.GetInt64(0),
                    row.GetInt64(1),
                    row.IsDBNull(2) ? (long?)null : row.GetInt64(2)
                ),
            ct,
            Sql.Uuid(upload.Value),
            Sql.Long(leastBytes),
            Sql.Long(mostBytes)
        );
        return held ?? throw Reached(StorageBytes, used, allowed!.Value).AsException();
    }

    /// <summary>How much of something the session's owner may have; null when that is not limited.</summary>
    /// <param name="name">As in <see cref="UseAsync"/>.</param>
    public static Query<long?> Allowed(string name) =>
        new("select access.allowed($1)", row => row.IsDBNull(0) ? null : row.GetInt64(0), Sql.Text(name));

    /// <summary>Refuses bytes for which the storage of the session's owner has no room now, before they are read.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.LimitReached"/>.</exception>
    public static async Task RequireStorageAsync(Session session, long bytes, CancellationToken ct)
    {
        var (used, allowed) = await session.FirstAsync(
            "select access.used($1), access.allowed($1)",
            row => (row.GetInt64(0), row.IsDBNull(1) ? (long?)null : row.GetInt64(1)),
            ct,
            Sql.Text(StorageBytes)
        );
        if (used + bytes > allowed)
            throw Reached(StorageBytes, used, allowed.Value).AsException();
    }

    /// <summary>Gives back what is not used any more; the count never falls below zero.</summary>
    /// <param name="session">The transaction of the removal.</param>
    /// <param name="name">As in <see cref="UseAsync"/>.</param>
    /// <param name="amount">How much less, at least 1.</param>
    /// <param name="ct">Cancels.</param>
    public static Task GiveBackAsync(Session session, string name, long amount, CancellationToken ct)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(amount, 1);
        return CountAsync(session, name, -amount, ct);
    }

    /// <summary>Everything that is limited or counted for the session's owner, by name.</summary>
    public static Task<List<Entitlement>> ListAsync(Session session, CancellationToken ct) =>
        session.ListAsync(List(), ct);

    /// <summary>Lists what <see cref="ListAsync"/> does.</summary>
    public static Query<Entitlement> List() =>
        new(
            """
            select n.name, access.used(n.name), access.allowed(n.name)
            from (
                select p.name from access.workspace w join access.plan_entitlement p on p.plan = w.plan
                    where w.owner = platform.current_owner()
                union select e.name from access.entitlement e where e.owner = platform.current_owner()
                union select x.name from access.usage x where x.owner = platform.current_owner()
            ) n
            order by n.name
            limit 200
            """,
            row => new Entitlement(row.GetString(0), row.GetInt64(1), row.IsDBNull(2) ? null : row.GetInt64(2))
        );

    internal static Problem Reached(string name, long used, long allowed) =>
        KernelProblems
            .LimitReached.Because(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"The limit '{name}' is {allowed:N0}, and {used:N0} are used."
                )
            )
            .With("limit", name)
            .With("used", used)
            .With("allowed", allowed);

    private static Task<(bool Taken, long Used, long? Allowed)> CountAsync(
        Session session,
        string name,
        long amount,
        CancellationToken ct
    ) =>
        session.FirstAsync(
            "select taken, used, allowed from access.use($1, $2)",
            row => (row.GetBoolean(0), row.GetInt64(1), row.IsDBNull(2) ? (long?)null : row.GetInt64(2)),
            ct,
            Sql.Text(name),
            Sql.Long(amount)
        );
}
