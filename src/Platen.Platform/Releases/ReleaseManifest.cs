using System.Buffers;
using System.Collections.Immutable;
using System.Text.Json;
using Platen.Kernel;
using Platen.Kernel.Json;

namespace Platen.Platform.Releases;

/// <summary>One file of a release: an OCI content descriptor.</summary>
/// <param name="Path">Its path in the release (<c>org.opencontainers.image.title</c>); unique within it.</param>
/// <param name="Digest">The digest of its bytes.</param>
/// <param name="MediaType">Such as <c>text/html; charset=utf-8</c>.</param>
/// <param name="SizeBytes">The length of its bytes.</param>
/// <param name="Annotations">Further annotations, by key; the path is not among them.</param>
public sealed record ReleaseFile(
    string Path,
    Digest Digest,
    string MediaType,
    long SizeBytes,
    ImmutableSortedDictionary<string, string> Annotations
)
{
    /// <summary>The value of an annotation, or null.</summary>
    public string? Annotation(string key) => Annotations.GetValueOrDefault(key);
}

/// <summary>
/// A release's content: an OCI image manifest (image-spec 1.1, "Guidelines for Artifact Usage") with a layer for each file. Its
/// canonical bytes (RFC 8785) are hashed; the digest is the release's identity, so equal content is the same release.
/// </summary>
/// <param name="ArtifactType">Such as <c>application/vnd.platen.widget.v1</c>.</param>
/// <param name="Files">At most <see cref="MostFiles"/>, in the order they are listed.</param>
/// <param name="Annotations">About the release as a whole.</param>
public sealed record ReleaseManifest(
    string ArtifactType,
    ImmutableArray<ReleaseFile> Files,
    ImmutableSortedDictionary<string, string> Annotations
)
{
    /// <summary>The media type of the manifest itself.</summary>
    public const string MediaType = "application/vnd.oci.image.manifest.v1+json";

    /// <summary>Files in one release: a project of 10,000 files fits with room, and the manifest stays below 4 MiB.</summary>
    public const int MostFiles = 12_000;

    /// <summary>Bytes of a manifest that any OCI registry must accept.</summary>
    public const int MostBytes = 4 * 1024 * 1024;

    private const string TitleKey = "org.opencontainers.image.title";
    private const string EmptyMediaType = "application/vnd.oci.empty.v1+json";

    /// <summary>The bytes of the empty config that artifacts point at, as the image specification fixes them.</summary>
    public static ReadOnlyMemory<byte> EmptyConfig { get; } = "{}"u8.ToArray();

    /// <summary>The digest of <see cref="EmptyConfig"/>.</summary>
    public static Digest EmptyConfigDigest { get; } = Digest.Of(EmptyConfig.Span);

    /// <summary>The canonical bytes; their digest names the release.</summary>
    /// <exception cref="InvalidOperationException">There are too many files, or two of one path.</exception>
    public byte[] ToCanonicalBytes()
    {
        if (Files.Length > MostFiles)
            throw new InvalidOperationException($"A release holds at most {MostFiles} files, not {Files.Length}.");
        var paths = new HashSet<string>(StringComparer.Ordinal);
        var text = new ArrayBufferWriter<byte>(256 + (Files.Length * 256));
        using (var writer = new Utf8JsonWriter(text))
        {
            writer.WriteStartObject();
            writer.WriteNumber("schemaVersion", 2);
            writer.WriteString("mediaType", MediaType);
            writer.WriteString("artifactType", ArtifactType);
            writer.WriteStartObject("config");
            WriteDescriptor(writer, EmptyMediaType, EmptyConfigDigest, EmptyConfig.Length);
            writer.WriteEndObject();
            writer.WriteStartArray("layers");
            foreach (var file in Files)
            {
                if (!paths.Add(file.Path))
                    throw new InvalidOperationException($"Two files of a release have the path '{file.Path}'.");
                writer.WriteStartObject();
                WriteDescriptor(writer, file.MediaType, file.Digest, file.SizeBytes);
                WriteAnnotations(writer, file.Annotations.SetItem(TitleKey, file.Path));
                writer.WriteEndObject();
            }
            writer.WriteEndArray();
            WriteAnnotations(writer, Annotations);
            writer.WriteEndObject();
        }
        var canonical = new ArrayBufferWriter<byte>(text.WrittenCount);
        CanonicalJson.Serialize(text.WrittenSpan, canonical);
        return canonical.WrittenSpan.ToArray();
    }

    /// <summary>Reads a manifest that Platen made, or one of the same shape.</summary>
    /// <exception cref="JsonException">It is not JSON, or a required member is missing or malformed.</exception>
    public static ReleaseManifest Parse(ReadOnlyMemory<byte> utf8)
    {
        try
        {
            return Read(utf8);
        }
        // A member of another kind, half a surrogate pair, or a number that is no size.
        catch (Exception e) when (e is InvalidOperationException or FormatException)
        {
            throw new JsonException("A member of the manifest is malformed.", e);
        }
    }

    private static ReleaseManifest Read(ReadOnlyMemory<byte> utf8)
    {
        using var document = JsonDocument.Parse(utf8, new JsonDocumentOptions { MaxDepth = Limits.JsonDepth });
        var root = document.RootElement;
        var files = ImmutableArray.CreateBuilder<ReleaseFile>();
        foreach (var layer in Required(root, "layers").EnumerateArray())
        {
            var annotations = ReadAnnotations(layer);
            files.Add(
                new ReleaseFile(
                    annotations.GetValueOrDefault(TitleKey) ?? throw new JsonException("A layer has no title."),
                    Digest.TryParse(Text(layer, "digest"), out var digest)
                        ? digest
                        : throw new JsonException("A layer's digest is malformed."),
                    Text(layer, "mediaType"),
                    Required(layer, "size").GetInt64(),
                    annotations.Remove(TitleKey)
                )
            );
        }
        return new ReleaseManifest(Text(root, "artifactType"), files.ToImmutable(), ReadAnnotations(root));
    }

    private static void WriteDescriptor(Utf8JsonWriter writer, string mediaType, Digest digest, long sizeBytes)
    {
        writer.WriteString("mediaType", mediaType);
        writer.WriteString("digest", digest.ToString());
        writer.WriteNumber("size", sizeBytes);
    }

    private static void WriteAnnotations(Utf8JsonWriter writer, ImmutableSortedDictionary<string, string> annotations)
    {
        if (annotations.IsEmpty)
            return;
        writer.WriteStartObject("annotations");
        foreach (var (key, value) in annotations)
            writer.WriteString(key, value);
        writer.WriteEndObject();
    }

    private static ImmutableSortedDictionary<string, string> ReadAnnotations(JsonElement element)
    {
        var annotations = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        if (element.TryGetProperty("annotations", out var members) && members.ValueKind != JsonValueKind.Null)
        {
            foreach (var member in members.EnumerateObject())
                annotations[member.Name] = member.Value.GetString() ?? "";
        }
        return annotations.ToImmutable();
    }

    private static JsonElement Required(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value)
            ? value
            : throw new JsonException($"The manifest has no '{name}'.");

    private static string Text(JsonElement element, string name) =>
        Required(element, name) is { ValueKind: JsonValueKind.String } value
            ? value.GetString()!
            : throw new JsonException($"The manifest's '{name}' is not a string.");
}
