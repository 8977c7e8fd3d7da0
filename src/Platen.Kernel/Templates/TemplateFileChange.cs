using System.Collections.Immutable;

namespace Platen.Kernel.Templates;

/// <summary>A file that differs between two versions of a template.</summary>
/// <param name="Path">Which.</param>
/// <param name="From">Its digest before; null when it is new.</param>
/// <param name="To">Its digest now; null when it is gone.</param>
/// <param name="What">What else is said of the same bytes, such as <c>role: user → system</c>; null when the bytes differ.</param>
public sealed record TemplateFileChange(string Path, Digest? From, Digest? To, string? What)
{
    /// <summary>
    /// What differs between the files of two versions, in the order of their paths. The order of the files, which belongs to a version
    /// too, is not looked at.
    /// </summary>
    /// <exception cref="ArgumentException">Two files of one version have the same path.</exception>
    public static ImmutableArray<TemplateFileChange> Between(
        IEnumerable<TemplateArtifact> from,
        IEnumerable<TemplateArtifact> to
    )
    {
        ArgumentNullException.ThrowIfNull(to);
        var before = from.ToDictionary(file => file.Path, StringComparer.Ordinal);
        var changes = new List<TemplateFileChange>();
        foreach (var file in to)
        {
            if (!before.Remove(file.Path, out var old))
                changes.Add(new TemplateFileChange(file.Path, null, file.Digest, null));
            else if (old.Digest != file.Digest)
                changes.Add(new TemplateFileChange(file.Path, old.Digest, file.Digest, null));
            else if (Describe(old, file) is { } what)
                changes.Add(new TemplateFileChange(file.Path, old.Digest, file.Digest, what));
        }
        changes.AddRange(before.Values.Select(gone => new TemplateFileChange(gone.Path, gone.Digest, null, null)));
        return [.. changes.OrderBy(change => change.Path, StringComparer.Ordinal)];
    }

    private static string? Describe(TemplateArtifact old, TemplateArtifact now)
    {
        var differences = new List<string>();
        Add("kind", old.Kind, now.Kind);
        Add("role", old.Role, now.Role);
        Add("locale", old.Locale, now.Locale);
        Add("contentType", old.ContentType, now.ContentType);
        if (!old.DeclaredVariables.SequenceEqual(now.DeclaredVariables))
            differences.Add("variables");
        return differences.Count == 0 ? null : string.Join(", ", differences);

        void Add(string member, string? a, string? b)
        {
            if (a != b)
                differences.Add($"{member}: {a ?? "none"} → {b ?? "none"}");
        }
    }
}
