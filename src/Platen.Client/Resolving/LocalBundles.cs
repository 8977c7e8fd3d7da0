using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Kernel.Versions;

namespace Platen.Client.Resolving;

/// <summary>A bundle in the files folder.</summary>
/// <param name="Folder">Where its manifest is.</param>
/// <param name="Version">Its version; null when the manifest names none.</param>
/// <param name="Artifacts">Its files, hashed where the manifest names no digest.</param>
internal sealed record LocalBundle(string Folder, SemVer? Version, ImmutableArray<TemplateArtifact> Artifacts);

/// <summary>The bundles of a folder: <c>{template}/manifest.json</c>, <c>{template}/{version}/manifest.json</c>, or one <c>manifest.json</c>.</summary>
internal sealed class LocalBundles(string folder, ILogger logger)
{
    /// <summary>Every readable bundle of the template, the highest version first.</summary>
    public async Task<List<LocalBundle>> FindAsync(TemplateName template, CancellationToken ct)
    {
        var found = new List<LocalBundle>();
        foreach (var place in Places(template))
        {
            if (await TryReadAsync(place, template, ct) is { } bundle)
                found.Add(bundle);
        }
        return
        [
            .. found
                .OrderBy(b => b.Version is null)
                .ThenByDescending(b => b.Version ?? default, Comparer<SemVer>.Create((a, b) => a.CompareTo(b))),
        ];
    }

    /// <summary>A file of the folder that has the digest, looked for where its path says; null when there is none.</summary>
    public async Task<byte[]?> ReadAsync(
        TemplateName template,
        string version,
        TemplateArtifact artifact,
        CancellationToken ct
    )
    {
        string[] places = [Path.Combine(folder, template.Value), Path.Combine(folder, template.Value, version), folder];
        foreach (var place in places)
        {
            if (await TryReadFileAsync(place, artifact.Path, ct) is { } bytes)
            {
                var actual = Digest.Of(bytes);
                if (actual == artifact.Digest)
                    return bytes;
                // The file of another version may be just what it should be.
                if ((await TryReadAsync(place, template, ct))?.Version?.ToString() == version)
                {
                    Log.WrongBytes(
                        logger,
                        Path.Combine(place, artifact.Path),
                        actual.ToString(),
                        artifact.Digest.ToString()
                    );
                }
            }
        }
        return null;
    }

    public static Task<byte[]?> ReadAsync(LocalBundle bundle, TemplateArtifact artifact, CancellationToken ct) =>
        TryReadFileAsync(bundle.Folder, artifact.Path, ct);

    private IEnumerable<string> Places(TemplateName template)
    {
        var own = Path.Combine(folder, template.Value);
        yield return own;
        if (Directory.Exists(own))
        {
            foreach (var version in Directory.EnumerateDirectories(own))
            {
                if (SemVer.TryParse(Path.GetFileName(version), out _))
                    yield return version;
            }
        }
        yield return folder;
    }

    private async Task<LocalBundle?> TryReadAsync(string place, TemplateName template, CancellationToken ct)
    {
        if (await TryReadFileAsync(place, "manifest.json", ct) is not { } bytes)
            return null;
        if (!TemplateManifest.TryParse(bytes, out var manifest, out var faults))
        {
            Log.BrokenEntry(
                logger,
                Path.Combine(place, "manifest.json"),
                string.Join(" ", faults.Select(f => $"{f.Pointer}: {f.Message}"))
            );
            return null;
        }
        // A manifest right in the folder may be another template's.
        if (manifest.Template is { } named ? named != template : place == folder)
            return null;
        var artifacts = ImmutableArray.CreateBuilder<TemplateArtifact>();
        foreach (var artifact in manifest.Artifacts)
        {
            var content = artifact.Digest is null ? await TryReadFileAsync(place, artifact.Path, ct) : null;
            if (artifact.Digest is null && content is null)
                continue;
            var digest = artifact.Digest ?? Digest.Of(content);
            artifacts.Add(
                new TemplateArtifact(
                    artifact.Kind,
                    artifact.Path,
                    artifact.Role,
                    artifact.Locale,
                    artifact.ContentType,
                    digest,
                    artifact.SizeBytes ?? content?.Length ?? 0,
                    artifact.Variables ?? InferVariables(artifact, content)
                )
            );
        }
        return new LocalBundle(place, manifest.Version, artifacts.ToImmutable());
    }

    private static ImmutableArray<PromptVariable> InferVariables(ManifestArtifact artifact, byte[]? content) =>
        artifact.Role is null || content is null
            ? []
            :
            [
                .. PromptText
                    .VariablesOf(System.Text.Encoding.UTF8.GetString(content))
                    .Select(name => new PromptVariable(name)),
            ];

    private static async Task<byte[]?> TryReadFileAsync(string place, string path, CancellationToken ct)
    {
        try
        {
            return await File.ReadAllBytesAsync(Path.Combine(place, path), ct);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Not there: another source has it.
            return null;
        }
    }
}
