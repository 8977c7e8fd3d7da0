using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using Platen.Access;
using Platen.Kernel;
using Platen.Kernel.Languages;
using Platen.Kernel.Templates;
using Platen.Kernel.Versions;
using Platen.Platform.Blobs;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;

namespace Platen.Templates;

/// <summary>
/// Takes in what any OCI client pushes to <c>templates/{name}</c>: a tag that is a version makes that version, as a commit does; another
/// tag is a channel, and moves to a version that is there. What a commit refuses is refused here.
/// </summary>
internal sealed class TakeInRelease(IBlobStore blobs) : IReleaseIntake
{
    public string SubjectPrefix => "templates/";

    public string Scope => Scopes.TemplatesPush;

    public async Task TakeInAsync(Session session, IncomingRelease release, CancellationToken ct)
    {
        var name = TemplateRequests.ParseName(release.Subject[SubjectPrefix.Length..]);
        if (release.ArtifactType != CommitVersion.ArtifactType || release.Manifest is not { } manifest)
            throw Refused("", $"It is no {CommitVersion.ArtifactType} with a file for each layer.");
        switch (release.Channel)
        {
            case null:
                return;
            case { } tag when TemplateManifest.TryParseVersion(tag, out var version):
                await TakeInVersionAsync(session, name, version, release.Digest, manifest, ct);
                return;
            default:
                await FollowChannelAsync(session, name, release.Channel, release.Digest, ct);
                return;
        }
    }

    private async Task TakeInVersionAsync(
        Session session,
        TemplateName name,
        SemVer version,
        Digest digest,
        ReleaseManifest manifest,
        CancellationToken ct
    )
    {
        if (
            manifest.Annotations.TryGetValue("org.opencontainers.image.version", out var stated)
            && stated != version.ToString()
        )
            throw Refused("/annotations", $"It says that it is version {stated}, and is pushed as {version}.");
        var artifacts = await ReadAsync(session.Context.Owner, manifest, ct);
        await SaveTemplate.InsertAsync(session, name, "", enabled: true, ct);
        _ = await Template.LockAsync(session, name, ct);
        var before = await TemplateVersion.FindAsync(session, name, version, ct);
        if (before?.Release == digest)
            return;
        if (before is not null && before.Status != VersionStatus.Draft)
        {
            var old = await TemplateVersion.ArtifactsAsync(session, name, version, ct);
            throw CommitVersion.Immutable(before, old, artifacts);
        }
        if (await TemplateVersion.OfReleaseAsync(session, name, digest, ct) is { } other)
            throw Refused("", $"It is version {other.Version} already; a version is of one release only.");
        await CommitVersion.WriteAsync(session, name, version, digest, VersionStatus.Stable, null, before, ct);
        await CommitVersion.WriteFilesAsync(session, name, version, artifacts, ct);
        await VersionChannels.FollowAsync(session, name, ct);
        await Template.TouchAsync(
            session,
            name,
            TemplateEvents.VersionPushed,
            new
            {
                version = version.ToString(),
                release = digest,
                status = VersionStatus.Stable,
            },
            ct,
            before?.Release,
            digest
        );
    }

    /// <summary>The channel itself is moved by the registry, after this.</summary>
    private static async Task FollowChannelAsync(
        Session session,
        TemplateName name,
        string tag,
        Digest digest,
        CancellationToken ct
    )
    {
        var channel = TemplateRequests.ParseChannel(tag);
        if (ChannelNames.IsMovedByServer(channel))
            throw TemplatesProblems
                .ReservedChannel.Because($"'{channel}' follows the versions of '{name}' by itself.")
                .AsException();
        _ =
            await Template.LockAsync(session, name, ct)
            ?? throw Refused("", "Push it as a version first, such as 1.0.0.");
        if (
            await TemplateVersion.OfReleaseAsync(session, name, digest, ct)
            is not { Status: not VersionStatus.Draft } version
        )
            throw Refused("", "It is no stable version of the template: push it as one first, such as 1.0.0.");
        var now = await MoveChannel.FindAsync(session, name, channel, ct);
        if (now.IsProtected)
        {
            throw KernelProblems
                .Conflict.Because($"'{channel}' is protected: ask for the move, so that a second person can agree.")
                .AsException();
        }
        var revision = (now.Channel?.Revision ?? 0) + 1;
        await Trial.FollowAsync(session, name, channel, new ChannelOrder(version.Version.ToString()), ct);
        await TellOfMove.RunAsync(
            session,
            name,
            channel,
            version.Version.ToString(),
            now.Version?.Version.ToString(),
            null,
            0,
            revision,
            ct
        );
        await Template.TouchAsync(
            session,
            name,
            TemplateEvents.ChannelMoved,
            new
            {
                channel,
                version = version.Version.ToString(),
                candidate = (string?)null,
                percentage = 0,
                revision,
                reason = session.Context.Reason,
            },
            ct
        );
    }

