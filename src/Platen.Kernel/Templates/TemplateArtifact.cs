using System.Collections.Immutable;

namespace Platen.Kernel.Templates;

/// <summary>A variable that a prompt declares: written <c>{{name}}</c> in its text.</summary>
/// <param name="Name">See <see cref="PromptText.IsVariableName"/>.</param>
/// <param name="Required">Whether rendering without a value is refused; a variable with a default is never missing.</param>
/// <param name="Default">What stands in for a value that is not given; null when nothing does.</param>
/// <param name="Description">For whoever fills it in; may be null.</param>
public sealed record PromptVariable(
    string Name,
    bool Required = true,
    string? Default = null,
    string? Description = null
);

/// <summary>One file of a template's version, as the manifest lists it.</summary>
/// <param name="Kind">What it is for, such as <c>master_prompt</c>, <c>json_config</c> or <c>golden_example</c>.</param>
/// <param name="Path">Its path in the bundle, with <c>/</c>; unique in it.</param>
/// <param name="Role">Who speaks it: <c>system</c>, <c>manager</c> or <c>user</c>; null when it is no prompt.</param>
/// <param name="Locale">A BCP 47 tag; null when it is for every language.</param>
/// <param name="ContentType">Such as <c>text/markdown; charset=utf-8</c>.</param>
/// <param name="Digest">The digest of its bytes.</param>
/// <param name="SizeBytes">How many bytes it has.</param>
/// <param name="Variables">What a prompt declares; empty for other files.</param>
/// <param name="IncludedFrom">Of an included file, the version it was pinned at, such as <c>house-tone@1.2.0</c>; else null.</param>
public sealed record TemplateArtifact(
    string Kind,
    string Path,
    string? Role,
    string? Locale,
    string ContentType,
    Digest Digest,
    long SizeBytes,
    ImmutableArray<PromptVariable> Variables,
    string? IncludedFrom = null
)
{
    /// <summary><see cref="Variables"/>; none where an answer does not name them.</summary>
    internal ImmutableArray<PromptVariable> DeclaredVariables => Variables.IsDefault ? [] : Variables;

    /// <summary>Where the disk cache keeps it below <c>{template}/{version}/</c>: <c>{kind}_{locale}</c>, <c>und</c> for no locale.</summary>
    /// <remarks>A file that shares kind and locale with one before it in the manifest gets a suffix from its path.</remarks>
    public string CacheName(IEnumerable<TemplateArtifact> all)
    {
        var name = $"{Kind}_{Locale ?? "und"}";
        var first = all.First(one => one.Kind == Kind && one.Locale == Locale);
        return first.Path == Path ? name : name + "." + Digest.Of(System.Text.Encoding.UTF8.GetBytes(Path)).Hex[..12];
    }
}

/// <summary>Which file of a version is wanted. Every member narrows the choice; a null member does not.</summary>
/// <param name="Kind">The artifact's kind.</param>
/// <param name="Role">The artifact's role.</param>
/// <param name="Path">The artifact's path.</param>
/// <param name="Locale">The wanted language, a BCP 47 tag or an Accept-Language list; followed up its fallback chain.</param>
public readonly record struct ArtifactQuery(
    string? Kind = null,
    string? Role = null,
    string? Path = null,
    string? Locale = null
);

/// <summary>What was found for an <see cref="ArtifactQuery"/>.</summary>
public abstract record ArtifactChoice(string Explanation)
{
    /// <summary>One artifact answers it.</summary>
    public sealed record Chosen(TemplateArtifact Artifact, string Explanation) : ArtifactChoice(Explanation);

    /// <summary>No artifact has that kind, role and path.</summary>
    public sealed record Nothing(string Explanation) : ArtifactChoice(Explanation);

    /// <summary>Several do, and the query does not say which.</summary>
    public sealed record Several(ImmutableArray<string> Paths, string Explanation) : ArtifactChoice(Explanation);
}
