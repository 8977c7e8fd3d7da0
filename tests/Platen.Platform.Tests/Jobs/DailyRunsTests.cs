using FsCheck;
using FsCheck.Fluent;
using Platen.Kernel;
using Platen.Platform.Jobs;

namespace Platen.Platform.Tests.Jobs;

public sealed class DailyRunsTests
{
    [Fact]
    public void Whatever_run_asks_names_the_same_next_one() =>
        Prop.ForAll<Guid, DateTime, PositiveInt>(
                (owner, at, late) =>
                {
                    var now = new DateTimeOffset(DateTime.SpecifyKind(at, DateTimeKind.Unspecified), TimeSpan.Zero);
                    if (now.Year is < 2 or > 9000)
                        return true;
                    var today = DateOnly.FromDateTime(now.UtcDateTime);
                    var (day, due) = DailyRuns.NextOf(new OwnerId(owner), today.AddDays(-1), now);
                    return due > now
                        && due <= now.AddDays(1)
                        && DateOnly.FromDateTime(due.UtcDateTime) == day
                        && DailyRuns.NextOf(new OwnerId(owner), today.AddDays(-(late.Get % 300) - 1), now)
                            == (day, due);
                }
            )
            .QuickCheckThrowOnFailure();

    [Fact]
    public void A_run_never_takes_itself_for_the_next_one() =>
        Prop.ForAll<Guid, DateTime, PositiveInt>(
                (owner, at, early) =>
                {
                    var now = new DateTimeOffset(DateTime.SpecifyKind(at, DateTimeKind.Unspecified), TimeSpan.Zero);
                    if (now.Year is < 2 or > 9000)
                        return true;
                    // A run that was made to come before its day, or whose node's clock is slow.
                    var own = DateOnly.FromDateTime(now.UtcDateTime).AddDays(early.Get % 3);
                    var (day, due) = DailyRuns.NextOf(new OwnerId(owner), own, now);
                    return day > own && due > now;
                }
            )
            .QuickCheckThrowOnFailure();
}
