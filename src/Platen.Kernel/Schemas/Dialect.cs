namespace Platen.Kernel.Schemas;

/// <summary>The vocabularies of draft 2020-12.</summary>
[Flags]
internal enum Vocabularies
{
    None = 0,
    Core = 1,
    Applicator = 2,
    Unevaluated = 4,
    Validation = 8,
    MetaData = 16,
    FormatAnnotation = 32,
    FormatAssertion = 64,
    Content = 128,
}

/// <summary>Which keywords a meta-schema turns on.</summary>
/// <param name="IsDraft2019">
/// The document says it is written for 2019-09, whose array keywords and recursion differ. Only met through references.
/// </param>
internal sealed record Dialect(string Uri, Vocabularies Vocabularies, bool IsDraft2019 = false)
{
    public const string Draft202012 = "https://json-schema.org/draft/2020-12/schema";
    public const string Draft201909 = "https://json-schema.org/draft/2019-09/schema";

    private const string VocabularyPrefix = "https://json-schema.org/draft/2020-12/vocab/";

    public static readonly Dialect Standard = new(
        Draft202012,
        Vocabularies.Core
            | Vocabularies.Applicator
            | Vocabularies.Unevaluated
            | Vocabularies.Validation
            | Vocabularies.MetaData
            | Vocabularies.FormatAnnotation
            | Vocabularies.Content
    );

    public static readonly Dialect Older = Standard with { Uri = Draft201909, IsDraft2019 = true };

    public bool Has(Vocabularies vocabulary) => (Vocabularies & vocabulary) != Schemas.Vocabularies.None;

    public static Vocabularies? FindVocabulary(string uri) =>
        !uri.StartsWith(VocabularyPrefix, StringComparison.Ordinal)
            ? null
            : uri[VocabularyPrefix.Length..] switch
            {
                "core" => Vocabularies.Core,
                "applicator" => Vocabularies.Applicator,
                "unevaluated" => Vocabularies.Unevaluated,
                "validation" => Vocabularies.Validation,
                "meta-data" => Vocabularies.MetaData,
                "format-annotation" => Vocabularies.FormatAnnotation,
                "format-assertion" => Vocabularies.FormatAssertion,
                "content" => Vocabularies.Content,
                _ => null,
            };
}
