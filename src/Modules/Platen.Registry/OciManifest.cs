using System.Globalization;
using System.Text.Json;
using System.Text.Unicode;
using Platen.Kernel;

namespace Platen.Registry;

/// <summary>A content descriptor, as far as the registry needs it.</summary>
/// <param name="Path">Under which the release lists it: a layer's title, or its place. Unique in the manifest.</param>
/// <param name="Digest">Of the content.</param>
/// <param name="SizeBytes">Of the content.</param>
/// <param name="IsElsewhere">A layer that its makers do not let others distribute: it need not be here.</param>
internal sealed record Reference(string Path, Digest Digest, long SizeBytes, bool IsElsewhere);

/// <summary>
/// A manifest as it is pushed: an image manifest (image-spec 1.1, or Docker's schema 2) or an index (or Docker's list). Its bytes
/// are kept as they are; this is what they say.
/// </summary>
/// <param name="MediaType">One of the four.</param>
/// <param name="ArtifactType">Its artifact type, for an image manifest else its config's media type, else empty.</param>
/// <param name="Subject">The manifest it is about, which need not exist.</param>
/// <param name="Blobs">Config and layers.</param>
/// <param name="Manifests">What an index lists.</param>
internal sealed record OciManifest(
    string MediaType,
    string ArtifactType,
    Digest? Subject,
    IReadOnlyList<Reference> Blobs,
    IReadOnlyList<Reference> Manifests
)
{
    public const string Image = "application/vnd.oci.image.manifest.v1+json";
    public const string Index = "application/vnd.oci.image.index.v1+json";
    private const string DockerImage = "application/vnd.docker.distribution.manifest.v2+json";
    private const string DockerList = "application/vnd.docker.distribution.manifest.list.v2+json";
    private const string Title = "org.opencontainers.image.title";

    private static readonly JsonDocumentOptions Strict = new()
    {
        AllowDuplicateProperties = false,
        MaxDepth = RegistryLimits.ManifestDepth,
    };

    public static bool IsIndex(string mediaType) => mediaType is Index or DockerList;

    /// <summary>Reads and checks it.</summary>
    /// <param name="utf8">The bytes.</param>
    /// <param name="contentType">The request's, without parameters; null when it says nothing.</param>
    /// <exception cref="ProblemException"><see cref="RegistryProblems.ManifestInvalid"/> with every fault.</exception>
    public static OciManifest Parse(ReadOnlyMemory<byte> utf8, string? contentType)
    {
        try
        {
            if (!Utf8.IsValid(utf8.Span))
                throw Invalid("The manifest is not valid UTF-8.");
            using var document = JsonDocument.Parse(utf8, Strict);
            return new Reader().Read(document.RootElement, contentType);
        }
        catch (JsonException e)
        {
            throw Invalid(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"The manifest is not the JSON we accept, at line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}."
                )
            );
        }
    }

    private static ProblemException Invalid(string detail, params IEnumerable<Fault> faults) =>
        RegistryProblems.ManifestInvalid.Because(detail, faults).AsException();

    private sealed class Reader
    {
        private readonly List<Fault> faults = [];
        private readonly HashSet<string> paths = new(StringComparer.Ordinal);

        public OciManifest Read(JsonElement root, string? contentType)
        {
            if (root.ValueKind != JsonValueKind.Object)
                throw Invalid("The manifest is not a JSON object.");
            var mediaType = MediaTypeOf(root, contentType);
            if (
                !root.TryGetProperty("schemaVersion", out var version)
                || version.ValueKind != JsonValueKind.Number
                || !version.TryGetInt32(out var number)
                || number != 2
            )
            {
                faults.Add(new Fault("/schemaVersion", "It must be 2."));
            }
            var isIndex = IsIndex(mediaType);
            // A document that is both has been read as the one and checked as the other (CVE-2021-41190).
            foreach (var stray in (string[])(isIndex ? ["config", "layers", "fsLayers"] : ["manifests", "fsLayers"]))
            {
                if (root.TryGetProperty(stray, out _))
                    faults.Add(new Fault("/" + stray, $"A manifest of the type {mediaType} has no such member."));
            }
            var blobs = new List<Reference>();
            var manifests = new List<Reference>();
            var artifactType = Text(root, "artifactType", "/artifactType");
            if (isIndex)
            {
                ReadList(root, "manifests", manifests);
            }
            else
            {
                if (root.TryGetProperty("config", out var config))
                {
                    blobs.AddIfNotNull(ReadDescriptor(config, "/config", "@config"));
                    if (artifactType.Length == 0 && config.ValueKind == JsonValueKind.Object)
                        artifactType = Text(config, "mediaType", "/config/mediaType");
                }
                else
                {
                    faults.Add(new Fault("/config", "It is missing."));
                }
                ReadList(root, "layers", blobs);
            }
            Digest? subject = null;
            if (root.TryGetProperty("subject", out var about) && about.ValueKind != JsonValueKind.Null)
                subject = ReadDescriptor(about, "/subject", "@subject")?.Digest;
            if (root.TryGetProperty("annotations", out var annotations))
                CheckAnnotations(annotations, "/annotations");
            if (faults.Count > 0)
                throw Invalid($"The manifest is not valid: {faults[0].Pointer}: {faults[0].Message}", faults);
            return new OciManifest(mediaType, artifactType, subject, blobs, manifests);
        }

        private static string MediaTypeOf(JsonElement root, string? contentType)
        {
            string? own = null;
            if (root.TryGetProperty("mediaType", out var member))
            {
                own =
                    member.ValueKind == JsonValueKind.String
                        ? member.GetString()
                        : throw Invalid(
                            "The manifest's mediaType is not a string.",
                            new Fault("/mediaType", "Not a string.")
                        );
            }
            var sent = contentType is null or "" or "application/json" or "application/octet-stream"
                ? null
                : contentType;
            if (own is not null && sent is not null && own != sent)
            {
                throw Invalid(
                    $"The manifest says it is '{RepositoryName.Shown(own)}', its Content-Type '{RepositoryName.Shown(sent)}'.",
                    new Fault("/mediaType", "Not the Content-Type that it was sent with.")
                );
            }
            var mediaType = own ?? sent ?? (root.TryGetProperty("manifests", out _) ? Index : Image);
            return mediaType is Image or Index or DockerImage or DockerList
                ? mediaType
                : throw Invalid(
                    $"Manifests of the type '{RepositoryName.Shown(mediaType)}' are not taken; send an OCI or Docker image manifest or index."
                );
        }

        private void ReadList(JsonElement root, string name, List<Reference> into)
        {
            if (!root.TryGetProperty(name, out var list) || list.ValueKind != JsonValueKind.Array)
            {
                faults.Add(new Fault("/" + name, "It is missing, or not a list."));
                return;
            }
            if (list.GetArrayLength() > RegistryLimits.References)
            {
                faults.Add(
                    new Fault(
                        "/" + name,
                        string.Create(CultureInfo.InvariantCulture, $"At most {RegistryLimits.References:N0} entries.")
                    )
                );
                return;
            }
            var index = 0;
            foreach (var entry in list.EnumerateArray())
            {
                var at = string.Create(CultureInfo.InvariantCulture, $"{name}/{index++}");
                into.AddIfNotNull(ReadDescriptor(entry, "/" + at, "@" + at));
            }
        }

        private Reference? ReadDescriptor(JsonElement descriptor, string pointer, string place)
        {
            if (descriptor.ValueKind != JsonValueKind.Object)
            {
                faults.Add(new Fault(pointer, "It is not a descriptor."));
                return null;
            }
            var mediaType = Text(descriptor, "mediaType", pointer + "/mediaType");
            if (mediaType.Length == 0)
                faults.Add(new Fault(pointer + "/mediaType", "It is missing."));
            else if (
                mediaType.IndexOf('/', StringComparison.Ordinal) is var slash
                && (slash < 1 || slash == mediaType.Length - 1)
            )
                faults.Add(new Fault(pointer + "/mediaType", "It is not a media type, such as 'text/plain'."));
            var digestText = Text(descriptor, "digest", pointer + "/digest");
            if (!Digest.TryParse(digestText, out var digest))
                faults.Add(new Fault(pointer + "/digest", "It is not a SHA-256 digest."));
            var size = -1L;
            if (
                !descriptor.TryGetProperty("size", out var member)
                || member.ValueKind != JsonValueKind.Number
                || !member.TryGetInt64(out size)
                || size < 0
            )
            {
                faults.Add(new Fault(pointer + "/size", "It is not a number of bytes."));
            }
            if (descriptor.TryGetProperty("annotations", out var annotations))
                CheckAnnotations(annotations, pointer + "/annotations");
            var isElsewhere =
                mediaType.Contains("nondistributable", StringComparison.Ordinal)
                || mediaType.Contains(".foreign.", StringComparison.Ordinal);
            return new Reference(PathOf(descriptor, place), digest, size, isElsewhere);
        }

        // A layer is listed under its title where that can be: the place is what every layer has.
        private string PathOf(JsonElement descriptor, string place)
        {
            var path = place;
            if (
                descriptor.TryGetProperty("annotations", out var annotations)
                && annotations.ValueKind == JsonValueKind.Object
                && annotations.TryGetProperty(Title, out var title)
                && title.ValueKind == JsonValueKind.String
                && TryText(title) is { Length: > 0 and <= 1024 } text
                && text[0] != '@'
                && !text.Contains('\0', StringComparison.Ordinal)
            )
            {
                path = text;
            }
            return paths.Add(path) ? path : place;
        }

        private string Text(JsonElement parent, string name, string pointer)
        {
            if (!parent.TryGetProperty(name, out var member) || member.ValueKind == JsonValueKind.Null)
                return "";
            if (
                member.ValueKind == JsonValueKind.String
                && TryText(member) is { } text
                && text.Length <= RegistryLimits.MediaTypeLength
                && !text.AsSpan().ContainsAnyExceptInRange(' ', '~')
            )
            {
                return text;
            }
            faults.Add(
                new Fault(
                    pointer,
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"It is not a text of at most {RegistryLimits.MediaTypeLength} ASCII characters."
                    )
                )
            );
            return "";
        }

        private void CheckAnnotations(JsonElement annotations, string pointer)
        {
            if (annotations.ValueKind == JsonValueKind.Null)
                return;
            if (
                annotations.ValueKind != JsonValueKind.Object
                || annotations.EnumerateObject().Any(a => a.Value.ValueKind != JsonValueKind.String)
            )
            {
                faults.Add(new Fault(pointer, "Annotations are texts by name."));
            }
        }

        // JSON can hold half a surrogate pair, which no text can.
        private static string? TryText(JsonElement element)
        {
            try
            {
                return element.GetString();
            }
            catch (InvalidOperationException)
            {
                return null;
            }
        }
    }
}

internal static class References
{
    public static void AddIfNotNull(this List<Reference> list, Reference? reference)
    {
        if (reference is not null)
            list.Add(reference);
    }
}
