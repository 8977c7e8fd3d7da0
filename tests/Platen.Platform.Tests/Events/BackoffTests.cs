using Platen.Platform.Events;

namespace Platen.Platform.Tests.Events;

public sealed class BackoffTests
{
    private static readonly TimeSpan First = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Most = TimeSpan.FromMinutes(10);

    [Fact]
    public void Waits_double_up_to_the_longest()
    {
        for (var failures = 1; failures < 100; failures++)
        {
            var whole = Math.Min(Most.TotalSeconds, First.TotalSeconds * Math.Pow(2, Math.Min(failures - 1, 20)));
            for (var again = 0; again < 50; again++)
                Backoff.After(failures, First, Most).TotalSeconds.ShouldBeInRange(whole / 2, whole);
        }
        Backoff.After(int.MaxValue, First, Most).ShouldBeLessThanOrEqualTo(Most);
    }

    [Fact]
    public void Waits_vary_over_the_whole_of_their_range()
    {
        var waits = Enumerable.Range(0, 1000).Select(_ => Backoff.After(4, First, Most).TotalSeconds).ToList();
        waits.Distinct().Count().ShouldBeGreaterThan(900);
        waits.Min().ShouldBeLessThan(9);
        waits.Max().ShouldBeGreaterThan(15);
    }

    [Fact]
    public void What_went_well_is_followed_by_a_short_wait_again()
    {
        var backoff = new Backoff(TimeSpan.FromSeconds(5));
        var waits = Enumerable.Range(0, 12).Select(_ => backoff.Next()).ToList();
        waits[0].ShouldBeLessThanOrEqualTo(TimeSpan.FromMilliseconds(50));
        waits[^1].ShouldBeInRange(TimeSpan.FromSeconds(2.5), TimeSpan.FromSeconds(5));
        backoff.Reset();
        backoff.Next().ShouldBeLessThanOrEqualTo(TimeSpan.FromMilliseconds(50));
    }
}
