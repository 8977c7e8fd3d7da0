using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Platen.Client;
using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Kernel.Versions;

namespace Platen.Cli;

/// <summary>A bundle on this machine's disk: its <c>manifest.json</c> and the files it lists, read and hashed.</summary>
internal sealed class TemplateFolder
{
    private readonly JsonPlaces manifestPlaces;

    private TemplateFolder(string folder, TemplateManifest manifest, JsonPlaces places)
    {
        Folder = folder;
        Manifest = manifest;
        manifestPlaces = places;
    }

    public string Folder { get; }

    public TemplateManifest Manifest { get; }

    public required TemplateName Name { get; init; }

    public required SemVer Version { get; init; }

    /// <summary>The files in the manifest's order.</summary>
    public required ImmutableArray<(ManifestArtifact Artifact, byte[] Bytes, Digest Digest)> Files { get; init; }

    /// <summary>Where in manifest.json a pointer into a commit's body points.</summary>
    public string PlaceOf(string pointer)
    {
        const string manifest = "/manifest";
        var at = pointer.StartsWith(manifest, StringComparison.Ordinal) ? pointer[manifest.Length..] : pointer;
        return $"{manifestPlaces.Of(at)} {at}".TrimEnd();
    }

    /// <summary>The manifest with digests and sizes, as a commit takes it.</summary>
    public JsonElement ToCommit()
    {
        var artifacts = new JsonArray();
        foreach (var (artifact, bytes, digest) in Files)
        {
            var json = ToJson(artifact);
            json["digest"] = digest.ToString();
            json["sizeBytes"] = bytes.Length;
            artifacts.Add(json);
        }
        return JsonSerializer.SerializeToElement(WithHead(artifacts));
    }

    /// <summary>Whether a version is of these files in this order, described alike, and includes the same: then a push would change nothing.</summary>
    public bool Is(TemplateVersionDetail version)
    {
        var own = version.Artifacts.Where(artifact => artifact.IncludedFrom is null).ToList();
        return own.Select(artifact => artifact.Path).SequenceEqual(Files.Select(file => file.Artifact.Path))
            && TemplateFileChange.Between(own, ToArtifacts()).IsEmpty
            && IncludesOf(version).SetEquals(Includes());
    }

    /// <summary>What a push would change of a version, a line each; null stands for none.</summary>
    public List<string> DifferencesFrom(TemplateVersionDetail? version)
    {
        var own = (version?.Artifacts ?? []).Where(artifact => artifact.IncludedFrom is null).ToList();
        var sizes = Files.ToDictionary(file => file.Artifact.Path, file => file.Bytes.Length, StringComparer.Ordinal);
        var lines = new List<string>();
        foreach (var change in TemplateFileChange.Between(own, ToArtifacts()))
        {
            var size = string.Create(CultureInfo.InvariantCulture, $"{sizes.GetValueOrDefault(change.Path):N0} bytes");
            lines.Add(
                change.From is null ? $"+ {change.Path} ({size})"
                : change.To is null ? $"- {change.Path}"
                : $"~ {change.Path} ({change.What ?? size})"
            );
        }
        var before = version is null ? [] : IncludesOf(version);
        lines.AddRange(Includes().Except(before).Select(added => $"+ {added}"));
        lines.AddRange(before.Except(Includes()).Select(gone => $"- {gone}"));
        if (lines.Count == 0 && version is not null && !Is(version))
            lines.Add("~ the order of the files");
        return lines;
    }

    private IEnumerable<TemplateArtifact> ToArtifacts()
    {
        var includes = Manifest.Includes.Select(include => include.Name).ToHashSet(StringComparer.Ordinal);
        return Files.Select(file => new TemplateArtifact(
            file.Artifact.Kind,
            file.Artifact.Path,
            file.Artifact.Role,
            file.Artifact.Locale,
            file.Artifact.ContentType,
            file.Digest,
            file.Bytes.Length,
            file.Artifact.Role is null
                ? file.Artifact.Variables ?? []
                : file.Artifact.CheckPrompt(System.Text.Encoding.UTF8.GetString(file.Bytes), includes, [])
        ));
    }

    /// <summary>Pinned: of a version that cannot change, all files of the kind.</summary>
    private static HashSet<string> IncludesOf(TemplateVersionDetail version) =>
        [
            .. version
                .Artifacts.Where(artifact => artifact.IncludedFrom is not null)
                .Select(artifact => IncludeLine(artifact.Path.Split('/')[1], artifact.IncludedFrom!, artifact.Kind)),
        ];

