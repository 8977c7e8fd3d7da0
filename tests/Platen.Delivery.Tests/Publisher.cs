using System.Collections.Immutable;
using System.IO.Compression;
using System.Text;
using Platen.Kernel;
using Platen.Platform.Blobs;
using Platen.Platform.Channels;
using Platen.Platform.Owners;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;

namespace Platen.Delivery.Tests;

/// <summary>Publishes small releases through the real tables and the real store.</summary>
internal sealed class Publisher(PostgresPools pools, IBlobStore blobs, OwnerId? of = null)
{
    private readonly OwnerId owner = of ?? OwnerId.Platform;
    private readonly OperationContext publisher = OperationContext.ForSystem(of ?? OwnerId.Platform, "test");

    public const string Policy = "default-src 'none'; style-src 'sha256-x'";

    /// <summary>A public id that no other test uses.</summary>
    public static string NewId() => $"wgt_curated_t{Guid.CreateVersion7():N}";

    /// <summary>One of a workspace's.</summary>
    public static string NewUserId() => $"wgt_content.faq_u_t{Guid.CreateVersion7():N}";

    /// <summary>Publishes what belongs to somebody else.</summary>
    public Publisher As(OwnerId other) => new(pools, blobs, other);

    public async Task CloseAsync()
    {
        await using var session = await pools.OpenAsync(publisher, TestContext.Current.CancellationToken);
        await ClosedOwners.CloseAsync(session, TestContext.Current.CancellationToken);
        await session.CommitAsync(TestContext.Current.CancellationToken);
    }

    public static string PageText(string id, string version, string locale, string theme) =>
        $"<!doctype html><title>{id}</title><p>{version} {locale} {theme} {new string('x', 600)}";

    public static string ConfigText(string version, string locale) =>
        $$"""{"locale":"{{locale}}","version":"{{version}}","text":"0123456789"}""";

    public static string ArtifactName(string version, string locale) =>
        $"{locale}.{Digest.Of(Encoding.UTF8.GetBytes(ConfigText(version, locale))).Hex}.json";

    public async Task PublishAsync(
        string id,
        string version,
        string status = "published",
        string type = "content.faq",
        params string[] locales
    )
    {
        if (locales.Length == 0)
            locales = ["en"];
        var files = ImmutableArray.CreateBuilder<DraftFile>();
        foreach (var locale in locales)
        {
            files.Add(
                Of(
                    ArtifactName(version, locale),
                    "application/json",
                    Encoding.UTF8.GetBytes(ConfigText(version, locale)),
                    ("kind", "artifact"),
                    ("locale", locale)
                )
            );
            foreach (var theme in new[] { "auto", "light", "dark" })
            {
                var page = Encoding.UTF8.GetBytes(PageText(id, version, locale, theme));
                foreach (var (suffix, coding, bytes) in Codings(page))
                {
                    files.Add(
                        Of(
                            $"html/{locale}/{theme}.html{suffix}",
                            "text/html; charset=utf-8",
                            bytes,
                            ("kind", "page"),
                            ("locale", locale),
                            ("theme", theme),
                            ("csp", Policy),
                            ("encoding", coding)
                        )
                    );
                }
            }
        }
        var manifest = Encoding.UTF8.GetBytes($$"""{"publicId":"{{id}}","version":"{{version}}"}""");
        foreach (var (suffix, coding, bytes) in Codings(manifest))
        {
            files.Add(
                Of("manifest.json" + suffix, "application/json", bytes, ("kind", "manifest"), ("encoding", coding))
            );
        }
        var annotations = Annotations([
            ("public-id", id),
            ("widget-type", type),
            ("status", status),
            ("base-locale", locales[0]),
        ]);
        var draft = new ReleaseDraft(
            ChannelLookup.SubjectOf(PublicId.Parse(id)),
            "application/vnd.platen.widget.v1",
            files.ToImmutable(),
            annotations
        );
        await ReleaseStore.StoreBytesAsync(blobs, owner, draft, TestContext.Current.CancellationToken);
        await using var session = await pools.OpenAsync(publisher, TestContext.Current.CancellationToken);
        await ReleaseStore.RecordAsync(session, draft, TestContext.Current.CancellationToken);
        await MoveAsync(session, draft.Subject, draft.Digest);
        await session.CommitAsync(TestContext.Current.CancellationToken);
    }

    public async Task UnpublishAsync(string id)
    {
        await using var session = await pools.OpenAsync(publisher, TestContext.Current.CancellationToken);
        await MoveAsync(session, ChannelLookup.SubjectOf(PublicId.Parse(id)), null);
        await session.CommitAsync(TestContext.Current.CancellationToken);
    }

    private static async Task MoveAsync(Session session, string subject, Digest? to)
    {
        var ct = TestContext.Current.CancellationToken;
        var key = new ChannelKey(subject, "live");
        var seen = await ChannelStore.FindAsync(session, key, ct);
        var move = await ChannelStore.MoveAsync(session, key, seen?.Revision ?? 0, to, ct);
        (move is ChannelMove.Moved or ChannelMove.Unchanged).ShouldBeTrue();
    }

    private static IEnumerable<(string Suffix, string Coding, byte[] Bytes)> Codings(byte[] bytes) =>
        [
            ("", "identity", bytes),
            (".br", "br", Compress(bytes, s => new BrotliStream(s, CompressionLevel.Optimal))),
            (".gz", "gzip", Compress(bytes, s => new GZipStream(s, CompressionLevel.Optimal))),
        ];

    private static byte[] Compress(byte[] bytes, Func<Stream, Stream> coding)
    {
        using var packed = new MemoryStream();
        using (var stream = coding(packed))
            stream.Write(bytes);
        return packed.ToArray();
    }

    private static DraftFile Of(string path, string type, byte[] bytes, params (string, string)[] annotations) =>
        new(path, type, bytes, Annotations(annotations));

    private static ImmutableSortedDictionary<string, string> Annotations((string Key, string Value)[] values) =>
        values
            .Where(value => value is not { Key: "encoding", Value: "identity" })
            .ToImmutableSortedDictionary(
                value => "dev.platen." + value.Key,
                value => value.Value,
                StringComparer.Ordinal
            );
}
