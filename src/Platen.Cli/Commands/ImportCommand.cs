using System.Collections.Frozen;
using System.CommandLine;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Platen.Kernel.Languages;
using Platen.Kernel.Templates;
using Platen.Kernel.Versions;

namespace Platen.Cli.Commands;

/// <summary><c>platen import</c>: makes templates of prompts that were kept elsewhere.</summary>
internal static class ImportCommand
{
    private static readonly Argument<string> Source = new("source")
    {
        Description = "Where the prompts are.",
        HelpName = "FOLDER|FILE",
    };

    private static readonly Option<string?> Template = new("--template")
    {
        Description = "The template's name. Else the folder's.",
        HelpName = "NAME",
    };

    private static readonly Option<string> Version = new("--version")
    {
        Description = "The version to push them as. Else 1.0.0.",
        HelpName = "SEMVER",
        DefaultValueFactory = _ => "1.0.0",
    };

    private static readonly Option<string?> Out = new("--out")
    {
        Description = "Write folders with a manifest.json there, and push nothing.",
        HelpName = "DIR",
    };

    private static readonly Option<bool> SetDefault = new("--set-default")
    {
        Description = "Make what is pushed the default of its template.",
    };

    private static readonly Option<string[]> Locales = new("--locale")
    {
        Description =
            "Read this ending of a name as a language, such as fil or sh; repeatable. Two letters of ISO 639-1, and three with a script or a region, are read as one without it.",
        HelpName = "TAG",
    };

    private static readonly Option<bool> NoLocales = new("--no-locales")
    {
        Description = "Read no ending of a name as a language.",
    };

    /// <summary>ISO 639-1: what else has two letters, such as <c>notes.ai.md</c>, is more likely no language.</summary>
    private static readonly FrozenSet<string> Languages = (
        "aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo es et "
        + "eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj "
        + "kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr "
        + "nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg "
        + "th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu"
    )
        .Split(' ')
        .ToFrozenSet();

    private static readonly JsonSerializerOptions FileStyle = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>A bundle on its way in.</summary>
    private sealed record Imported(string Name, string Version, List<(JsonObject Artifact, byte[] Bytes)> Files)
    {
        public string? Changelog { get; init; }

        public List<string> Channels { get; init; } = [];

        /// <summary>What is worth knowing of how it was read, a line each.</summary>
        public List<string> Notes { get; init; } = [];
    }

    public static Command Create() =>
        new Command("import", "Make templates of prompts that were kept elsewhere.")
        {
            TemplatesCommand.Workspace,
            new Command("folder", "Import a folder of text files as one template.")
            {
                Source,
                Template,
                Version,
                Locales,
                NoLocales,
                Out,
                SetDefault,
            }.Runs((run, ct) => RunAsync(run, ReadFolderAsync, ct)),
            new Command(
                "fabric",
                "Import patterns of Fabric: a folder with system.md and user.md, or a folder of such folders."
            )
            {
                Source,
                Version,
                Out,
                SetDefault,
            }.Runs((run, ct) => RunAsync(run, ReadFabricAsync, ct)),
            new Command(
                "langfuse",
                "Import prompts that Langfuse's API gave out: a JSON file, or a folder of them. Version N becomes N.0.0, labels become channels."
            )
            {
                Source,
                Out,
                SetDefault,
            }.Runs((run, ct) => RunAsync(run, ReadLangfuseAsync, ct)),
        };

