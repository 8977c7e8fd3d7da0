using System.Text.Json;

namespace Platen.Kernel.Schemas;

/// <summary>
/// A compiled JSON Schema, draft 2020-12 (json-schema.org/draft/2020-12: core and validation). Immutable; any number of
/// threads may validate with one at once. What is supported, and where it differs: docs/reference/json-schema.md.
/// </summary>
public sealed class JsonSchema
{
    private static readonly JsonDocumentOptions InstanceOptions = new()
    {
        MaxDepth = SchemaLimits.InstanceDepth,
        AllowDuplicateProperties = false,
    };

    private readonly SchemaNode root;

    internal JsonSchema(JsonElement document, SchemaNode root)
    {
        Document = document;
        this.root = root;
    }

    /// <summary>The schema as it was given: for its titles, defaults and keywords of one's own.</summary>
    public JsonElement Document { get; }

    /// <summary>Compiles a schema, checking it against its meta-schema first.</summary>
    /// <param name="utf8Schema">One JSON text, at most <see cref="SchemaLimits.SchemaBytes"/>; copied.</param>
    /// <param name="registry">What references may lead to, besides the schema itself and the bundled meta-schemas.</param>
    /// <exception cref="SchemaCompileException">The schema cannot be used, and why.</exception>
    public static JsonSchema Compile(
        ReadOnlyMemory<byte> utf8Schema,
        SchemaOptions? options = null,
        SchemaRegistry? registry = null
    )
    {
        options ??= SchemaOptions.Default;
        return SchemaCompiler.Compile(SchemaCompiler.Parse(utf8Schema, options.BaseUri), options, registry);
    }

    /// <inheritdoc cref="Compile(ReadOnlyMemory{byte}, SchemaOptions?, SchemaRegistry?)"/>
    /// <param name="schema">The schema; copied, so that its document may be disposed.</param>
    public static JsonSchema Compile(
        JsonElement schema,
        SchemaOptions? options = null,
        SchemaRegistry? registry = null
    ) => Compile(System.Runtime.InteropServices.JsonMarshal.GetRawUtf8Value(schema).ToArray(), options, registry);

    /// <summary>Validates a value. Allocates nothing when it is valid, apart from what docs/reference/json-schema.md lists.</summary>
    public SchemaResult Validate(JsonElement instance, SchemaOutput output = SchemaOutput.Basic) =>
        Evaluation.Run(root, instance, output);

    /// <summary>
    /// Validates one JSON text in UTF-8. Text that is no JSON, has a name twice in one object, or nests deeper than
    /// <see cref="SchemaLimits.InstanceDepth"/> is <see cref="SchemaOutcome.Abandoned"/>.
    /// </summary>
    public SchemaResult Validate(ReadOnlyMemory<byte> utf8Instance, SchemaOutput output = SchemaOutput.Basic)
    {
        try
        {
            using var document = JsonDocument.Parse(utf8Instance, InstanceOptions);
            return Evaluation.Run(root, document.RootElement, output);
        }
        catch (JsonException fault)
        {
            return SchemaResult.Abandon("syntax", JsonFault.Describe(fault));
        }
    }

    /// <summary>Validates the next JSON value of <paramref name="reader"/>, which ends on that value's last token.</summary>
    /// <remarks>The reader's own depth limit applies, and names met twice are each validated.</remarks>
    public SchemaResult Validate(ref Utf8JsonReader reader, SchemaOutput output = SchemaOutput.Basic)
    {
        try
        {
            using var document = JsonDocument.ParseValue(ref reader);
            return Evaluation.Run(root, document.RootElement, output);
        }
        catch (JsonException fault)
        {
            return SchemaResult.Abandon("syntax", JsonFault.Describe(fault));
        }
    }

    /// <summary>Whether the value is valid, and nothing more. False also when validation is abandoned.</summary>
    public bool IsValid(JsonElement instance) => Validate(instance, SchemaOutput.Flag).IsValid;
}

internal static class JsonFault
{
    public static string Describe(JsonException fault)
    {
        // The reader's message ends with the path and position it also offers as properties.
        var message = fault.Message;
        var end = message.IndexOf(" Path:", StringComparison.Ordinal);
        if (end < 0)
            end = message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        if (end >= 0)
            message = message[..end];
        return fault.LineNumber is null
            ? message
            : string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"{message} Line {fault.LineNumber + 1}, byte {fault.BytePositionInLine + 1}."
            );
    }
}
