using System.Collections.Immutable;
using System.Globalization;
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
    private const string Variables = "dev.platen.variables";

    private static readonly JsonDocumentOptions StrictJson = new()
    {
        AllowDuplicateProperties = false,
        MaxDepth = Limits.JsonDepth,
    };

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
        // What is there already is not held against what may have been removed since, such as a version that it includes.
        if ((await TemplateVersion.FindAsync(session, name, version, ct))?.Release == digest)
            return;
        var artifacts = await ReadAsync(session, manifest, ct);
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
        if (now.Channel is { Candidate: null } there && there.Release == digest)
            return;
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
            ct,
            now.ContentDigest,
            ChannelDetail.DigestOf(digest, candidate: null, percent: 0)
        );
    }

    private async Task<List<TemplateArtifact>> ReadAsync(
        Session session,
        ReleaseManifest manifest,
        CancellationToken ct
    )
    {
        var faults = new List<Fault>();
        var artifacts = manifest.Files.Select((file, index) => Describe(file, Layer(index), faults)).ToList();
        var paths = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (index, artifact) in artifacts.Index())
        {
            if (!paths.Add(artifact.Path))
                faults.Add(new Fault(Layer(index), "Another layer has this title (upper and lower case are one)."));
        }
        if (artifacts.Count(a => a.IncludedFrom is null) is 0 or > TemplateLimits.Artifacts)
            faults.Add(new Fault("/layers", $"A version has 1 to {TemplateLimits.Artifacts} files."));
        if (faults.Count == 0)
            await CheckIncludesAsync(session, artifacts, faults, ct);
        if (faults.Count == 0)
            await ReadPromptsAsync(session.Context.Owner, manifest, artifacts, faults, ct);
        return faults.Count == 0
            ? artifacts
            : throw KernelProblems
                .Invalid.Because("The version cannot be made of this.", faults.Take(Limits.Faults))
                .AsException();
    }

    /// <summary>What the manifest alone says of a file; a prompt's variables are read later.</summary>
    private static TemplateArtifact Describe(ReleaseFile file, string at, List<Fault> faults)
    {
        var kind = file.Annotation("dev.platen.kind") ?? "file";
        var role = file.Annotation("dev.platen.role");
        var locale = file.Annotation("dev.platen.locale");
        if (!TemplateManifest.IsKind(kind))
            faults.Add(new Fault(at, $"dev.platen.kind is '{kind}'; write lower-case words, such as golden_example."));
        if (!TemplateManifest.IsPath(file.Path))
            faults.Add(new Fault(at, "Its title is no relative path."));
        if (!TemplateManifest.IsContentType(file.MediaType))
            faults.Add(new Fault(at + "/mediaType", "A media type, such as text/markdown; charset=utf-8."));
        if (role is not null && !TemplateManifest.Roles.Contains(role))
            faults.Add(
                new Fault(at, $"dev.platen.role is '{role}'; it is {string.Join(", ", TemplateManifest.Roles)}.")
            );
        if (role is null && file.Annotation(Variables) is not null)
            faults.Add(new Fault(VariablesAt(at), "Only a prompt, which has a role, declares variables."));
        if (locale is not null)
        {
            if (LanguageTag.TryParse(locale, out var tag))
                locale = tag.Value;
            else
                faults.Add(new Fault(at, $"dev.platen.locale is '{locale}', which is no BCP 47 tag."));
        }
        if (file.SizeBytes > (role is null ? TemplateLimits.ArtifactBytes : TemplateLimits.PromptBytes))
            faults.Add(new Fault(at, $"{file.SizeBytes} bytes are too many."));
        return new TemplateArtifact(
            kind,
            file.Path,
            role,
            locale,
            file.MediaType,
            file.Digest,
            file.SizeBytes,
            [],
            file.Annotation("dev.platen.included-from")
        );
    }

    /// <summary>An included file is what the version that it names has, and is not only said to be.</summary>
    private static async Task CheckIncludesAsync(
        Session session,
        List<TemplateArtifact> artifacts,
        List<Fault> faults,
        CancellationToken ct
    )
    {
        var sources = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (index, file) in artifacts.Index().Where(one => one.Item.IncludedFrom is not null))
        {
            if (IncludeOf(file.Path) is not { } include)
                faults.Add(new Fault(Layer(index), "What is included has a title such as includes/{name}/{path}."));
            else if (sources.TryAdd(include.Name, $"{file.IncludedFrom} {file.Kind}"))
                continue;
            else if (sources[include.Name] != $"{file.IncludedFrom} {file.Kind}")
                faults.Add(new Fault(Layer(index), $"'{include.Name}' is one kind of one version."));
        }
        if (sources.Count > TemplateLimits.Includes)
            faults.Add(new Fault("/layers", $"A version includes at most {TemplateLimits.Includes} others."));
        if (faults.Count > 0)
            return;
        foreach (
            var from in artifacts.Index().GroupBy(one => one.Item.IncludedFrom).Where(from => from.Key is not null)
        )
        {
            var there = await IncludableAsync(session, from.Key!, ct);
            foreach (var (index, file) in from)
            {
                var path = IncludeOf(file.Path)!.Value.Path;
                if (
                    !there.Any(a =>
                        a with { Path = file.Path, IncludedFrom = from.Key, Variables = file.Variables } == file
                        && a.Path == path
                    )
                )
                    faults.Add(new Fault(Layer(index), $"No stable version {from.Key} has this as {path}."));
            }
        }
    }

    /// <summary>What other versions may include of one: nothing when there is none.</summary>
    private static async Task<List<TemplateArtifact>> IncludableAsync(
        Session session,
        string named,
        CancellationToken ct
    )
    {
        if (
            named.Split('@') is not [var template, var semver]
            || !TemplateName.TryParse(template, out var name)
            || !TemplateManifest.TryParseVersion(semver, out var version)
            || await TemplateVersion.FindAsync(session, name, version, ct) is not { Status: not VersionStatus.Draft }
        )
            return [];
        var files = await TemplateVersion.ArtifactsAsync(session, name, version, ct);
        return files.FindAll(file => file.IncludedFrom is null && file.Variables.IsEmpty);
    }

    private async Task ReadPromptsAsync(
        OwnerId owner,
        ReleaseManifest manifest,
        List<TemplateArtifact> artifacts,
        List<Fault> faults,
        CancellationToken ct
    )
    {
        var includes = artifacts
            .Where(a => a.IncludedFrom is not null)
            .Select(a => IncludeOf(a.Path)!.Value.Name)
            .ToHashSet(StringComparer.Ordinal);
        var wrong = new List<Fault>[artifacts.Count];
        var variables = new ImmutableArray<PromptVariable>[artifacts.Count];
        var prompts = artifacts.Index().Where(one => one.Item is { Role: not null, IncludedFrom: null }).ToList();
        await Parallel.ForEachAsync(
            prompts,
            new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = ct },
            async (one, token) =>
            {
                wrong[one.Index] = [];
                variables[one.Index] = await VariablesAsync(
                    owner,
                    manifest.Files[one.Index],
                    Layer(one.Index),
                    includes,
                    wrong[one.Index],
                    token
                );
            }
        );
        foreach (var (index, prompt) in prompts)
        {
            faults.AddRange(wrong[index]);
            artifacts[index] = prompt with { Variables = variables[index] };
        }
    }

    private async Task<ImmutableArray<PromptVariable>> VariablesAsync(
        OwnerId owner,
        ReleaseFile file,
        string at,
        IReadOnlySet<string> includes,
        List<Fault> faults,
        CancellationToken ct
    )
    {
        if (
            await blobs.ReadAllAsync(owner, file.Digest, TemplateLimits.PromptBytes, ct)
            is not ReadOutcome.Read
            (var bytes)
        )
        {
            faults.Add(new Fault(at, "Its bytes cannot be read."));
            return [];
        }
        ImmutableArray<PromptVariable>? declared = null;
        if (file.Annotation(Variables) is { } annotation)
        {
            try
            {
                using var list = JsonDocument.Parse(annotation, StrictJson);
                declared = TemplateManifest.ReadVariables(list.RootElement, VariablesAt(at), faults);
            }
            // The second is .NET's name for half a surrogate pair.
            catch (Exception e) when (e is JsonException or InvalidOperationException)
            {
                faults.Add(new Fault(VariablesAt(at), "Not JSON: " + e.Message));
            }
        }
        if (!System.Text.Unicode.Utf8.IsValid(bytes.Span))
            faults.Add(new Fault(at, "A prompt is text: its bytes are not valid UTF-8."));
        if (faults.Count > 0)
            return [];
        var prompt = new ManifestArtifact("prompt", file.Path, null, null, file.MediaType, null, null, declared);
        var wrong = new List<Fault>();
        var variables = prompt.CheckPrompt(Encoding.UTF8.GetString(bytes.Span), includes, wrong);
        faults.AddRange(
            wrong.Select(fault => fault with { Pointer = fault.Pointer.Length == 0 ? at : VariablesAt(at) })
        );
        return variables;
    }

    private static (string Name, string Path)? IncludeOf(string title) =>
        title.Split('/', 3) is ["includes", var name, var path] && PromptText.IsVariableName(name)
            ? (name, path)
            : null;

    private static string Layer(int index) => string.Create(CultureInfo.InvariantCulture, $"/layers/{index}");

    private static string VariablesAt(string layer) => $"{layer}/annotations/{Variables}";

    private static ProblemException Refused(string pointer, string message) =>
        KernelProblems.Invalid.Because("The manifest is not taken in.", [new Fault(pointer, message)]).AsException();
}
