using System.Collections.Immutable;
using Platen.Kernel.Languages;

namespace Platen.Kernel.Templates;

/// <summary>
/// Chooses a file of a bundle, the same way on the server and in every client. Kind, role and path narrow; the locale then
/// follows its fallback chain (<see cref="LanguageLookup"/>), ends at the file without a locale and, when there is none, at the
/// bundle's base, which is the locale that its manifest lists first. A language that is missing is thus never a failure, and
/// always said.
/// </summary>
public static class ArtifactSelection
{
    /// <summary>Chooses among the artifacts of a version, in the order of its manifest.</summary>
    public static ArtifactChoice Choose(IReadOnlyList<TemplateArtifact> artifacts, ArtifactQuery query)
    {
        ArgumentNullException.ThrowIfNull(artifacts);
        var narrowed = artifacts
            .Where(one =>
                (query.Kind is null || one.Kind == query.Kind)
                && (query.Role is null || one.Role == query.Role)
                && (query.Path is null || one.Path == query.Path)
                // An included file is a part of others; only its path asks for it.
                && (one.IncludedFrom is null || query.Path is not null)
            )
            .ToList();
        if (narrowed.Count == 0)
        {
            var kinds = artifacts.Where(one => one.IncludedFrom is null).Select(one => one.Kind).Distinct();
            return new ArtifactChoice.Nothing(
                $"no artifact has {Describe(query)}; the kinds there are: {string.Join(", ", kinds)}"
            );
        }
        var (locale, how) = ChooseLocale(narrowed, query.Locale);
        var found = narrowed.Where(one => string.Equals(one.Locale, locale, StringComparison.Ordinal)).ToList();
        return found.Count == 1
            ? new ArtifactChoice.Chosen(found[0], how)
            : new ArtifactChoice.Several(
                [.. found.Select(one => one.Path)],
                $"{found.Count} artifacts have {Describe(query)}: say which by kind, role or path"
            );
    }

    private static (string? Locale, string How) ChooseLocale(List<TemplateArtifact> narrowed, string? wanted)
    {
        var available = narrowed
            .Select(one => one.Locale)
            .OfType<string>()
            .Distinct(StringComparer.Ordinal)
            .Select(text => LanguageTag.TryParse(text, out var tag) ? tag : null)
            .OfType<LanguageTag>()
            .ToList();
        var withoutLocale = narrowed.Exists(one => one.Locale is null);
        if (wanted is { Length: > 0 } && LanguageLookup.Best(wanted, available) is { } best)
        {
            var text = narrowed.First(one => LanguageTag.TryParse(one.Locale, out var tag) && tag == best).Locale;
            return (
                text,
                string.Equals(text, wanted, StringComparison.OrdinalIgnoreCase)
                    ? $"locale {text} as asked"
                    : $"locale {text} for {wanted}"
            );
        }
        if (withoutLocale)
            return (
                null,
                wanted is { Length: > 0 } ? $"no locale for {wanted}: the one for every language" : "for every language"
            );
        var first = narrowed[0].Locale;
        return (
            first,
            wanted is { Length: > 0 }
                ? $"no locale for {wanted}: {first}, which the manifest lists first"
                : $"no locale asked: {first}, which the manifest lists first"
        );
    }

    private static string Describe(ArtifactQuery query)
    {
        var parts = ImmutableArray.CreateBuilder<string>();
        if (query.Kind is not null)
            parts.Add($"kind '{query.Kind}'");
        if (query.Role is not null)
            parts.Add($"role '{query.Role}'");
        if (query.Path is not null)
            parts.Add($"path '{query.Path}'");
        return parts.Count == 0 ? "no kind, role or path given" : string.Join(" and ", parts);
    }
}
