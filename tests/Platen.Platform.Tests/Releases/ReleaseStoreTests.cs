using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Platen.Kernel;
using Platen.Kernel.Json;
using Platen.Platform.Blobs;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;
using Platen.Testing;

namespace Platen.Platform.Tests.Releases;

public sealed class ReleaseStoreTests(PostgresFixture postgres)
{
    private const string Subject = "curated/example";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("""{"artifactType":"a/b","layers":"none"}""")]
    [InlineData("""{"artifactType":"a/b","layers":[],"annotations":["x"]}""")]
    [InlineData("""{"artifactType":"a/b","layers":[],"annotations":{"x":1}}""")]
    [InlineData("""{"artifactType":"a/b","layers":[],"annotations":{"x":"\ud800"}}""")]
    [InlineData("""{"artifactType":"a/b","layers":[],"annotations":{"\ud800":"x"}}""")]
    [InlineData("""{"artifactType":"\ud800","layers":[]}""")]
    [InlineData("""{"artifactType":"a/b","layers":[7]}""")]
    [InlineData("""{"artifactType":"a/b","layers":[{"mediaType":"a/b","size":0.5,"annotations":{}}]}""")]
    [InlineData("7")]
    [InlineData("{")]
    public void A_manifest_that_is_no_releases_is_refused_as_malformed(string json) =>
        Should.Throw<JsonException>(() => ReleaseManifest.Parse(Encoding.UTF8.GetBytes(json)));

    [Fact]
    public void Annotations_that_are_null_are_none() =>
        ReleaseManifest
            .Parse("""{"artifactType":"a/b","layers":[],"annotations":null}"""u8.ToArray())
            .Annotations.ShouldBeEmpty();

    [Fact]
    public void Equal_content_is_the_same_release_and_other_content_is_another()
    {
        Drafts.Of(Subject, ("a", "1"), ("b", "2")).Digest.ShouldBe(Drafts.Of("other", ("a", "1"), ("b", "2")).Digest);
        Drafts.Of(Subject, ("a", "1")).Digest.ShouldNotBe(Drafts.Of(Subject, ("a", "2")).Digest);
    }

    [Fact]
    public void A_manifest_is_canonical_and_reads_back()
    {
        var draft = Drafts.Of(Subject, ("html/en/auto.html", "<p>"), ("config.json", "{}"));
        CanonicalJson.Serialize(JsonElement.Parse(draft.ManifestBytes.Span)).ShouldBe(draft.ManifestBytes.ToArray());
        var read = ReleaseManifest.Parse(draft.ManifestBytes);
        read.ToCanonicalBytes().ShouldBe(draft.ManifestBytes.ToArray());
        read.Files.Select(f => f.Path).ShouldBe(["html/en/auto.html", "config.json"]);
        read.Annotations["dev.platen.note"].ShouldBe("é “quoted” <&>");
    }

    [Fact]
    public void Two_files_of_one_path_are_refused() =>
        Should.Throw<InvalidOperationException>(() => Drafts.Of(Subject, ("a", "1"), ("a", "2")));

    [Fact]
    public async Task Recording_again_changes_nothing()
    {
        var owner = TestOwner.New();
        var draft = Drafts.Of(Subject, ("a", "same bytes"), ("b", "same bytes"));
        await using var session = await postgres.OpenAsync(owner, Ct);
        await ReleaseStore.RecordAsync(session, draft, Ct);
        await ReleaseStore.RecordAsync(session, [draft, draft], Ct);
        var found = await ReleaseStore.FindAsync(session, Subject, draft.Digest, Ct);
        found!.Manifest.Files.Length.ShouldBe(2);
        found.CreatedBy.ShouldBe(owner.Actor);
    }

    [Fact]
    public async Task Several_are_recorded_at_once_by_several_without_a_deadlock_each_with_its_own_files()
    {
        var owner = TestOwner.New();
        var drafts = Enumerable
            .Range(0, 12)
            .Select(i => Drafts.Of($"curated/several-{i}", ("shared", $"of {i % 3}"), ("own", $"of {i} alone")))
            .ToArray();
        await Task.WhenAll(
            Enumerable
                .Range(0, 6)
                .Select(async turn =>
                {
                    var some = drafts.Where((_, i) => i % 6 != turn).ToArray();
                    new Random(turn).Shuffle(some);
                    await using var session = await postgres.OpenAsync(owner, Ct);
                    await ReleaseStore.RecordAsync(session, some, Ct);
                    await session.CommitAsync(Ct);
                })
        );
        await using var reading = await postgres.OpenAsync(owner, Ct);
        foreach (var draft in drafts)
        {
            var files = await reading.ListAsync(
                "select path, blob_digest from platform.release_blob where subject = $1 and release_digest = $2",
                row => (row.GetString(0), Digest.Parse(row.GetString(1))),
                Ct,
                Sql.Text(draft.Subject),
                Sql.Digest(draft.Digest)
            );
            files.ShouldBe(draft.Files.Select(f => (f.Path, f.Digest)), ignoreOrder: true);
        }
    }

    [Fact]
    public async Task Another_owner_does_not_see_it()
    {
        var draft = Drafts.Of(Subject, ("a", "secret"));
        await using (var session = await postgres.OpenAsync(TestOwner.New(), Ct))
        {
            await ReleaseStore.RecordAsync(session, draft, Ct);
            await session.CommitAsync(Ct);
        }
        await using var stranger = await postgres.OpenAsync(TestOwner.New(), Ct);
        (await ReleaseStore.FindAsync(stranger, Subject, draft.Digest, Ct)).ShouldBeNull();
    }

    [Fact]
    public async Task A_manifest_under_a_name_that_is_not_its_hash_cannot_be_stored()
    {
        await using var session = await postgres.OpenAsync(TestOwner.New(), Ct);
        var refused = await Should.ThrowAsync<PostgresException>(() =>
            session.ExecuteAsync(
                """
                insert into platform.release (owner, subject, digest, artifact_type, manifest, created_by, created_by_name)
                values ($1, 'curated/example', $2, 'x', $3, $1, 'x')
                """,
                Ct,
                Sql.Owner(session.Context.Owner),
                Sql.Digest(Digest.Of("other"u8)),
                Sql.Bytes("{}"u8.ToArray())
            )
        );
        refused.ConstraintName.ShouldBe("release_digest_names_manifest");
    }

    [Fact]
    public async Task Releases_and_moves_cannot_be_changed_or_deleted()
    {
        foreach (var table in (string[])["release", "release_blob", "blob", "channel_move"])
        {
            await using var session = await postgres.OpenAsync(TestOwner.New(), Ct);
            var refused = await Should.ThrowAsync<PostgresException>(() =>
                session.ExecuteAsync($"delete from platform.{table}", Ct)
            );
            refused.SqlState.ShouldBe(PostgresErrorCodes.InsufficientPrivilege);
        }
    }

    [Fact]
    public async Task Bytes_are_stored_before_the_rows_that_name_them()
    {
        var owner = TestOwner.New();
        var store = new FileBlobStore(
            Path.Combine(postgres.Folder, "blobs"),
            TimeProvider.System,
            NullLogger<FileBlobStore>.Instance
        );
        var draft = Drafts.Of(Subject, ("a", "one"), ("b", "two"), ("c", "one"));
        await ReleaseStore.StoreBytesAsync(store, owner.Id, draft, Ct);
        await ReleaseStore.StoreBytesAsync(store, owner.Id, draft, Ct);
        var read = await store.ReadAllAsync(owner.Id, Digest.Of("two"u8), 100, Ct);
        Encoding.UTF8.GetString(read.ShouldBeOfType<ReadOutcome.Read>().Bytes.Span).ShouldBe("two");
        (await store.StatAsync(owner.Id, draft.Digest, Ct)).ShouldNotBeNull();
    }
}
