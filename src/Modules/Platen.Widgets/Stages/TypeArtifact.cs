using System.Collections.Immutable;
using System.Text;
using Platen.Kernel;
using Platen.Platform.Blobs;
using Platen.Platform.Events;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;
using Platen.Widgets.Packages;

namespace Platen.Widgets.Stages;

/// <summary>
/// A widget type as it travels: every file of its package, below the name of the type, and the sheets it shares beside it.
/// <code>
/// tokens.css  parts.css …      shared sheets
/// {type}/widget.json …         the package's own files
/// </code>
/// </summary>
internal static class TypeArtifact
{
    public const string ArtifactType = "application/vnd.platen.widget-type.v1";

    public const string SubjectPrefix = "widget-types/";

    public static ReleaseDraft Make(WidgetPackage package) =>
        new(
            SubjectPrefix + package.Type.Value,
            ArtifactType,
            [
                .. package.Files.Select(f => new DraftFile(
                    f.Key,
                    f.Key.EndsWith(".json", StringComparison.Ordinal) ? "application/json" : "text/plain",
                    Encoding.UTF8.GetBytes(f.Value),
                    ImmutableSortedDictionary<string, string>.Empty
                )),
            ],
            ImmutableSortedDictionary<string, string>
                .Empty.Add("dev.platen.widget-type", package.Type.Value)
                .Add("dev.platen.version", package.Version)
        );

    /// <summary>Reads a package that somebody pushed.</summary>
    /// <exception cref="WidgetPackageException">It breaks a rule of packages.</exception>
    public static async Task<WidgetPackage> ReadAsync(
        WidgetType type,
        ReleaseManifest manifest,
        Func<Digest, Task<ReadOnlyMemory<byte>>> read
    )
    {
        if (manifest.ArtifactType != ArtifactType)
            throw new WidgetPackageException(type.Value, $"The artifact is not of the type {ArtifactType}.");
        if (manifest.Files.Length > WidgetsLimits.PackageFiles)
            throw new WidgetPackageException(type.Value, $"A package has at most {WidgetsLimits.PackageFiles} files.");
        var folder = Directory.CreateTempSubdirectory("platen-widget-type-").FullName;
        try
        {
            Directory.CreateDirectory(Path.Combine(folder, type.Value));
            foreach (var file in manifest.Files)
            {
                var name = Path.GetFileName(file.Path);
                if (file.Path != name && file.Path != $"{type.Value}/{name}")
                    throw new WidgetPackageException(file.Path, "No such file belongs in a package.");
                if (file.SizeBytes > WidgetsLimits.PackageFileBytes)
                    throw new WidgetPackageException(file.Path, $"At most {WidgetsLimits.PackageFileBytes} bytes.");
                var bytes = await read(file.Digest);
                await File.WriteAllBytesAsync(Path.Combine(folder, file.Path), bytes.ToArray());
            }
            var tokens = WidgetPackage.LoadTokens(folder);
            return WidgetPackage.Load(Path.Combine(folder, type.Value), tokens);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}

/// <summary>
/// The widget types that were published to this server. Each node holds them in memory, and looks for newer ones when a publish
/// arrives and when another node says that there is one.
/// </summary>
internal sealed class TypeStore(PostgresPools pools, IBlobStore blobs, WidgetRegistry registry) : IDisposable
{
    public static readonly StreamId Stream = new("widget-types");

    private readonly SemaphoreSlim one = new(1, 1);
    private readonly Dictionary<string, (Digest Release, WidgetPackage Package)> loaded = new(StringComparer.Ordinal);

    public void Dispose() => one.Dispose();

    /// <summary>Loads what is newer than what this node has; one query when nothing is.</summary>
    public async Task RefreshAsync(CancellationToken ct)
    {
        await one.WaitAsync(ct);
        try
        {
            await using var session = await pools.OpenAsync(
                OperationContext.ForSystem(OwnerId.Platform, "load widget types"),
                ct
            );
            var stored = await session.ListAsync(
                """
                select c.subject, c.release_digest, r.manifest from platform.channel c
                join platform.release r on r.owner = c.owner and r.subject = c.subject and r.digest = c.release_digest
                where c.owner = platform.current_owner() and c.name = 'live' and starts_with(c.subject, $1)
                limit $2
                """,
                row =>
                    (
                        Type: row.GetString(0)[TypeArtifact.SubjectPrefix.Length..],
                        Release: Digest.Parse(row.GetString(1)),
                        Manifest: row.GetFieldValue<byte[]>(2)
                    ),
                ct,
                Sql.Text(TypeArtifact.SubjectPrefix),
                Sql.Int(WidgetsLimits.WidgetTypes)
            );
            var changed = false;
            foreach (var (type, release, manifest) in stored)
            {
                if (loaded.TryGetValue(type, out var known) && known.Release == release)
                    continue;
                var package = await TypeArtifact.ReadAsync(
                    WidgetType.Parse(type),
                    ReleaseManifest.Parse(manifest),
                    digest => blobs.RequireAsync(digest, WidgetsLimits.PackageFileBytes, ct)
                );
                loaded[type] = (release, package);
                changed = true;
            }
            if (changed)
                registry.Install([.. loaded.Values.Select(l => l.Package)]);
        }
        finally
        {
            one.Release();
        }
    }
}

internal static class PlatformBlobs
{
    /// <summary>The bytes of a blob of the platform that a recorded manifest names.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Conflict"/>: they are gone or damaged.</exception>
    public static async Task<ReadOnlyMemory<byte>> RequireAsync(
        this IBlobStore blobs,
        Digest digest,
        int mostBytes,
        CancellationToken ct
    ) =>
        await blobs.ReadAllAsync(OwnerId.Platform, digest, mostBytes, ct) is ReadOutcome.Read read
            ? read.Bytes
            : throw KernelProblems
                .Conflict.Because(
                    $"The blob {digest} is missing, damaged or larger than {mostBytes} bytes; push it again."
                )
                .AsException();
}
