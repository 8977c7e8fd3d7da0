using System.Buffers;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Platen.Kernel.Languages;
using Platen.Kernel.Versions;

namespace Platen.Kernel.Templates;

/// <summary>A file as a manifest lists it, before or after its bytes are known.</summary>
/// <param name="Kind">See <see cref="TemplateArtifact.Kind"/>.</param>
/// <param name="Path">See <see cref="TemplateArtifact.Path"/>.</param>
/// <param name="Role">See <see cref="TemplateArtifact.Role"/>.</param>
/// <param name="Locale">See <see cref="TemplateArtifact.Locale"/>, in canonical form.</param>
/// <param name="ContentType">As written, or by the path's ending.</param>
/// <param name="Digest">Null when the manifest leaves it to the bytes beside it.</param>
/// <param name="SizeBytes">Null when the manifest leaves it to the bytes beside it.</param>
/// <param name="Variables">Null when the manifest leaves it to the prompt's text.</param>
public sealed record ManifestArtifact(
    string Kind,
    string Path,
    string? Role,
    string? Locale,
    string ContentType,
    Digest? Digest,
    long? SizeBytes,
    ImmutableArray<PromptVariable>? Variables
)
{
    /// <summary>
    /// Holds a prompt's text against what the artifact declares. One that declares nothing declares what its text names; one that declares
    /// must declare all of that, and nothing else.
    /// </summary>
    /// <param name="text">The artifact's text.</param>
    /// <param name="includes">The names under <see cref="TemplateManifest.Includes"/>.</param>
    /// <param name="faults">Gets every fault, with a pointer into the artifact.</param>
    /// <returns>The prompt's variables.</returns>
    public ImmutableArray<PromptVariable> CheckPrompt(
        string text,
        IReadOnlySet<string> includes,
        ICollection<Fault> faults
    )
    {
        var named = PromptText.VariablesOf(text);
        foreach (var part in PromptText.IncludesOf(text).Where(part => !includes.Contains(part)))
            faults.Add(new Fault("", $"The text includes '{part}', which /includes does not have."));
        if (Variables is not { } declared)
        {
            if (named.Length > TemplateLimits.Variables)
                faults.Add(
                    new Fault("", $"The text names {named.Length} variables; {TemplateLimits.Variables} are allowed.")
                );
            return [.. named.Select(name => new PromptVariable(name))];
        }
        foreach (var name in named.Where(name => declared.All(d => d.Name != name)))
            faults.Add(new Fault("/variables", $"The text names '{name}', which is not declared."));
        foreach (var (place, unused) in declared.Index().Where(d => !named.Contains(d.Item.Name)))
            faults.Add(
                new Fault($"/variables/{place}", $"'{unused.Name}' is declared, but the text does not name it.")
            );
        return declared;
    }
}

/// <summary>Another bundle's files that a version includes under a name, pinned at one version.</summary>
/// <param name="Name">What <c>{{> name}}</c> calls it.</param>
/// <param name="Template">The other template.</param>
/// <param name="Version">Its exact version.</param>
/// <param name="Kind">Which of its artifacts, in every locale they are in.</param>
public sealed record ManifestInclude(string Name, TemplateName Template, SemVer Version, string Kind);

/// <summary>
/// A bundle's <c>manifest.json</c>: <c>{ "template", "version", "changelog"?, "artifacts": [ { "kind", "path", "role"?, "locale"?,
/// "contentType"?, "variables"? } ], "includes"? }</c>. Read strictly: unknown members, paths that leave the folder, two files of one path are
/// faults, and all of them are reported. docs/reference/template-manifest.md has its JSON Schema.
/// </summary>
public sealed record TemplateManifest
{
    /// <summary>The roles a prompt can have.</summary>
    public static readonly ImmutableArray<string> Roles = ["system", "manager", "user"];

    /// <summary>What some file system refuses or reads as something else.</summary>
    private static readonly SearchValues<char> NotInNames = SearchValues.Create("\\:*?\"<>|");

    private static readonly JsonDocumentOptions Strict = new()
    {
        AllowDuplicateProperties = false,
        MaxDepth = Limits.JsonDepth,
    };

