namespace Platen.Kernel.Schemas;

/// <summary>Where a keyword's value holds schemas.</summary>
[Flags]
internal enum KeywordShape
{
    /// <summary>Nowhere: the value is itself.</summary>
    Value = 0,
    Schema = 1,
    List = 2,
    Map = 4,
}

internal static class Keywords
{
    /// <summary>The name under which 2019-09's <c>$recursiveAnchor</c> is kept: no anchor can be called so.</summary>
    public const string RecursiveAnchor = "";

    public static KeywordShape ShapeOf(string keyword, Dialect dialect)
    {
        switch (keyword)
        {
            case "$defs":
                return KeywordShape.Map;
            case "definitions":
                return KeywordShape.Map;
            case "unevaluatedItems" or "unevaluatedProperties":
                return dialect.Has(Vocabularies.Unevaluated) ? KeywordShape.Schema : KeywordShape.Value;
        }
        if (!dialect.Has(Vocabularies.Applicator))
            return KeywordShape.Value;
        return keyword switch
        {
            "prefixItems" => dialect.IsDraft2019 ? KeywordShape.Value : KeywordShape.List,
            "items" => dialect.IsDraft2019 ? KeywordShape.Schema | KeywordShape.List : KeywordShape.Schema,
            "additionalItems" => dialect.IsDraft2019 ? KeywordShape.Schema : KeywordShape.Value,
            "allOf" or "anyOf" or "oneOf" => KeywordShape.List,
            "properties" or "patternProperties" or "dependentSchemas" or "dependencies" => KeywordShape.Map,
            "contains"
            or "contentSchema"
            or "additionalProperties"
            or "propertyNames"
            or "if"
            or "then"
            or "else"
            or "not" => KeywordShape.Schema,
            _ => KeywordShape.Value,
        };
    }
}
