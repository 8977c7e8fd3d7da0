using FsCheck;
using FsCheck.Fluent;
using Platen.Kernel.Languages;
using Platen.Kernel.Templates;

namespace Platen.Kernel.Tests;

/// <summary>
/// Parsers of one printed form, fed with what they print and with the same text changed in a few places, which random text never comes
/// near: whatever they take prints as it was read, and nothing throws.
/// </summary>
public sealed class NearlyValidTests
{
    private delegate bool Reads(string text, out string printed);

    private static readonly Gen<string> _uuids = ArbMap.Default.GeneratorFor<Guid>().Select(guid => guid.ToString("D"));

    private static readonly Gen<string> _words = Gen.Elements("a", "faq", "content", "x9", "main", "curated", "0", "z")
        .NonEmptyListOf()
        .SelectMany(words => Gen.Elements(".", "-", "_", "..", "").Select(joint => string.Join(joint, words)));

    private static readonly Gen<string> _digests = ArbMap
        .Default.GeneratorFor<byte[]>()
        .Select(bytes => Digest.Of(bytes).ToString());

    private static readonly Gen<string> _ranges = Gen.Elements("*", "de", "zh", "hant", "419", "x", "a1b2c3d4")
        .NonEmptyListOf()
        .Select(subtags => string.Join('-', subtags));

    public static TheoryData<string> Parsers => [.. Known.Keys];

    private static readonly Dictionary<string, (Gen<string> Valid, Reads Read)> Known = new(StringComparer.Ordinal)
    {
        ["UuidText"] = (
            _uuids,
            (string text, out string printed) =>
            {
                var read = UuidText.TryParse(text, out var value);
                printed = value.ToString("D");
                return read;
            }
        ),
        ["OwnerId"] = (_uuids, Parsable<OwnerId>),
        ["WidgetType"] = (_words, Parsable<WidgetType>),
        ["TemplateName"] = (_words, Parsable<TemplateName>),
        ["Slug"] = (_words, Parsable<Slug>),
        ["Digest"] = (
            _digests,
            (string text, out string printed) =>
            {
                var read = Digest.TryParse(text, out var digest);
                printed = digest.ToString();
                return read;
            }
        ),
        ["Digest, its digits"] = (
            _digests.Select(digest => digest["sha256:".Length..]),
            (string text, out string printed) =>
            {
                var read = Digest.TryParseHex(text, out var digest);
                printed = digest.ToString()["sha256:".Length..];
                return read;
            }
        ),
        ["LanguageRange"] = (
            _ranges,
            (string text, out string printed) =>
            {
                var read = LanguageRange.TryParse(text, out var range);
                // It is compared without regard to case, and printed in lower case.
                printed = string.Equals(range.ToString(), text, StringComparison.OrdinalIgnoreCase)
                    ? text
                    : range.ToString();
                return read;
            }
        ),
    };

    [Theory]
    [MemberData(nameof(Parsers))]
    public void What_is_taken_prints_as_it_was_read(string parser)
    {
        var (valid, read) = Known[parser];
        var taken = 0;
        Prop.ForAll(
                valid.SelectMany(Changed).ToArbitrary(),
                text =>
                {
                    if (!read(text, out var printed))
                        return true;
                    taken++;
                    return printed == text;
                }
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(3_000));
        taken.ShouldBeInRange(100, 2_999);
    }

    [Theory]
    [InlineData("01A1FFE9-53ed-7eae-a740-19b3f976d5cc")]
    [InlineData("{01a1ffe9-53ed-7eae-a740-19b3f976d5cc}")]
    [InlineData(" 01a1ffe9-53ed-7eae-a740-19b3f976d5cc")]
    [InlineData("01a1ffe953ed7eaea74019b3f976d5cc")]
    [InlineData("")]
    public void An_owner_has_one_spelling(string text)
    {
        OwnerId.TryParse(text, null, out var owner).ShouldBeFalse();
        owner.Value.ShouldBe(Guid.Empty);
        Should.Throw<FormatException>(() => OwnerId.Parse(text, null)).Message.ShouldContain("lower case");
    }

    private static bool Parsable<T>(string text, out string printed)
        where T : IParsable<T>
    {
        var read = T.TryParse(text, null, out var value);
        printed = value?.ToString() ?? "";
        return read;
    }

    /// <summary>The text itself, or with up to three places replaced, doubled or left out.</summary>
    private static Gen<string> Changed(string text) =>
        Gen.OneOf(
            Gen.Constant(text),
            Gen.Choose(0, 2)
                .SelectMany(kind =>
                    Gen.Elements('a', 'A', '0', '.', '-', '_', ' ', '\0', '\n', 'é', 'ſ', '\u212A', '{', ':')
                        .SelectMany(letter => Gen.Choose(0, Math.Max(0, text.Length - 1)), (letter, at) => (letter, at))
                        .Select(change => Change(text, kind, change.letter, change.at))
                )
                .SelectMany(once => Gen.Elements(once, once.ToUpperInvariant(), once + "\n", "\u200b" + once, once))
        );

    private static string Change(string text, int kind, char letter, int at) =>
        text.Length == 0
            ? letter.ToString()
            : kind switch
            {
                0 => text[..at] + letter + text[(at + 1)..],
                1 => text[..at] + letter + text[at..],
                _ => text[..at] + text[(at + 1)..],
            };
}
