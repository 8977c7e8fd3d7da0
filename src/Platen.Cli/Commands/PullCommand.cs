using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Platen.Client;
using Platen.Kernel.Templates;
using Platen.Kernel.Versions;

namespace Platen.Cli.Commands;

/// <summary><c>platen pull</c>: writes a version of a template into a folder, in the form that <c>platen push</c> reads.</summary>
internal static class PullCommand
{
    private static readonly Argument<string> Name = new("name")
    {
        Description = "The template's name.",
        HelpName = "NAME",
    };

    private static readonly Option<string?> Version = new("--version")
    {
        Description = "A version, a range such as 1.x, or a channel. Else the default.",
        HelpName = "RANGE|ALIAS",
    };

    private static readonly Option<string?> Folder = new("--dir")
    {
        Description = "Where to write. Else a folder of the template's name here.",
        HelpName = "DIR",
    };

    private static readonly Option<bool> Force = new("--force") { Description = "Replace files that differ." };

    private static readonly JsonSerializerOptions FileStyle = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static Command Create() =>
        new Command("pull", "Write a version of a template into a folder, as 'platen push' reads it.")
        {
            TemplatesCommand.Workspace,
            Name,
            Version,
            Folder,
            Force,
        }.Runs(RunAsync);

    private static async Task<int> RunAsync(Invocation run, CancellationToken ct)
    {
        var name = TemplatesCommand.ReadName(run.Value(Name));
        var resolution = await run.Client.ResolveTemplateAsync(name, new TemplateQuestion(run.Value(Version)), ct);
        var version = (
            await run.Client.FindTemplateVersionAsync(name, SemVer.Parse(resolution.Version), ct)
            ?? throw TemplatesCommand.NoSuchVersion(name, resolution.Version)
        ).Value;
        var folder = Path.GetFullPath(run.Value(Folder) ?? name.Value, run.Terminal.WorkingFolder);
        var files = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var artifact in version.Artifacts.Where(a => a.IncludedFrom is null))
        {
            if (!TemplateManifest.IsPath(artifact.Path))
                throw Unsafe(artifact.Path);
            run.Output.Progress(artifact.Path);
            files[artifact.Path] = await run.Client.GetTemplateBlobAsync(name, artifact.Digest, ct);
        }
        files["manifest.json"] = JsonSerializer.SerializeToUtf8Bytes(ManifestOf(version), FileStyle);
        Write(folder, files, run.Value(Force));
        run.Output.Document(
            new JsonObject
            {
                ["template"] = name.Value,
                ["version"] = version.Version,
                ["release"] = version.Release.ToString(),
                ["folder"] = folder,
                ["files"] = files.Count,
            }
        );
        run.Output.Line($"{name} {version.Version} ({version.Release}) is in {folder}: {files.Count} files");
        return ExitCode.Ok;
    }

    private static JsonObject ManifestOf(TemplateVersionDetail version)
    {
        var json = new JsonObject { ["template"] = version.Template, ["version"] = version.Version };
        if (version.Changelog is not null)
            json["changelog"] = version.Changelog;
        var artifacts = new JsonArray();
        var includes = new JsonArray();
        foreach (var artifact in version.Artifacts)
        {
            if (artifact.IncludedFrom is { } from)
            {
                var name = artifact.Path.Split('/')[1];
                var at = from.LastIndexOf('@');
                if (includes.All(one => one!["name"]!.GetValue<string>() != name))
                {
                    includes.Add(
                        new JsonObject
                        {
                            ["name"] = name,
                            ["template"] = from[..at],
                            ["version"] = from[(at + 1)..],
                            ["kind"] = artifact.Kind,
                        }
                    );
                }
                continue;
            }
            artifacts.Add(
                TemplateFolder.ToJson(
                    new ManifestArtifact(
                        artifact.Kind,
                        artifact.Path,
                        artifact.Role,
                        artifact.Locale,
                        artifact.ContentType,
                        null,
                        null,
                        artifact.Variables.IsDefaultOrEmpty ? null : artifact.Variables
                    )
                )
            );
        }
        json["artifacts"] = artifacts;
        if (includes.Count > 0)
            json["includes"] = includes;
        return json;
    }

    private static void Write(string folder, Dictionary<string, byte[]> files, bool force)
    {
        try
        {
            var differing = files
                .Where(file => File.Exists(Path.Combine(folder, file.Key)))
                .Where(file => !File.ReadAllBytes(Path.Combine(folder, file.Key)).AsSpan().SequenceEqual(file.Value))
                .Select(file => file.Key)
                .ToList();
            if (differing.Count > 0 && !force)
            {
                throw new CliException(
                    ExitCode.Stale,
                    "files-differ",
                    $"{differing.Count} files in {folder} differ, such as {differing[0]}.",
                    "Pass --force to replace them, or --dir for another folder."
                );
            }
            foreach (var (path, bytes) in files)
            {
                var target = Path.Combine(folder, path);
                Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                var temporary = target + ".new";
                File.WriteAllBytes(temporary, bytes);
                File.Move(temporary, target, overwrite: true);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CliException(
                ExitCode.Usage,
                "unusable",
                $"{folder} cannot be written: {e.Message}",
                "Check the path and its rights."
            );
        }
    }

    private static CliException Unsafe(string path) =>
        new(
            ExitCode.Unreachable,
            "not-platen",
            $"The server names a file '{path}', which would leave the folder.",
            "Check that the address is a Platen server's."
        );
}