    /// <summary>The template's name; null when the manifest leaves it to its reader.</summary>
    public required TemplateName? Template { get; init; }

    /// <summary>The version; null when the manifest leaves it to its reader.</summary>
    public required SemVer? Version { get; init; }

    /// <summary>What the template is for; null leaves it as it is.</summary>
    public required string? Description { get; init; }

    /// <summary>What changed; null when it does not say.</summary>
    public required string? Changelog { get; init; }

    /// <summary>The files, in order; at least one.</summary>
    public required ImmutableArray<ManifestArtifact> Artifacts { get; init; }

    /// <summary>What it includes of others.</summary>
    public required ImmutableArray<ManifestInclude> Includes { get; init; }

    /// <summary>Reads a manifest.</summary>
    /// <param name="utf8">The file's bytes.</param>
    /// <param name="manifest">The manifest; null when there are faults.</param>
    /// <param name="faults">Everything wrong with it.</param>
    /// <returns>Whether there are no faults.</returns>
    public static bool TryParse(
        ReadOnlyMemory<byte> utf8,
        [NotNullWhen(true)] out TemplateManifest? manifest,
        out ImmutableArray<Fault> faults
    )
    {
        manifest = null;
        if (utf8.Length > TemplateLimits.ManifestBytes)
        {
            faults = [new Fault("", $"A manifest has at most {TemplateLimits.ManifestBytes} bytes.")];
            return false;
        }
        try
        {
            using var document = JsonDocument.Parse(utf8, Strict);
            return TryRead(document.RootElement, out manifest, out faults);
        }
        catch (JsonException e)
        {
            faults = [new Fault("", "Not JSON: " + e.Message)];
            return false;
        }
    }

    /// <summary>Reads a manifest that is a JSON value already.</summary>
    /// <param name="root">The manifest.</param>
    /// <param name="manifest">The manifest; null when there are faults.</param>
    /// <param name="faults">Everything wrong with it.</param>
    public static bool TryRead(
        JsonElement root,
        [NotNullWhen(true)] out TemplateManifest? manifest,
        out ImmutableArray<Fault> faults
    )
    {
        var reader = new ManifestReader();
        manifest = reader.Read(root);
        faults = [.. reader.Faults];
        if (!faults.IsEmpty)
            manifest = null;
        return manifest is not null;
    }