    private IEnumerable<string> Includes() =>
        Manifest.Includes.Select(include =>
            IncludeLine(include.Name, $"{include.Template}@{include.Version}", include.Kind)
        );

    private static string IncludeLine(string name, string version, string kind) =>
        $"include {name} ({kind} of {version})";

    /// <summary>An artifact as a manifest writes it.</summary>
    public static JsonObject ToJson(ManifestArtifact artifact)
    {
        var json = new JsonObject { ["kind"] = artifact.Kind, ["path"] = artifact.Path };
        if (artifact.Role is not null)
            json["role"] = artifact.Role;
        if (artifact.Locale is not null)
            json["locale"] = artifact.Locale;
        json["contentType"] = artifact.ContentType;
        if (artifact.Variables is { } variables)
            json["variables"] = VariablesJson(variables);
        return json;
    }

    public static JsonArray VariablesJson(IEnumerable<PromptVariable> variables)
    {
        var list = new JsonArray();
        foreach (var variable in variables)
        {
            var json = new JsonObject { ["name"] = variable.Name, ["required"] = variable.Required };
            if (variable.Default is not null)
                json["default"] = variable.Default;
            if (variable.Description is not null)
                json["description"] = variable.Description;
            list.Add(json);
        }
        return list;
    }

    /// <summary>Reads a folder's manifest and every file it lists.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="shown">What to call it in messages.</param>
    /// <param name="name">The name that was asked for; null takes the manifest's.</param>
    /// <param name="version">The version that was asked for; null takes the manifest's.</param>
    /// <param name="ct">Cancels.</param>
    /// <exception cref="CliException">With every fault, each at its line.</exception>
    public static async Task<TemplateFolder> ReadAsync(
        string folder,
        string shown,
        string? name,
        string? version,
        CancellationToken ct
    )
    {
        var path = Path.Combine(folder, "manifest.json");
        var shownPath = shown is "." or "" ? "manifest.json" : Path.Combine(shown, "manifest.json");
        byte[] bytes;
        try
        {
            bytes = await File.ReadAllBytesAsync(path, ct);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CliException(
                ExitCode.Usage,
                "no-manifest",
                $"{shownPath} cannot be read: {e.Message}",
                "A template's folder has a manifest.json: docs/reference/template-manifest.md describes it, 'platen import' makes one."
            );
        }
        var places = JsonPlaces.Read(bytes, shownPath);
        var faults = new List<InputFault>();
        if (!TemplateManifest.TryParse(bytes, out var manifest, out var wrong))
        {
            faults.AddRange(
                wrong.Select(fault => new InputFault(
                    $"{places.Of(fault.Pointer)} {fault.Pointer}".TrimEnd(),
                    fault.Message
                ))
            );
            CheckOptions(name, version, faults);
            throw Invalid(shownPath, faults);
        }
        var template = ReadName(name, manifest, places, faults);
        var semver = ReadVersion(version, manifest, places, faults);
        var includes = manifest.Includes.Select(include => include.Name).ToHashSet(StringComparer.Ordinal);
        var files = ImmutableArray.CreateBuilder<(ManifestArtifact, byte[], Digest)>();
        foreach (var (index, artifact) in manifest.Artifacts.Index())
        {
            var place = places.Of($"/artifacts/{index}/path");
            if (await ReadFileAsync(folder, artifact, place, faults, ct) is not { } content)
                continue;
            if (artifact.Role is not null && System.Text.Unicode.Utf8.IsValid(content))
                CheckPrompt(artifact, index, content, includes, places, faults);
            var digest = Digest.Of(content);
            if (artifact.Digest is { } stated && stated != digest)
                faults.Add(
                    new InputFault(
                        places.Of($"/artifacts/{index}/digest"),
                        $"{artifact.Path} is {digest}, not what the manifest says."
                    )
                );
            files.Add((artifact, content, digest));
        }
        return faults.Count == 0
            ? new TemplateFolder(folder, manifest, places)
            {
                Name = template,
                Version = semver,
                Files = files.ToImmutable(),
            }
            : throw Invalid(shownPath, faults);
    }

