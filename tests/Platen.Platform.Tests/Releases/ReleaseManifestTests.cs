using System.Collections.Immutable;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using Platen.Kernel;
using Platen.Platform.Releases;

namespace Platen.Platform.Tests.Releases;

public sealed class ReleaseManifestTests
{
    private static readonly Gen<string> Texts = Gen.Elements(
            "a",
            "Z",
            "é",
            "“",
            "<",
            "&",
            "\"",
            "\\",
            "\n",
            "😀",
            "/",
            " "
        )
        .ArrayOf()
        .Select(string.Concat);

    private static readonly Gen<ImmutableSortedDictionary<string, string>> Notes = Texts
        .Two()
        .ArrayOf()
        .Select(pairs =>
            pairs
                .DistinctBy(pair => pair.Item1)
                .ToImmutableSortedDictionary(pair => pair.Item1, pair => pair.Item2, StringComparer.Ordinal)
        );

    private static readonly Gen<ReleaseFile> Files =
        from path in Texts
        from mediaType in Texts
        from size in Gen.Choose(0, int.MaxValue)
        from shift in Gen.Choose(0, 22)
        from notes in Notes
        // Up to 2^53, beyond which JSON's numbers are not exact.
        select new ReleaseFile(
            path,
            Digest.Of(JsonSerializer.SerializeToUtf8Bytes(path)),
            mediaType,
            (long)size << shift,
            notes
        );

    private static readonly Gen<ReleaseManifest> Manifests = (
        from type in Texts
        from files in Files.ArrayOf()
        from notes in Notes
        select new ReleaseManifest(type, [.. files.DistinctBy(file => file.Path)], notes)
    ).Resize(10);

    [Fact]
    public void What_is_printed_reads_back_as_the_same_release() =>
        Prop.ForAll(
                Manifests.ToArbitrary(),
                manifest =>
                {
                    var printed = manifest.ToCanonicalBytes();
                    var read = ReleaseManifest.Parse(printed);
                    return read.ArtifactType == manifest.ArtifactType
                        && read.Annotations.SequenceEqual(manifest.Annotations)
                        && read.Files.Zip(manifest.Files).All(pair => Same(pair.First, pair.Second))
                        && read.Files.Length == manifest.Files.Length
                        && read.ToCanonicalBytes().AsSpan().SequenceEqual(printed);
                }
            )
            .QuickCheckThrowOnFailure();

    [Fact]
    public void A_manifest_with_bytes_changed_cut_off_or_put_in_is_read_or_refused_as_malformed() =>
        Prop.ForAll(
                (
                    from manifest in Manifests
                    from at in Gen.Choose(0, int.MaxValue)
                    from length in Gen.Choose(0, 12)
                    from put in Gen.Elements(
                        "",
                        "{",
                        "[",
                        "null",
                        "-1",
                        "1e400",
                        "\"\\ud800\"",
                        "\u0000",
                        ",",
                        "\"x\":",
                        "}"
                    )
                    select Damaged(manifest.ToCanonicalBytes(), at, length, put)
                ).ToArbitrary(),
                IsReadOrRefused
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(500));

    [Fact]
    public void Garbage_is_refused_as_malformed() =>
        Prop.ForAll<byte[]>(IsReadOrRefused).Check(Config.QuickThrowOnFailure.WithMaxTest(1_000));

    private static bool IsReadOrRefused(byte[] bytes)
    {
        try
        {
            return ReleaseManifest.Parse(bytes).Files.All(file => file.Path is not null && file.MediaType is not null);
        }
        catch (JsonException)
        {
            return true;
        }
    }

    private static byte[] Damaged(byte[] bytes, int at, int length, string put)
    {
        var start = at % bytes.Length;
        var end = Math.Min(start + length, bytes.Length);
        return [.. bytes[..start], .. System.Text.Encoding.UTF8.GetBytes(put), .. bytes[end..]];
    }

    private static bool Same(ReleaseFile one, ReleaseFile other) =>
        one with { Annotations = other.Annotations } == other && one.Annotations.SequenceEqual(other.Annotations);
}
