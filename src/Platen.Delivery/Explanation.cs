using Platen.Kernel.Languages;

namespace Platen.Delivery;

/// <summary>Why a request for published content gets the bytes it gets.</summary>
/// <param name="Address">What was asked for, without <c>explain</c>.</param>
/// <param name="PublicId">The instance that was asked for.</param>
/// <param name="Target"><c>page</c>, <c>manifest</c> or <c>artifact</c>.</param>
/// <param name="Status">What a visitor is answered: 200, or why not.</param>
/// <param name="Rule">In one sentence: which channel, and what decided.</param>
/// <param name="Channel">The channel that is followed; null when nothing is published.</param>
/// <param name="Content">The bytes; null when there are none to send.</param>
/// <param name="Locale">Which language, and why; null when the address names a file.</param>
/// <param name="Theme">Which colours, and why; likewise.</param>
/// <param name="Fallback">What is shown in its place because it is deprecated; null otherwise.</param>
/// <param name="Cache">Where this node has them from.</param>
public sealed record Explanation(
    string Address,
    string PublicId,
    string Target,
    int Status,
    string Rule,
    ExplainedChannel? Channel,
    ExplainedContent? Content,
    ExplainedChoice? Locale,
    ExplainedChoice? Theme,
    ExplainedFallback? Fallback,
    ExplainedCache Cache
);

/// <summary>The channel.</summary>
/// <param name="Owner">Whose; the platform's id for curated content.</param>
/// <param name="Subject">Such as <c>curated/wgt_main_content.faq</c>.</param>
/// <param name="Name">Always <c>live</c>.</param>
/// <param name="Revision">How often it was moved.</param>
/// <param name="MovedAt">When it was moved last.</param>
/// <param name="Release">The digest of the release that it names.</param>
public sealed record ExplainedChannel(
    Guid Owner,
    string Subject,
    string Name,
    long Revision,
    DateTimeOffset MovedAt,
    string Release
);

/// <summary>The bytes.</summary>
/// <param name="Digest">Of the bytes as they are sent; also their entity tag.</param>
/// <param name="SizeBytes">How many.</param>
/// <param name="MediaType">Their type.</param>
/// <param name="Coding"><c>br</c>, <c>gzip</c> or <c>identity</c>.</param>
/// <param name="CodingBecause">Why that one.</param>
public sealed record ExplainedContent(
    string Digest,
    long SizeBytes,
    string MediaType,
    string Coding,
    string CodingBecause
);

/// <summary>What was chosen among several.</summary>
/// <param name="Chosen">It.</param>
/// <param name="Because">Why.</param>
/// <param name="Available">What there was to choose from.</param>
/// <param name="Tried">The fallback chain that was gone through, in its order; empty when none was.</param>
public sealed record ExplainedChoice(
    string Chosen,
    string Because,
    IReadOnlyList<string> Available,
    IReadOnlyList<string> Tried
);

/// <summary>What a deprecated instance's visitors get.</summary>
/// <param name="Shown">The public id whose content it is.</param>
/// <param name="Because">Why.</param>
public sealed record ExplainedFallback(string Shown, string Because);

/// <summary>Where the bytes were.</summary>
/// <param name="Level"><c>memory</c>, <c>disk</c>, <c>store</c>, or <c>none</c> when there are no bytes.</param>
/// <param name="IsStale">Whether a later release may exist that this node does not have.</param>
/// <param name="HearsOfMoves">Whether the database tells this node of moves.</param>
/// <param name="Keys">Keys in this node's memory.</param>
/// <param name="MemoryBytes">Their bytes.</param>
/// <param name="DiskEntries">Entries on this node's disk.</param>
/// <param name="DiskBytes">Their bytes.</param>
public sealed record ExplainedCache(
    string Level,
    bool IsStale,
    bool HearsOfMoves,
    int Keys,
    long MemoryBytes,
    long DiskEntries,
    long DiskBytes
);

/// <summary>Words for what <see cref="AnswerVisitor"/> chose; it repeats no choice that it could get wrong.</summary>
internal static class Wording
{
    public static ExplainedChoice Locale(
        LocalePages[] locales,
        string chosen,
        string asked,
        LanguageChoice languages,
        string accepted
    )
    {
        string[] available = [.. locales.Select(locale => locale.Tag)];
        if (asked.Length > 0 && languages.Best(asked) >= 0)
        {
            var chain = LanguageTag.TryParse(asked, out var tag)
                ? [.. new FallbackChain(tag).Select(step => step.Value)]
                : Array.Empty<string>();
            return new ExplainedChoice(
                chosen,
                asked.Equals(chosen, StringComparison.OrdinalIgnoreCase)
                    ? "the address asks for it (locale)"
                    : $"the address asks for {asked} (locale), and this is the nearest that there is",
                available,
                chain
            );
        }
        var ignored = asked.Length > 0 ? $"the address asks for {asked}, which there is not; " : "";
        if (available.Length > 1 && languages.Best(accepted) >= 0)
            return new ExplainedChoice(
                chosen,
                $"{ignored}Accept-Language asks for '{accepted}', and this is the best of it that there is",
                available,
                []
            );
        return new ExplainedChoice(
            chosen,
            accepted.Length > 0 && available.Length > 1
                ? $"{ignored}Accept-Language asks for '{accepted}', of which there is nothing: this is the base locale"
                : $"{ignored}nothing else is asked for: this is the base locale",
            available,
            []
        );
    }

    public static ExplainedChoice Theme(Theme chosen) =>
        new(
            chosen.ToString().ToLowerInvariant(),
            chosen == Delivery.Theme.Auto
                ? "the address asks for no other (theme): the page follows the visitor's setting"
                : "the address asks for it (theme)",
            ["auto", "light", "dark"],
            []
        );

    public static string Coding(ContentCoding chosen, string accepted) =>
        accepted.Length == 0 ? "no Accept-Encoding: nothing but the identity is safe"
        : chosen == ContentCoding.Identity
            ? $"Accept-Encoding asks for '{accepted}': no coding that is here weighs more"
        : $"Accept-Encoding asks for '{accepted}': of what is here this weighs most, and is the smallest of equals";

    public static string Name(ContentCoding coding) =>
        coding switch
        {
            ContentCoding.Brotli => "br",
            ContentCoding.Gzip => "gzip",
            _ => "identity",
        };
}