    private static async Task<int> RunAsync(
        Invocation run,
        Func<Invocation, string, CancellationToken, Task<List<Imported>>> read,
        CancellationToken ct
    )
    {
        var source = Path.GetFullPath(run.Value(Source), run.Terminal.WorkingFolder);
        List<Imported> bundles;
        try
        {
            bundles = await read(run, source, ct);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unusable(run.Value(Source), e.Message);
        }
        if (bundles.Count == 0)
            throw Unusable(run.Value(Source), "there is nothing in it that could be a prompt.");
        var results = new JsonArray();
        foreach (var bundle in bundles)
        {
            var line = run.Value(Out) is { } folder
                ? Write(Path.GetFullPath(folder, run.Terminal.WorkingFolder), bundle)
                : await PushAsync(run, bundle, run.Value(SetDefault) && IsDefault(bundle, bundles), ct);
            results.Add(
                new JsonObject
                {
                    ["template"] = bundle.Name,
                    ["version"] = bundle.Version,
                    ["files"] = bundle.Files.Count,
                    ["outcome"] = line,
                    ["notes"] = new JsonArray([.. bundle.Notes.Select(note => JsonValue.Create(note))]),
                }
            );
            run.Output.Line($"{bundle.Name} {bundle.Version}: {line}");
            foreach (var note in bundle.Notes)
                run.Output.Line("  " + note);
        }
        run.Output.Document(new JsonObject { ["results"] = results });
        return ExitCode.Ok;
    }

    /// <summary>The highest version of its template, unless a label says which is the default.</summary>
    private static bool IsDefault(Imported bundle, List<Imported> all)
    {
        var same = all.Where(other => other.Name == bundle.Name).ToList();
        return !same.Exists(other => other.Channels.Contains(ChannelNames.Default)) && same[^1] == bundle;
    }