    private async Task<List<TemplateArtifact>> ReadAsync(OwnerId owner, ReleaseManifest manifest, CancellationToken ct)
    {
        var artifacts = new List<TemplateArtifact>();
        var faults = new List<Fault>();
        foreach (var (index, file) in manifest.Files.Index())
        {
            var at = $"/layers/{index}";
            var kind = file.Annotation("dev.platen.kind") ?? "file";
            var role = file.Annotation("dev.platen.role");
            var locale = file.Annotation("dev.platen.locale");
            if (!TemplateManifest.IsKind(kind))
                faults.Add(
                    new Fault(at, $"dev.platen.kind is '{kind}'; write lower-case words, such as golden_example.")
                );
            if (!TemplateManifest.IsPath(file.Path))
                faults.Add(new Fault(at, "Its title is no relative path."));
            if (role is not null && !TemplateManifest.Roles.Contains(role))
                faults.Add(
                    new Fault(at, $"dev.platen.role is '{role}'; it is {string.Join(", ", TemplateManifest.Roles)}.")
                );
            if (locale is not null && !LanguageTag.TryParse(locale, out _))
                faults.Add(new Fault(at, $"dev.platen.locale is '{locale}', which is no BCP 47 tag."));
            if (file.SizeBytes > (role is null ? TemplateLimits.ArtifactBytes : TemplateLimits.PromptBytes))
                faults.Add(new Fault(at, $"{file.SizeBytes} bytes are too many."));
            artifacts.Add(
                new TemplateArtifact(
                    kind,
                    file.Path,
                    role,
                    locale,
                    file.MediaType,
                    file.Digest,
                    file.SizeBytes,
                    role is null || faults.Count > 0 ? [] : await VariablesAsync(owner, file, at, faults, ct),
                    file.Annotation("dev.platen.included-from")
                )
            );
        }
        if (artifacts.Count is 0 or > TemplateLimits.Artifacts)
            faults.Add(new Fault("/layers", $"A version has 1 to {TemplateLimits.Artifacts} files."));
        return faults.Count == 0
            ? artifacts
            : throw KernelProblems.Invalid.Because("The version cannot be made of this.", faults).AsException();
    }

    private async Task<ImmutableArray<PromptVariable>> VariablesAsync(
        OwnerId owner,
        ReleaseFile file,
        string at,
        List<Fault> faults,
        CancellationToken ct
    )
    {
        if (file.Annotation("dev.platen.variables") is { } declared)
        {
            try
            {
                return [.. JsonSerializer.Deserialize<List<PromptVariable>>(declared, JsonSerializerOptions.Web) ?? []];
            }
            catch (JsonException e)
            {
                faults.Add(new Fault(at, "dev.platen.variables is not the documented JSON: " + e.Message));
                return [];
            }
        }
        if (await blobs.ReadAllAsync(owner, file.Digest, TemplateLimits.PromptBytes, ct) is ReadOutcome.Read(var bytes))
            return
            [
                .. PromptText.VariablesOf(Encoding.UTF8.GetString(bytes.Span)).Select(name => new PromptVariable(name)),
            ];
        faults.Add(new Fault(at, "Its bytes cannot be read."));
        return [];
    }

    private static ProblemException Refused(string pointer, string message) =>
        KernelProblems.Invalid.Because("The manifest is not taken in.", [new Fault(pointer, message)]).AsException();
}
