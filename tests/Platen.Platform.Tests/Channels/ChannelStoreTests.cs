using Platen.Kernel;
using Platen.Platform.Channels;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;
using Platen.Platform.Tests.Releases;
using Platen.Testing;

namespace Platen.Platform.Tests.Channels;

public sealed class ChannelStoreTests(PostgresFixture postgres)
{
    private static readonly ChannelKey Live = new("curated/example", "live");

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_move_is_kept_with_who_when_and_why()
    {
        var owner = TestOwner.New();
        var (a, b) = await TwoReleasesAsync(owner);
        (await MoveAsync(owner, 0, a)).ShouldBe(new ChannelMove.Moved(1));
        (await MoveAsync(owner, 1, b)).ShouldBe(new ChannelMove.Moved(2));

        await using var session = await postgres.OpenAsync(owner, Ct);
        var channel = await ChannelStore.FindAsync(session, Live, Ct);
        (channel!.Release, channel.Revision).ShouldBe((b, 2));
        var moves = await ChannelStore.MovesAsync(session, Live, beforeRevision: null, limit: 10, Ct);
        moves.Select(m => (m.Revision, m.From, m.To)).ShouldBe([(2, (Digest?)a, (Digest?)b), (1, null, a)]);
        moves[0].Actor.ShouldBe(owner.Actor);
        moves[0].Reason.ShouldBe(session.Context.Reason);
    }

    [Fact]
    public async Task A_stale_mover_learns_the_current_revision_and_changes_nothing()
    {
        var owner = TestOwner.New();
        var (a, b) = await TwoReleasesAsync(owner);
        await MoveAsync(owner, 0, a);
        (await MoveAsync(owner, 0, b)).ShouldBe(new ChannelMove.Conflict(1, a));
        await using var session = await postgres.OpenAsync(owner, Ct);
        (await ChannelStore.FindAsync(session, Live, Ct))!.Release.ShouldBe(a);
    }

    [Fact]
    public async Task Moving_to_where_it_points_writes_nothing()
    {
        var owner = TestOwner.New();
        var (a, _) = await TwoReleasesAsync(owner);
        await MoveAsync(owner, 0, a);
        (await MoveAsync(owner, 1, a)).ShouldBe(new ChannelMove.Unchanged(1));
    }

    [Fact]
    public async Task Of_concurrent_movers_exactly_one_wins()
    {
        var owner = TestOwner.New();
        var (a, b) = await TwoReleasesAsync(owner);
        for (var round = 0; round < 10; round++)
        {
            var seen = round;
            var target = round % 2 == 0 ? a : b;
            var outcomes = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => MoveAsync(owner, seen, target)));
            outcomes.OfType<ChannelMove.Moved>().ShouldHaveSingleItem().Revision.ShouldBe(round + 1);
            outcomes.OfType<ChannelMove.Conflict>().Count().ShouldBe(7);
            outcomes.OfType<ChannelMove.Conflict>().ShouldAllBe(c => c.CurrentRevision == seen + 1);
        }
    }

    [Fact]
    public async Task A_release_of_another_subject_or_owner_cannot_be_pointed_at()
    {
        var owner = TestOwner.New();
        var (a, _) = await TwoReleasesAsync(owner);
        var stranger = TestOwner.New();
        (await MoveAsync(stranger, 0, a)).ShouldBe(new ChannelMove.NoSuchRelease(a));
        await using var session = await postgres.OpenAsync(owner, Ct);
        var elsewhere = new ChannelKey("curated/other", "live");
        (await ChannelStore.MoveAsync(session, elsewhere, 0, a, Ct)).ShouldBe(new ChannelMove.NoSuchRelease(a));
    }

    [Fact]
    public async Task Pointing_at_nothing_is_a_move_that_is_kept()
    {
        var owner = TestOwner.New();
        var (a, _) = await TwoReleasesAsync(owner);
        await MoveAsync(owner, 0, a);
        (await MoveAsync(owner, 1, null)).ShouldBe(new ChannelMove.Moved(2));
        await using var session = await postgres.OpenAsync(owner, Ct);
        (await ChannelStore.FindAsync(session, Live, Ct))!.Release.ShouldBeNull();
    }

    [Fact]
    public async Task A_candidate_is_stored_with_its_percentage_beside_the_live_release()
    {
        var owner = TestOwner.New();
        var (a, b) = await TwoReleasesAsync(owner);
        await MoveAsync(owner, 0, a);
        await using (var session = await postgres.OpenAsync(owner, Ct))
        {
            (await ChannelStore.SetCandidateAsync(session, Live, 1, b, 25, Ct)).ShouldBe(new ChannelMove.Moved(2));
            await session.CommitAsync(Ct);
        }
        await using var read = await postgres.OpenAsync(owner, Ct);
        var channel = await ChannelStore.FindAsync(read, Live, Ct);
        (channel!.Release, channel.Candidate, channel.CandidatePercent).ShouldBe((a, b, 25));
        (await ChannelStore.SetCandidateAsync(read, Live, 1, b, 50, Ct)).ShouldBe(new ChannelMove.Conflict(2, a));
    }

    [Fact]
    public async Task Each_move_appends_its_event_in_the_same_transaction()
    {
        var owner = TestOwner.New();
        var (a, b) = await TwoReleasesAsync(owner);
        await MoveAsync(owner, 0, a);
        await using (var session = await postgres.OpenAsync(owner, Ct))
            await ChannelStore.MoveAsync(session, Live, 1, b, Ct); // rolled back
        await using var read = await postgres.OpenAsync(owner, Ct);
        var events = await read.ListAsync(
            "select revision, type, data->>'to' from platform.event where stream_id = $1 order by revision",
            row => (row.GetInt64(0), row.GetString(1), row.GetString(2)),
            Ct,
            Sql.Text(Live.Stream)
        );
        events.ShouldBe([(1, "channel.moved", a.ToString())]);
    }

    private async Task<ChannelMove> MoveAsync(TestOwner owner, long expected, Digest? to)
    {
        await using var session = await postgres.OpenAsync(owner, Ct);
        var outcome = await ChannelStore.MoveAsync(session, Live, expected, to, Ct);
        if (outcome is not ChannelMove.NoSuchRelease)
            await session.CommitAsync(Ct);
        return outcome;
    }

    private async Task<(Digest A, Digest B)> TwoReleasesAsync(TestOwner owner)
    {
        await using var session = await postgres.OpenAsync(owner, Ct);
        var a = Drafts.Of(Live.Subject, ("a.txt", "a"));
        var b = Drafts.Of(Live.Subject, ("a.txt", "b"));
        await ReleaseStore.RecordAsync(session, a, Ct);
        await ReleaseStore.RecordAsync(session, b, Ct);
        await session.CommitAsync(Ct);
        return (a.Digest, b.Digest);
    }
}
