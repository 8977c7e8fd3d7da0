using System.Globalization;
using Platen.Access;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Platform.Postgres;
using Platen.Platform.Usage;

namespace Platen.Submissions;

/// <summary>How an instance was used over some days.</summary>
/// <param name="PublicId">The instance.</param>
/// <param name="From">The first day, in UTC.</param>
/// <param name="To">The last day.</param>
/// <param name="Views">All of them.</param>
/// <param name="Submissions">All of them.</param>
/// <param name="Days">The days on which there was anything.</param>
internal sealed record InstanceUsageView(
    string PublicId,
    DateOnly From,
    DateOnly To,
    long Views,
    long Submissions,
    IReadOnlyList<UsageDay> Days
);

/// <summary>How the instances of a workspace were used in a month, and what its plan allows.</summary>
/// <param name="Month">Such as <c>2026-11</c>, in UTC.</param>
/// <param name="Views">All of them.</param>
/// <param name="ViewsAllowed">In a month; null: as many as there are.</param>
/// <param name="Submissions">All of them.</param>
/// <param name="SubmissionsAllowed">In a month; null: as many as there are.</param>
/// <param name="Branding">Whether pages that are published now carry the line that names Platen, and why.</param>
/// <param name="Days">The days on which there was anything.</param>
/// <param name="Instances">Those that were seen most.</param>
internal sealed record WorkspaceUsageView(
    string Month,
    long Views,
    long? ViewsAllowed,
    long Submissions,
    long? SubmissionsAllowed,
    Branding Branding,
    IReadOnlyList<UsageDay> Days,
    IReadOnlyList<UsageOfInstance> Instances
);

/// <summary>Reads what was counted. It is up to some seconds behind.</summary>
internal sealed class ReadUsage(PostgresPools pools, TimeProvider time)
{
    private const int DefaultDays = 30;
    private const int MostUsed = 100;

    // Nothing was counted outside these; within them, no reckoning with days leaves the calendar.
    private static readonly DateOnly Earliest = new(2000, 1, 1);
    private static readonly DateOnly Latest = new(2999, 12, 1);

    /// <exception cref="ProblemException"><see cref="KernelProblems.Malformed"/>.</exception>
    public async Task<InstanceUsageView> OfInstanceAsync(
        Caller caller,
        PublicId id,
        string? from,
        string? to,
        CancellationToken ct
    )
    {
        var last = Day(to, "to") ?? Today;
        var first = Day(from, "from") ?? last.AddDays(1 - DefaultDays);
        if (first > last || last.DayNumber - first.DayNumber >= UsageLog.KeptForDays)
        {
            throw KernelProblems
                .Malformed.Because($"'from' is before 'to', by less than {UsageLog.KeptForDays} days.")
                .AsException();
        }
        await using var session = await pools.OpenAsync(caller.Operation("read usage"), ct);
        var days = await UsageLog.DaysAsync(session, id.ToString(), first, last, ct);
        return new InstanceUsageView(
            id.ToString(),
            first,
            last,
            days.Sum(day => day.Views),
            days.Sum(day => day.Submissions),
            days
        );
    }

    /// <exception cref="ProblemException"><see cref="KernelProblems.Malformed"/>.</exception>
    public async Task<WorkspaceUsageView> OfWorkspaceAsync(Caller caller, string? month, CancellationToken ct)
    {
        var first = Month(month);
        var last = first.AddMonths(1).AddDays(-1);
        await using var session = await pools.OpenAsync(caller.Operation("read usage"), ct);
        var days = await UsageLog.DaysAsync(session, null, first, last, ct);
        var entitlements = await Entitlements.ListAsync(session, ct);
        return new WorkspaceUsageView(
            first.ToString("yyyy-MM", CultureInfo.InvariantCulture),
            days.Sum(day => day.Views),
            Allowed(Entitlements.ViewsPerMonth),
            days.Sum(day => day.Submissions),
            Allowed(Entitlements.SubmissionsPerMonth),
            Branding.Of(entitlements),
            days,
            await UsageLog.MostUsedAsync(session, first, last, MostUsed, ct)
        );

        long? Allowed(string name) => entitlements.FirstOrDefault(one => one.Name == name)?.Allowed;
    }

    private DateOnly Today => DateOnly.FromDateTime(time.GetUtcNow().UtcDateTime);

    private DateOnly Month(string? text)
    {
        if (string.IsNullOrEmpty(text))
            return Today.AddDays(1 - Today.Day);
        return
            DateOnly.TryParseExact(text, "yyyy-MM", CultureInfo.InvariantCulture, DateTimeStyles.None, out var month)
            && IsCounted(month)
            ? month
            : throw KernelProblems.Malformed.Because("'month' is not a month such as 2026-11.").AsException();
    }

    private static DateOnly? Day(string? text, string name) =>
        string.IsNullOrEmpty(text) ? null
        : DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day)
        && IsCounted(day)
            ? day
        : throw KernelProblems.Malformed.Because($"'{name}' is not a day such as 2026-11-21.").AsException();

    private static bool IsCounted(DateOnly day) => day >= Earliest && day <= Latest;
}