    /// <summary>What the server would refuse, found before anything travels and in a dry run.</summary>
    private static void CheckPrompt(
        ManifestArtifact artifact,
        int index,
        byte[] content,
        HashSet<string> includes,
        JsonPlaces places,
        List<InputFault> faults
    )
    {
        var wrong = new List<Fault>();
        artifact.CheckPrompt(System.Text.Encoding.UTF8.GetString(content), includes, wrong);
        foreach (var fault in wrong)
        {
            var pointer = $"/artifacts/{index}{fault.Pointer}";
            faults.Add(new InputFault($"{places.Of(pointer)} {pointer}", $"{artifact.Path}: {fault.Message}"));
        }
    }

    private JsonObject WithHead(JsonArray artifacts)
    {
        var json = new JsonObject { ["template"] = Name.Value, ["version"] = Version.ToString() };
        if (Manifest.Description is not null)
            json["description"] = Manifest.Description;
        if (Manifest.Changelog is not null)
            json["changelog"] = Manifest.Changelog;
        json["artifacts"] = artifacts;
        if (!Manifest.Includes.IsEmpty)
        {
            json["includes"] = new JsonArray([
                .. Manifest.Includes.Select(include => new JsonObject
                {
                    ["name"] = include.Name,
                    ["template"] = include.Template.Value,
                    ["version"] = include.Version.ToString(),
                    ["kind"] = include.Kind,
                }),
            ]);
        }
        return json;
    }

    /// <summary>Of a manifest that says nothing, only what was asked for can be told.</summary>
    private static void CheckOptions(string? name, string? version, List<InputFault> faults)
    {
        if (name is not null && !TemplateName.TryParse(name, out _))
            faults.Add(NoName(name));
        if (version is not null && !TemplateManifest.TryParseVersion(version, out _))
            faults.Add(NoVersion(version));
    }

    private static InputFault NoName(string asked) =>
        new("--template", $"'{asked}' is not a template's name: lower-case words joined by '-', '_' or '.'.");

    private static InputFault NoVersion(string asked) =>
        new("--version", $"'{asked}' is not a version such as 1.4.0 or 2.0.0-rc.1.");

    private static TemplateName ReadName(
        string? asked,
        TemplateManifest manifest,
        JsonPlaces places,
        List<InputFault> faults
    )
    {
        if (asked is null)
        {
            if (manifest.Template is null)
                faults.Add(
                    new InputFault(places.Of("/template"), "Neither --template nor the manifest names the template.")
                );
            return manifest.Template ?? default;
        }
        if (!TemplateName.TryParse(asked, out var name))
            faults.Add(NoName(asked));
        else if (manifest.Template is { } stated && stated != name)
            faults.Add(
                new InputFault(places.Of("/template"), $"The manifest is of '{stated}', and --template says '{name}'.")
            );
        return name;
    }

    private static SemVer ReadVersion(
        string? asked,
        TemplateManifest manifest,
        JsonPlaces places,
        List<InputFault> faults
    )
    {
        if (asked is null)
        {
            if (manifest.Version is null)
                faults.Add(
                    new InputFault(places.Of("/version"), "Neither --version nor the manifest names the version.")
                );
            return manifest.Version ?? default;
        }
        if (!TemplateManifest.TryParseVersion(asked, out var version))
            faults.Add(NoVersion(asked));
        else if (manifest.Version is { } stated && stated != version)
            faults.Add(
                new InputFault(
                    places.Of("/version"),
                    $"The manifest is of version {stated}, and --version says {version}."
                )
            );
        return version;
    }

    private static async Task<byte[]?> ReadFileAsync(
        string folder,
        ManifestArtifact artifact,
        string place,
        List<InputFault> faults,
        CancellationToken ct
    )
    {
        var most = artifact.Role is null ? TemplateLimits.ArtifactBytes : TemplateLimits.PromptBytes;
        try
        {
            var path = Path.Combine(folder, artifact.Path);
            if (new FileInfo(path).Length > most)
            {
                faults.Add(new InputFault(place, $"{artifact.Path} is larger than {most} bytes."));
                return null;
            }
            var bytes = await File.ReadAllBytesAsync(path, ct);
            if (artifact.Role is not null && !System.Text.Unicode.Utf8.IsValid(bytes))
                faults.Add(new InputFault(place, $"{artifact.Path} is a prompt, and not valid UTF-8."));
            return bytes;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            faults.Add(new InputFault(place, $"{artifact.Path} cannot be read: {e.Message}"));
            return null;
        }
    }

    private static CliException Invalid(string shown, List<InputFault> faults) =>
        new(ExitCode.Usage, "invalid-manifest", $"{shown} does not describe a bundle.", "Fix every place named.")
        {
            Faults = faults,
        };
}
