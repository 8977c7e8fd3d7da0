using FsCheck;
using FsCheck.Fluent;

namespace Platen.Registry.Tests;

public sealed class PathTests
{
    private const string Digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    [Fact]
    public void Paths_are_read_from_their_end()
    {
        RegistryPath.Parse("").ShouldBeOfType<RegistryPath.Root>();
        RegistryPath.Parse("_catalog").ShouldBeOfType<RegistryPath.Catalog>();
        RegistryPath.Parse("a/b/manifests/v1").ShouldBe(new RegistryPath.Manifest("a/b", "v1"));
        RegistryPath.Parse("a/blobs/uploads/").ShouldBe(new RegistryPath.Uploads("a"));
        RegistryPath.Parse("a/blobs/uploads").ShouldBe(new RegistryPath.Uploads("a"));
        RegistryPath.Parse("a/blobs/uploads/1").ShouldBe(new RegistryPath.Upload("a", "1"));
        RegistryPath.Parse("a/blobs/" + Digest).ShouldBe(new RegistryPath.Blob("a", Digest));
        RegistryPath.Parse("a/tags/list").ShouldBe(new RegistryPath.Tags("a"));
        RegistryPath.Parse("a/referrers/" + Digest).ShouldBe(new RegistryPath.Referrers("a", Digest));
    }

    [Fact]
    public void Names_may_hold_the_words_that_paths_are_made_of()
    {
        RegistryPath.Parse("manifests/blobs/manifests/v1").ShouldBe(new RegistryPath.Manifest("manifests/blobs", "v1"));
        RegistryPath.Parse("tags/list/tags/list").ShouldBe(new RegistryPath.Tags("tags/list"));
        RegistryPath.Parse("blobs/uploads/blobs/uploads/").ShouldBe(new RegistryPath.Uploads("blobs/uploads"));
    }

    [Fact]
    public void What_is_read_is_in_the_path()
    {
        var parts = Gen.Elements(
            "a",
            "blobs",
            "uploads",
            "manifests",
            "tags",
            "list",
            "referrers",
            "",
            "_catalog",
            ".."
        );
        var paths = Gen.ListOf(parts).Select(list => string.Join('/', list)).ToArbitrary();
        Prop.ForAll(
                paths,
                path =>
                    RegistryPath.Parse(path) is not RegistryPath.Manifest(var name, var reference)
                    || path == $"{name}/manifests/{reference}"
            )
            .QuickCheckThrowOnFailure();
    }

    [Fact]
    public void A_range_is_within_the_blob_whatever_was_asked_for()
    {
        var cases = (
            from size in Gen.Choose(0, 50)
            from first in Gen.Choose(-1, 60)
            from last in Gen.Choose(-1, 60)
            select (size, first, last)
        ).ToArbitrary();
        Prop.ForAll(
                cases,
                c =>
                {
                    var text = $"bytes={(c.first < 0 ? "" : c.first)}-{(c.last < 0 ? "" : c.last)}";
                    if (BlobRange.Parse(text)?.In(c.size) is not var (offset, length))
                        return true;
                    return offset >= 0 && length > 0 && offset + length <= c.size;
                }
            )
            .QuickCheckThrowOnFailure();
    }
}
