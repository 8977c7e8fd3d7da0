using System.Collections.Immutable;
using Platen.Kernel;
using Platen.Kernel.Templates;

namespace Platen.Client.Resolving;

/// <summary>Where the bytes of a result came from.</summary>
public enum ByteSource
{
    /// <summary>This process had them.</summary>
    Memory,

    /// <summary>The cache folder.</summary>
    DiskCache,

    /// <summary>The registry's store, over HTTP.</summary>
    Store,

    /// <summary>The files folder.</summary>
    Files,
}

/// <summary>Who said which version it is.</summary>
public enum PointerSource
{
    /// <summary>The registry, now or at some time within <see cref="ResolvedArtifact.Age"/>.</summary>
    Registry,

    /// <summary>The manifest in the files folder.</summary>
    LocalManifest,
}

/// <summary>What is wanted: a file of a template. Every member but the template may be null.</summary>
/// <param name="Template">The template's name.</param>
/// <param name="Version">An exact version, a range, or a channel; null for the default.</param>
/// <param name="Kind">The artifact's kind.</param>
/// <param name="Locale">The wanted language, a BCP 47 tag or an Accept-Language list.</param>
/// <param name="Role">The artifact's role.</param>
/// <param name="Path">The artifact's path.</param>
/// <param name="Key">Whose request it is, such as a user's id: decides the side of a trial. Null is always on the live side.</param>
public readonly record struct ArtifactRequest(
    TemplateName Template,
    string? Version = null,
    string? Kind = null,
    string? Locale = null,
    string? Role = null,
    string? Path = null,
    string? Key = null
)
{
    internal ArtifactQuery Query => new(Kind, Role, Path, Locale);
}

/// <summary>A file, verified, with everything about why it is this one. Immutable and safe to share.</summary>
public sealed class ResolvedArtifact
{
    private readonly LoadedArtifact loaded;
    private readonly MemoryFile file;

    internal ResolvedArtifact(
        LoadedArtifact loaded,
        MemoryFile file,
        ByteSource source,
        TimeSpan age,
        bool isStale,
        string? key
    )
    {
        this.loaded = loaded;
        this.file = file;
        Source = source;
        Age = age;
        IsStale = isStale;
        Key = key;
    }

    /// <summary>The template.</summary>
    public TemplateName Template => loaded.Template;

    /// <summary>The version that was chosen.</summary>
    public string Version => loaded.Version;

    /// <summary>The file's place in it: kind, path, role, locale, content type, variables.</summary>
    public TemplateArtifact Artifact => loaded.Artifact;

    /// <summary>The digest of <see cref="Bytes"/>, which were held against it.</summary>
    public Digest Digest => loaded.Digest;

    /// <summary>The digest of the version's release; null when the local manifest decided.</summary>
    public Digest? Release => loaded.Release;

    /// <summary>The file.</summary>
    public ReadOnlyMemory<byte> Bytes => file.Bytes;

    /// <summary>The file as UTF-8 text; made once.</summary>
    public string Text => file.Text;

    /// <summary>Where the bytes came from.</summary>
    public ByteSource Source { get; }

    /// <summary>Who said which version it is.</summary>
    public PointerSource PointerSource => loaded.PointerSource;

    /// <summary>Why this version: the registry's rule, <c>local-manifest</c>, or <c>unpinned</c>.</summary>
    public string Rule => loaded.Rule;

    /// <summary>The same in a sentence.</summary>
    public string Explanation => loaded.Explanation;

    /// <summary>How long ago it was confirmed that this is the version.</summary>
    public TimeSpan Age { get; }

    /// <summary>Whether it should have been confirmed by now and could not, because the registry cannot be reached.</summary>
    public bool IsStale { get; }

    /// <summary>Whether these are the bytes that the pointer names. False only in <see cref="ResolveMode.AllowUnpinnedFallback"/>.</summary>
    public bool IsPinned => loaded.IsPinned;

    /// <summary>The channel whose trial chose a side for the key; null when none is running.</summary>
    public string? TrialChannel => loaded.TrialChannel;

    /// <summary>Why the version is not to be used any more; null when it may be.</summary>
    public TemplateDeprecation? Deprecation => loaded.Deprecation;

    /// <summary>The key that was asked with.</summary>
    public string? Key { get; }

    internal Bundle Bundle => loaded.Bundle;
}

/// <summary>The files of a version, as the pointer has them that led to it.</summary>
internal readonly record struct Bundle(string Version, IReadOnlyList<TemplateArtifact> Artifacts);

/// <summary>What results share: the choice that led to a file, and where that is kept while there is room.</summary>
internal sealed class LoadedArtifact
{
    public required Digest Digest { get; init; }

    public required MemoryPlace Place { get; init; }

    public required Bundle Bundle { get; init; }

    public required TemplateName Template { get; init; }

    public required string Version { get; init; }

    public required TemplateArtifact Artifact { get; init; }

    public required Digest? Release { get; init; }

    public required PointerSource PointerSource { get; init; }

    public required string Rule { get; init; }

    public required string Explanation { get; init; }

    public required bool IsPinned { get; init; }

    public required string? TrialChannel { get; init; }

    public required TemplateDeprecation? Deprecation { get; init; }
}

/// <summary>Nothing could be served. Says everything that was tried.</summary>
public sealed class TemplateUnresolvedException : PlatenException
{
    internal TemplateUnresolvedException(string message, string advice, ImmutableArray<string> attempts)
        : base(
            attempts.IsEmpty
                ? message
                : $"{message} Tried: {string.Join("; ", attempts.Select(one => one.TrimEnd('.')))}.",
            advice
        ) => Attempts = attempts;

    /// <summary>Each source that was tried, with what became of it.</summary>
    public ImmutableArray<string> Attempts { get; }

    /// <summary>Whether an operator has switched the template off: then no cache is used either.</summary>
    public bool IsDisabled { get; internal init; }
}

/// <summary>A prompt cannot be rendered with the values that were given.</summary>
public sealed class PromptRefusedException : PlatenException
{
    internal PromptRefusedException(string about, PromptRendering.Refused refusal)
        : base(
            $"{about} cannot be rendered: {refusal}.",
            "Give a value for each declared variable, and for no other."
        ) => Refusal = refusal;

    /// <summary>Which variables and includes.</summary>
    public PromptRendering.Refused Refusal { get; }
}
