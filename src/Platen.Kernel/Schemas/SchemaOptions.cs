namespace Platen.Kernel.Schemas;

/// <summary>How a schema is compiled. Immutable.</summary>
public sealed record SchemaOptions
{
    /// <summary>The defaults.</summary>
    public static SchemaOptions Default { get; } = new();

    /// <summary>
    /// Whether <c>format</c> is checked. By default it is an annotation, as the specification says; a meta-schema that
    /// uses the format-assertion vocabulary turns the check on for its schemas in any case.
    /// </summary>
    public bool AssertFormat { get; init; }

    /// <summary>
    /// Where the schema was read from: the base of a relative <c>$id</c> or <c>$ref</c>. An absolute URI without a
    /// fragment.
    /// </summary>
    public string BaseUri { get; init; } = "json-schema:///";
}
