using FsCheck;
using FsCheck.Fluent;
using Platen.Kernel.Templates;

namespace Platen.Kernel.Tests.Templates;

public sealed class TrialSideTests
{
    private const string Salt =
        "templates/section7:default@sha256:0000000000000000000000000000000000000000000000000000000000000000";

    // The vectors of docs/reference/templates.md: other clients are held against the same.
    [Theory]
    [InlineData("", 8258)]
    [InlineData("user-1", 3138)]
    [InlineData("user-2", 630)]
    [InlineData("ключ", 6844)]
    public void Known_keys_have_known_buckets(string key, int bucket) => TrialSide.BucketOf(Salt, key).ShouldBe(bucket);

    [Fact]
    public void A_growing_percentage_only_adds() =>
        Prop.ForAll<NonNull<string>, byte, byte>(
                (key, a, b) =>
                    !TrialSide.IsCandidate(Salt, key.Get, Math.Min(a, b) % 101)
                    || TrialSide.IsCandidate(Salt, key.Get, Math.Max(Math.Min(a, b) % 101, Math.Max(a, b) % 101))
            )
            .QuickCheckThrowOnFailure();

    [Fact]
    public void A_tenth_of_many_keys_is_about_a_tenth()
    {
        var candidates = Enumerable.Range(0, 20_000).Count(i => TrialSide.IsCandidate(Salt, $"user-{i}", 10));
        candidates.ShouldBeInRange(1_800, 2_200);
        Enumerable.Range(0, 1_000).ShouldAllBe(i => TrialSide.IsCandidate(Salt, $"user-{i}", 100));
        Enumerable.Range(0, 1_000).ShouldAllBe(i => !TrialSide.IsCandidate(Salt, $"user-{i}", 0));
    }
}
