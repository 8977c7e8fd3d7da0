using System.Collections.Concurrent;
using System.Reflection;
using System.Text.Json;

namespace Platen.Kernel.Schemas;

/// <summary>
/// The documents a <c>$ref</c> or <c>$schema</c> may lead to; nothing is ever fetched. The meta-schemas of draft 2020-12
/// are always there. Safe for many threads.
/// </summary>
public sealed class SchemaRegistry
{
    private static readonly string[] MetaSchemaNames =
    [
        "schema",
        "meta/core",
        "meta/applicator",
        "meta/unevaluated",
        "meta/validation",
        "meta/meta-data",
        "meta/format-annotation",
        "meta/format-assertion",
        "meta/content",
    ];

    private static readonly Lazy<IReadOnlyDictionary<string, JsonElement>> Bundled = new(LoadBundled);

    private readonly ConcurrentDictionary<string, JsonElement> documents = new(StringComparer.Ordinal);

    /// <summary>The absolute URIs of the bundled meta-schemas.</summary>
    public static IReadOnlyCollection<string> MetaSchemas => [.. Bundled.Value.Keys];

    /// <summary>Adds a document under <paramref name="uri"/>, and under its own <c>$id</c> when it has one.</summary>
    /// <param name="uri">An absolute URI; a fragment is ignored. A second document under the same URI replaces the first.</param>
    /// <param name="utf8Json">The document; copied.</param>
    /// <returns>This registry.</returns>
    /// <exception cref="SchemaCompileException">The bytes are no JSON, or exceed <see cref="SchemaLimits"/>.</exception>
    public SchemaRegistry Add(string uri, ReadOnlyMemory<byte> utf8Json)
    {
        ArgumentNullException.ThrowIfNull(uri);
        var root = SchemaCompiler.Parse(utf8Json, uri);
        var key = SchemaUri.Parse(uri).WithoutFragment();
        documents[key.ToString()] = root;
        if (
            root.ValueKind == JsonValueKind.Object
            && root.TryGetProperty("$id", out var id)
            && id.ValueKind == JsonValueKind.String
        )
            documents[key.Resolve(JsonText.ToText(JsonEquality.Raw(id))).WithoutFragment().ToString()] = root;
        return this;
    }

    internal bool TryGet(string uri, out JsonElement document) =>
        documents.TryGetValue(uri, out document) || Bundled.Value.TryGetValue(uri, out document);

    internal static JsonElement MetaSchema => Bundled.Value[Dialect.Draft202012];

    private static Dictionary<string, JsonElement> LoadBundled()
    {
        var loaded = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var name in MetaSchemaNames)
        {
            using var stream =
                Assembly.GetExecutingAssembly().GetManifestResourceStream($"json-schema/2020-12/{name}")
                ?? throw new InvalidOperationException($"The meta-schema {name} is missing from this assembly.");
            using var document = JsonDocument.Parse(stream);
            loaded["https://json-schema.org/draft/2020-12/" + name] = document.RootElement.Clone();
        }
        return loaded;
    }
}
