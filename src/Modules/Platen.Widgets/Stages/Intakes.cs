using System.Text.Json;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Kernel.Versions;
using Platen.Platform.Blobs;
using Platen.Platform.Events;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;
using Platen.Widgets.Packages;

namespace Platen.Widgets.Stages;

/// <summary>
/// Takes in snapshots of the platform's instances, pushed by their digest. Nothing is shown by a push: a cut-over says what goes
/// live, for one instance or for many at once. Not there on an authoring server.
/// </summary>
internal sealed class SnapshotIntake(WidgetRegistry registry, TypeStore types, IBlobStore blobs) : IReleaseIntake
{
    public string SubjectPrefix => "curated/";

    public string Scope => Scopes.CuratedPublish;

    public async Task TakeInAsync(Session session, IncomingRelease release, CancellationToken ct)
    {
        if (release.Channel is not null)
        {
            throw KernelProblems
                .Conflict.Because("Push a snapshot by its digest; what is live is moved by PUT /v1/cutovers/{id}.")
                .AsException();
        }
        if (release.Manifest is not { } manifest || release.ArtifactType != Snapshot.ArtifactType)
        {
            throw KernelProblems
                .Invalid.Because($"Only artifacts of the type {Snapshot.ArtifactType} are taken in here.")
                .AsException();
        }
        var id = InstanceRequests.ParseId(release.Subject[SubjectPrefix.Length..]);
        if (id is PublicId.User || release.Subject != InstanceHome.Curated.SubjectOf(id.ToString()))
            throw WidgetsProblems.MalformedPublicId.Because($"'{id}' is not curated.").AsException();
        await CheckAsync(id, manifest, ct);
    }

    private async Task CheckAsync(PublicId id, ReleaseManifest manifest, CancellationToken ct)
    {
        Task<ReadOnlyMemory<byte>> Read(Digest digest) => blobs.RequireAsync(digest, Limits.JsonBodyBytes, ct);
        try
        {
            _ = await Snapshot.ReadAsync(id, manifest, registry, Read);
        }
        catch (ProblemException e)
            when (e.Problem.Type == WidgetsProblems.UnknownWidgetType || e.Problem.Type == KernelProblems.Invalid)
        {
            // Its type, or the version that it is valid under, may have arrived a moment ago, here or at another node.
            await types.RefreshAsync(ct);
            _ = await Snapshot.ReadAsync(id, manifest, registry, Read);
        }
    }
}

/// <summary>Takes in packages of widget types, which travel before anything refers to them. An older version than there is, is refused.</summary>
internal sealed class TypeIntake(WidgetRegistry registry, TypeStore types, IBlobStore blobs) : IReleaseIntake
{
    public string SubjectPrefix => TypeArtifact.SubjectPrefix;

    public string Scope => Scopes.CuratedPublish;

    public async Task TakeInAsync(Session session, IncomingRelease release, CancellationToken ct)
    {
        if (release.Channel is not (null or "live") || release.Manifest is not { } manifest)
            throw KernelProblems.Conflict.Because("Push a package to the tag 'live'.").AsException();
        if (!WidgetType.TryParse(release.Subject[SubjectPrefix.Length..], out var type))
            throw KernelProblems.Invalid.Because($"'{release.Subject}' names no widget type.").AsException();
        WidgetPackage package;
        try
        {
            package = await TypeArtifact.ReadAsync(
                type,
                manifest,
                digest => blobs.RequireAsync(digest, WidgetsLimits.PackageFileBytes, ct)
            );
        }
        catch (WidgetPackageException e)
        {
            throw KernelProblems.Invalid.Because(e.Message).AsException();
        }
        await types.RefreshAsync(ct);
        if (
            registry.TryFind(type.Value, out var there)
            && SemVer.TryParse(there.Version, out var now)
            && (!SemVer.TryParse(package.Version, out var next) || next.CompareTo(now) < 0)
        )
        {
            throw WidgetsProblems
                .NewerOnStage.Because(
                    $"This server has {type} {there.Version}; the package pushed is {package.Version}."
                )
                .AsException();
        }
        if (release.Channel is null)
            return;
        await AuditLog.RecordAsync(
            session,
            WidgetEvents.TypeInstalled,
            release.Subject,
            release.Replaces,
            release.Digest,
            new { version = package.Version },
            ct
        );
        await EventLog.AppendAsync(
            session,
            TypeStore.Stream,
            WidgetEvents.TypeInstalled,
            JsonSerializer.SerializeToUtf8Bytes(
                new
                {
                    type = type.Value,
                    version = package.Version,
                    package = release.Digest,
                }
            ),
            ct
        );
    }
}