    private static async Task<string> PushAsync(Invocation run, Imported bundle, bool setDefault, CancellationToken ct)
    {
        var folder = Directory.CreateTempSubdirectory("platen-import-").FullName;
        try
        {
            Write(folder, bundle);
            var read = await TemplateFolder.ReadAsync(Path.Combine(folder, bundle.Name), bundle.Name, null, null, ct);
            var push = new TemplatePush(run, "stable", setDefault, "import");
            var result = await push.RunAsync(read, (_, _) => { }, ct);
            var line = $"{result.Outcome} as {result.Version.Release}";
            foreach (var channel in bundle.Channels)
                line += "; " + await TemplatePush.PointAsync(run, read.Name, channel, bundle.Version, "import", ct);
            return result.Default is null ? line : $"{line}; {result.Default}";
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Write(string folder, Imported bundle)
    {
        var target = Path.Combine(folder, bundle.Name);
        var manifest = new JsonObject { ["template"] = bundle.Name, ["version"] = bundle.Version };
        if (bundle.Changelog is not null)
            manifest["changelog"] = bundle.Changelog;
        manifest["artifacts"] = new JsonArray([.. bundle.Files.Select(file => file.Artifact.DeepClone())]);
        try
        {
            foreach (var (artifact, bytes) in bundle.Files)
            {
                var path = Path.Combine(target, artifact["path"]!.GetValue<string>());
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                File.WriteAllBytes(path, bytes);
            }
            File.WriteAllBytes(
                Path.Combine(target, "manifest.json"),
                JsonSerializer.SerializeToUtf8Bytes(manifest, FileStyle)
            );
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unusable(target, e.Message);
        }
        return $"written to {target}";
    }

    private static async Task<List<Imported>> ReadFolderAsync(Invocation run, string source, CancellationToken ct)
    {
        var files = new List<(JsonObject, byte[])>();
        var notes = new List<string>();
        var asked = (run.Value(Locales) ?? []).ToHashSet(StringComparer.OrdinalIgnoreCase);
        foreach (
            var path in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
        )
        {
            var relative = Path.GetRelativePath(source, path).Replace('\\', '/');
            if (relative.Split('/').Any(part => part.StartsWith('.')) || relative == "manifest.json")
                continue;
            if (files.Count == TemplateLimits.Artifacts)
                throw Unusable(
                    source,
                    $"it has more than {TemplateLimits.Artifacts} files, which is the most of a version."
                );
            if (new FileInfo(path).Length > TemplateLimits.ArtifactBytes)
                throw Unusable(path, $"a file has at most {TemplateLimits.ArtifactBytes} bytes.");
            var (stem, locale) = run.Value(NoLocales)
                ? (Path.GetFileNameWithoutExtension(relative), null)
                : SplitLocale(Path.GetFileNameWithoutExtension(relative), asked);
            var type = TemplateManifest.ContentTypeOf(relative);
            var artifact = new JsonObject { ["kind"] = KindOf(stem), ["path"] = relative };
            if (RoleOf(stem) is { } role && type.StartsWith("text/", StringComparison.Ordinal))
                artifact["role"] = role;
            if (locale is not null)
            {
                artifact["locale"] = locale;
                notes.Add($"{relative} is read as {locale}");
            }
            files.Add((artifact, await File.ReadAllBytesAsync(path, ct)));
        }
        if (files.Count == 0)
            return [];
        var name = run.Value(Template) ?? NameOf(Path.GetFileName(source.TrimEnd('/', '\\')));
        return [new Imported(name, run.Value(Version)!, files) { Notes = notes }];
    }

    private static async Task<List<Imported>> ReadFabricAsync(Invocation run, string source, CancellationToken ct)
    {
        var folders =
            File.Exists(Path.Combine(source, "system.md")) || File.Exists(Path.Combine(source, "user.md"))
                ? [source]
                : Directory.EnumerateDirectories(source).Order(StringComparer.Ordinal).ToList();
        var bundles = new List<Imported>();
        foreach (var folder in folders)
        {
            var files = new List<(JsonObject, byte[])>();
            foreach (
                var (file, kind, role) in ((string, string, string?)[])
                    [
                        ("system.md", "master_prompt", "system"),
                        ("user.md", "user_prompt", "user"),
                        ("README.md", "readme", null),
                    ]
            )
            {
                var path = Path.Combine(folder, file);
                if (!File.Exists(path))
                    continue;
                var artifact = new JsonObject { ["kind"] = kind, ["path"] = file };
                if (role is not null)
                    artifact["role"] = role;
                files.Add((artifact, await File.ReadAllBytesAsync(path, ct)));
            }
            if (files.Exists(file => file.Item1.ContainsKey("role")))
                bundles.Add(new Imported(NameOf(Path.GetFileName(folder)), run.Value(Version)!, files));
        }
        return bundles;
    }

    private static async Task<List<Imported>> ReadLangfuseAsync(Invocation run, string source, CancellationToken ct)
    {
        List<string> paths = Directory.Exists(source)
            ? [.. Directory.EnumerateFiles(source, "*.json").Order(StringComparer.Ordinal)]
            : [source];
        var bundles = new List<Imported>();
        foreach (var path in paths)
        {
            try
            {
                using var document = JsonDocument.Parse(await File.ReadAllBytesAsync(path, ct));
                var root = document.RootElement;
                var list =
                    root.ValueKind == JsonValueKind.Array ? root
                    : root.TryGetProperty("data", out var data) && data.ValueKind == JsonValueKind.Array ? data
                    : default;
                if (list.ValueKind == JsonValueKind.Array)
                    bundles.AddRange(list.EnumerateArray().Select(ReadLangfuse));
                else
                    bundles.Add(ReadLangfuse(root));
            }
            catch (Exception e)
                when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
            {
                throw Unusable(path, "it is not what Langfuse gives out for a prompt: " + e.Message);
            }
        }
        return [.. bundles.OrderBy(b => b.Name, StringComparer.Ordinal).ThenBy(b => SemVer.Parse(b.Version))];
    }

    /// <summary>GET /api/public/v2/prompts/{name}: { name, version, type, prompt: text or [ { role, content } ], config, labels }.</summary>
    private static Imported ReadLangfuse(JsonElement json)
    {
        var files = new List<(JsonObject, byte[])>();
        var notes = new List<string>();
        var prompt = json.GetProperty("prompt");
        if (prompt.ValueKind == JsonValueKind.String)
            Add("prompt", "user", "prompt.md", prompt.GetString()!);
        else
        {
            foreach (var (index, message) in prompt.EnumerateArray().Index())
            {
                if (TextOf(message, "type") == "placeholder")
                {
                    notes.Add(
                        $"message {index + 1} is left out: a placeholder for the messages of '{TextOf(message, "name")}'"
                    );
                    continue;
                }
                if (TextOf(message, "content") is not { } content)
                {
                    notes.Add($"message {index + 1} is left out: it has no text");
                    continue;
                }
                var speaker = TextOf(message, "role");
                var number = (index + 1).ToString("00", CultureInfo.InvariantCulture);
                // Platen has no role for what a model answered: such a message is kept as an example.
                var role = speaker is "system" or "user" ? speaker : null;
                Add(
                    role is null ? "golden_example" : role + "_prompt",
                    role,
                    $"{number}-{KindOf(speaker ?? "message")}.md",
                    content
                );
            }
        }
        if (
            json.TryGetProperty("config", out var config)
            && config.ValueKind == JsonValueKind.Object
            && config.EnumerateObject().Any()
        )
        {
            var artifact = new JsonObject { ["kind"] = "json_config", ["path"] = "config.json" };
            files.Add((artifact, System.Text.Encoding.UTF8.GetBytes(config.GetRawText())));
        }
        // 'latest' and 'stable' follow the versions here by themselves.
        var labels =
            json.TryGetProperty("labels", out var given) && given.ValueKind == JsonValueKind.Array
                ? given
                    .EnumerateArray()
                    .Select(label => label.GetString() ?? "")
                    .Where(label => !ChannelNames.IsMovedByServer(label))
                    .Select(label => label == "production" ? ChannelNames.Default : label)
                    .ToLookup(ChannelNames.IsValid)
                : Enumerable.Empty<string>().ToLookup(ChannelNames.IsValid);
        notes.AddRange(labels[false].Select(label => $"the label '{label}' is left out: no channel can be named so"));
        return new Imported(
            NameOf(TextOf(json, "name") ?? throw new FormatException("it has no name.")),
            string.Create(CultureInfo.InvariantCulture, $"{json.GetProperty("version").GetInt64()}.0.0"),
            files
        )
        {
            Changelog = TextOf(json, "commitMessage"),
            Channels = [.. labels[true]],
            Notes = notes,
        };

        void Add(string kind, string? role, string path, string text)
        {
            var artifact = new JsonObject { ["kind"] = kind, ["path"] = path };
            if (role is not null)
                artifact["role"] = role;
            files.Add((artifact, System.Text.Encoding.UTF8.GetBytes(text)));
        }
    }

    private static string? TextOf(JsonElement json, string member) =>
        json.TryGetProperty(member, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;

    /// <summary><c>master.fr</c> is <c>master</c> in French; a stem that does not end in a language is all name.</summary>
    private static (string Stem, string? Locale) SplitLocale(string stem, HashSet<string> asked)
    {
        var at = stem.LastIndexOf('.');
        return
            at > 0
            && LanguageTag.TryParse(stem[(at + 1)..], out var tag)
            && (
                asked.Contains(tag.Value)
                || Languages.Contains(tag.Language)
                || (tag.Language.Length == 3 && (tag.Script ?? tag.Region) is not null)
            )
            ? (stem[..at], tag.Value)
            : (stem, null);
    }

    private static string? RoleOf(string stem) =>
        TemplateManifest.Roles.FirstOrDefault(role =>
            KindOf(stem).Split('_', '-', '.').Contains(role, StringComparer.Ordinal)
        );

    private static string KindOf(string text) => Words(text, '_', TemplateLimits.KindLength, "file");

    private static string NameOf(string text) => Words(text, '-', TemplateName.MaxLength, "prompt");

    /// <summary>Lower-case words with one joint between them; what a person typed is kept as far as it can be.</summary>
    private static string Words(string text, char joint, int longest, string prefix)
    {
        var words = new System.Text.StringBuilder();
        foreach (var c in text.ToLowerInvariant())
        {
            if (char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c))
                words.Append(c);
            else if (words.Length > 0 && words[^1] is not ('-' or '_' or '.'))
                words.Append(c is '-' or '_' or '.' ? c : joint);
        }
        var result = words.ToString().Trim('-', '_', '.');
        if (result.Length == 0 || (joint == '_' && char.IsAsciiDigit(result[0])))
            result = $"{prefix}{joint}{result}".TrimEnd(joint);
        return result.Length <= longest ? result : result[..longest].TrimEnd('-', '_', '.');
    }

    private static CliException Unusable(string what, string why) =>
        new(
            ExitCode.Usage,
            "unusable",
            $"{what} cannot be imported: {why}",
            "'platen import --help' says what is understood."
        );
}