    /// <summary>The content type of a file whose manifest names none, by its path's ending.</summary>
    public static string ContentTypeOf(string path) =>
        System.IO.Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".md" or ".markdown" => "text/markdown; charset=utf-8",
            ".txt" or ".prompt" => "text/plain; charset=utf-8",
            ".json" => "application/json",
            ".yaml" or ".yml" => "application/yaml",
            ".xml" => "application/xml",
            ".html" or ".htm" => "text/html; charset=utf-8",
            ".csv" => "text/csv; charset=utf-8",
            ".png" => "image/png",
            ".jpg" or ".jpeg" => "image/jpeg",
            ".pdf" => "application/pdf",
            _ => "application/octet-stream",
        };

    /// <summary>Whether it is a relative path with <c>/</c>, without <c>.</c> and <c>..</c>, that any file system can hold.</summary>
    public static bool IsPath(string path) =>
        path.Length is > 0 and <= TemplateLimits.PathLength
        && path.Split('/')
            .All(part =>
                part.Length > 0
                && part is not ("." or "..")
                && !part.EndsWith('.')
                && !part.EndsWith(' ')
                && !part.AsSpan().ContainsAny(NotInNames)
                && !part.Any(char.IsControl)
            );

    /// <summary>Whether it is lower-case words joined by <c>_</c>, <c>-</c> or <c>.</c>, such as <c>master_prompt</c>.</summary>
    public static bool IsKind(string kind) =>
        kind.Length <= TemplateLimits.KindLength
        && kind is [>= 'a' and <= 'z', ..]
        && TemplateName.IsJoinedWords(kind, "-_.");

    /// <summary>Whether a version can be a bundle's: without build metadata, which an OCI tag cannot hold.</summary>
    public static bool TryParseVersion([NotNullWhen(true)] string? text, out SemVer version) =>
        SemVer.TryParse(text, out version) && version.Build.Length == 0 && text!.Length <= TemplateLimits.VersionLength;

    /// <summary>Whether a file can be served as it: a media type with its parameters, 3 to 255 characters of ASCII.</summary>
    public static bool IsContentType(string text) =>
        text.Length is >= 3 and <= 255
        && text.Split(';')[0].Split('/') is [{ Length: > 0 } type, { Length: > 0 } subtype]
        && !type.Any(char.IsWhiteSpace)
        && !subtype.Trim().Any(char.IsWhiteSpace)
        && text.All(c => c is >= ' ' and <= '~');

    /// <summary>Reads what a prompt declares outside of a manifest, as strictly as in one.</summary>
    /// <param name="list">An array of names or <c>{ name, required?, default?, description? }</c>.</param>
    /// <param name="pointer">Where it stands, for the faults.</param>
    /// <param name="faults">Gets everything wrong with it.</param>
    public static ImmutableArray<PromptVariable> ReadVariables(
        JsonElement list,
        string pointer,
        ICollection<Fault> faults
    )
    {
        var reader = new ManifestReader();
        var variables = reader.ReadVariables(list, pointer);
        foreach (var fault in reader.Faults)
            faults.Add(fault);
        return variables ?? [];
    }

    private sealed class ManifestReader
    {
        public List<Fault> Faults { get; } = [];

        public TemplateManifest? Read(JsonElement root)
        {
            if (root.ValueKind != JsonValueKind.Object)
            {
                Fault("", "A manifest is a JSON object.");
                return null;
            }
            RefuseUnknown(
                root,
                "",
                "$schema",
                "template",
                "version",
                "description",
                "changelog",
                "artifacts",
                "includes"
            );
            var name = Text(root, "", "template", TemplateName.MaxLength);
            TemplateName? template = null;
            if (name is not null)
            {
                if (TemplateName.TryParse(name, out var parsed))
                    template = parsed;
                else
                    Fault("/template", "Lower-case letters and digits joined by single '-', '_' or '.', at most 100.");
            }
            var versionText = Text(root, "", "version", TemplateLimits.VersionLength);
            SemVer? version = null;
            if (versionText is not null)
            {
                if (TryParseVersion(versionText, out var parsed))
                    version = parsed;
                else
                    Fault(
                        "/version",
                        "A version such as 1.4.0 or 2.0.0-rc.1 (Semantic Versioning 2.0), without build metadata."
                    );
            }
            var artifacts = ReadArtifacts(root);
            return new TemplateManifest
            {
                Template = template,
                Version = version,
                Description = Text(root, "", "description", TemplateLimits.DescriptionLength),
                Changelog = Text(root, "", "changelog", TemplateLimits.ChangelogLength),
                Artifacts = artifacts,
                Includes = ReadIncludes(root),
            };
        }

        private ImmutableArray<ManifestArtifact> ReadArtifacts(JsonElement root)
        {
            if (!root.TryGetProperty("artifacts", out var list) || list.ValueKind != JsonValueKind.Array)
            {
                Fault("/artifacts", "A manifest lists its files: an array of { kind, path, … }.");
                return [];
            }
            if (list.GetArrayLength() is 0 or > TemplateLimits.Artifacts)
            {
                Fault("/artifacts", $"A version has 1 to {TemplateLimits.Artifacts} files.");
                return [];
            }
            var paths = new Dictionary<string, int>(StringComparer.OrdinalIgnoreCase);
            var artifacts = ImmutableArray.CreateBuilder<ManifestArtifact>();
            foreach (var (index, element) in list.EnumerateArray().Index())
            {
                var at = $"/artifacts/{index}";
                if (ReadArtifact(element, at) is not { } artifact)
                    continue;
                if (!paths.TryAdd(artifact.Path, index))
                    Fault(
                        at + "/path",
                        $"The same path as /artifacts/{paths[artifact.Path]} (upper and lower case are one)."
                    );
                artifacts.Add(artifact);
            }
            return artifacts.ToImmutable();
        }

        private ManifestArtifact? ReadArtifact(JsonElement element, string at)
        {
            if (element.ValueKind != JsonValueKind.Object)
            {
                Fault(at, "An artifact is an object: { kind, path, … }.");
                return null;
            }
            RefuseUnknown(
                element,
                at,
                "kind",
                "path",
                "role",
                "locale",
                "contentType",
                "digest",
                "sizeBytes",
                "variables"
            );
            var before = Faults.Count;
            var kind = Text(element, at, "kind", TemplateLimits.KindLength);
            if (kind is null)
                Missing(element, at, "kind", "Say what the file is for, such as master_prompt.");
            else if (!IsKind(kind))
                Fault(at + "/kind", "Lower-case words joined by '_', '-' or '.', such as golden_example.");
            var path = Text(element, at, "path", TemplateLimits.PathLength);
            if (path is null)
                Missing(element, at, "path", "Say where the file is, relative to the manifest.");
            else if (!IsPath(path))
                Fault(at + "/path", "A relative path with '/', without '..', that stays in the manifest's folder.");
            var role = Text(element, at, "role", 20);
            if (role is not null && !Roles.Contains(role))
                Fault(at + "/role", $"One of {string.Join(", ", Roles)}.");
            var locale = Text(element, at, "locale", LanguageTag.MaxLength);
            if (locale is not null)
            {
                if (LanguageTag.TryParse(locale, out var tag))
                    locale = tag.Value;
                else
                    Fault(at + "/locale", "A BCP 47 tag, such as fr or pt-BR.");
            }
            var contentType = Text(element, at, "contentType", 255);
            if (contentType is not null && !IsContentType(contentType))
                Fault(at + "/contentType", "A media type, such as text/markdown; charset=utf-8.");
            var digestText = Text(element, at, "digest", Digest.TextLength);
            Digest? digest = null;
            if (digestText is not null)
            {
                if (Digest.TryParse(digestText, out var parsed))
                    digest = parsed;
                else
                    Fault(at + "/digest", "'sha256:' and 64 lower-case hexadecimal digits.");
            }
            var variables = ReadVariables(element, at, role);
            var size = ReadSize(element, at, role);
            return Faults.Count == before
                ? new ManifestArtifact(
                    kind!,
                    path!,
                    role,
                    locale,
                    contentType ?? ContentTypeOf(path!),
                    digest,
                    size,
                    variables
                )
                : null;
        }

        private long? ReadSize(JsonElement element, string at, string? role)
        {
            if (!element.TryGetProperty("sizeBytes", out var size) || size.ValueKind == JsonValueKind.Null)
                return null;
            var most = role is null ? TemplateLimits.ArtifactBytes : TemplateLimits.PromptBytes;
            if (
                size.ValueKind == JsonValueKind.Number
                && size.TryGetInt64(out var bytes)
                && bytes >= 0
                && bytes <= most
            )
                return bytes;
            Fault(at + "/sizeBytes", $"0 to {most}.");
            return null;
        }

        private ImmutableArray<PromptVariable>? ReadVariables(JsonElement element, string at, string? role)
        {
            if (!element.TryGetProperty("variables", out var list) || list.ValueKind == JsonValueKind.Null)
                return null;
            at += "/variables";
            var variables = ReadVariables(list, at);
            if (role is null && variables is { IsEmpty: false })
                Fault(at, "Only a prompt, which has a role, declares variables.");
            return variables;
        }

        public ImmutableArray<PromptVariable>? ReadVariables(JsonElement list, string at)
        {
            if (list.ValueKind != JsonValueKind.Array || list.GetArrayLength() > TemplateLimits.Variables)
            {
                Fault(
                    at,
                    $"An array of at most {TemplateLimits.Variables} names or {{ name, required?, default?, description? }}."
                );
                return null;
            }
            var names = new HashSet<string>(StringComparer.Ordinal);
            var variables = ImmutableArray.CreateBuilder<PromptVariable>();
            foreach (var (index, one) in list.EnumerateArray().Index())
            {
                var place = $"{at}/{index}";
                var variable = one.ValueKind switch
                {
                    JsonValueKind.String => new PromptVariable(one.GetString()!),
                    JsonValueKind.Object => ReadVariable(one, place),
                    _ => null,
                };
                if (variable is null || !PromptText.IsVariableName(variable.Name))
                    Fault(place, "A name of letters, digits, '_', '-' or '.', beginning with a letter or '_'.");
                else if (!names.Add(variable.Name))
                    Fault(place, $"'{variable.Name}' is declared twice.");
                else
                    variables.Add(variable);
            }
            return variables.ToImmutable();
        }

        private PromptVariable? ReadVariable(JsonElement element, string at)
        {
            RefuseUnknown(element, at, "name", "required", "default", "description");
            var required = true;
            if (element.TryGetProperty("required", out var flag))
            {
                if (flag.ValueKind is JsonValueKind.True or JsonValueKind.False)
                    required = flag.GetBoolean();
                else
                    Fault(at + "/required", "true or false.");
            }
            var name = Text(element, at, "name", PromptText.VariableNameLength);
            return name is null
                ? null
                : new PromptVariable(
                    name,
                    required,
                    Text(element, at, "default", TemplateLimits.VariableTextLength),
                    Text(element, at, "description", TemplateLimits.VariableTextLength)
                );
        }

        private ImmutableArray<ManifestInclude> ReadIncludes(JsonElement root)
        {
            if (!root.TryGetProperty("includes", out var list) || list.ValueKind == JsonValueKind.Null)
                return [];
            if (list.ValueKind != JsonValueKind.Array || list.GetArrayLength() > TemplateLimits.Includes)
            {
                Fault(
                    "/includes",
                    $"An array of at most {TemplateLimits.Includes} {{ name, template, version, kind }}."
                );
                return [];
            }
            var names = new HashSet<string>(StringComparer.Ordinal);
            var includes = ImmutableArray.CreateBuilder<ManifestInclude>();
            foreach (var (index, element) in list.EnumerateArray().Index())
            {
                var at = $"/includes/{index}";
                if (element.ValueKind != JsonValueKind.Object)
                {
                    Fault(at, "An include is an object: { name, template, version, kind }.");
                    continue;
                }
                RefuseUnknown(element, at, "name", "template", "version", "kind");
                var before = Faults.Count;
                var name = Text(element, at, "name", PromptText.VariableNameLength);
                if (name is null || !PromptText.IsVariableName(name) || !names.Add(name))
                    Fault(at + "/name", "A name of its own, as prompts write it in {{> name}}.");
                if (!TemplateName.TryParse(Text(element, at, "template", TemplateName.MaxLength), out var template))
                    Fault(at + "/template", "Another template's name.");
                if (!TryParseVersion(Text(element, at, "version", TemplateLimits.VersionLength), out var version))
                    Fault(
                        at + "/version",
                        "One exact version: what is included is pinned, so that it cannot change unseen."
                    );
                var kind = Text(element, at, "kind", TemplateLimits.KindLength);
                if (kind is null || !IsKind(kind))
                    Fault(at + "/kind", "Which of its artifacts, such as snippet.");
                if (Faults.Count == before)
                    includes.Add(new ManifestInclude(name!, template, version, kind!));
            }
            return includes.ToImmutable();
        }

        private string? Text(JsonElement element, string at, string member, int longest)
        {
            if (!element.TryGetProperty(member, out var value) || value.ValueKind == JsonValueKind.Null)
                return null;
            if (value.ValueKind != JsonValueKind.String)
            {
                Fault($"{at}/{member}", "A string.");
                return null;
            }
            var text = value.GetString()!;
            if (text.Length <= longest && !text.Contains('\0', StringComparison.Ordinal))
                return text;
            Fault($"{at}/{member}", $"At most {longest} characters, and not U+0000.");
            return null;
        }

        private void Missing(JsonElement element, string at, string member, string message)
        {
            if (!element.TryGetProperty(member, out var value) || value.ValueKind == JsonValueKind.Null)
                Fault($"{at}/{member}", message);
        }

        private void RefuseUnknown(JsonElement element, string at, params string[] known)
        {
            foreach (var member in element.EnumerateObject())
            {
                if (!known.Contains(member.Name, StringComparer.Ordinal))
                    Fault(
                        $"{at}/{member.Name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal)}",
                        $"No such member; the members are {string.Join(", ", known)}."
                    );
            }
        }

        private void Fault(string pointer, string message)
        {
            if (Faults.Count < Limits.Faults)
                Faults.Add(new Fault(pointer, message));
        }
    }
}
