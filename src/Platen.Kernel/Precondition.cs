using System.Collections.Immutable;
using System.Globalization;

namespace Platen.Kernel;

/// <summary>
/// What a writer says about the version it saw: the <c>If-Match</c> and <c>If-None-Match</c> fields of RFC 9110 section 13.1,
/// as far as writes use them. Every write carries one.
/// </summary>
public abstract record Precondition
{
    private Precondition() { }

    /// <summary><c>If-None-Match: *</c>: there must be no current version (a create).</summary>
    public sealed record Absent : Precondition;

    /// <summary><c>If-Match: *</c>: there must be a current version, whichever it is.</summary>
    public sealed record Present : Precondition;

    /// <summary><c>If-Match: "a", "b"</c>: the current version must be one of these, by strong comparison.</summary>
    public sealed record OneOf(ImmutableArray<string> Tags) : Precondition
    {
        public bool Equals(OneOf? other) => other is not null && Tags.SequenceEqual(other.Tags, StringComparer.Ordinal);

        public override int GetHashCode() => Tags.Length == 0 ? 0 : StringComparer.Ordinal.GetHashCode(Tags[0]);
    }

    /// <summary>Entity tags accepted in one field; more is not a client of ours.</summary>
    public const int MostTags = 16;

    /// <summary>
    /// Reads the two fields. Weak tags never match a write (RFC 9110 section 13.1.1), so they are left out.
    /// </summary>
    /// <param name="ifMatch">The If-Match field's value, or null when it was not sent.</param>
    /// <param name="ifNoneMatch">The If-None-Match field's value, or null when it was not sent.</param>
    /// <returns>Null when neither was sent.</returns>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Malformed"/>: a field is not well-formed, both were
    /// sent, or If-None-Match is not <c>*</c>.</exception>
    public static Precondition? Read(string? ifMatch, string? ifNoneMatch)
    {
        if (ifMatch is not null && ifNoneMatch is not null)
            throw Malformed("Send If-Match or If-None-Match, not both.");
        if (ifNoneMatch is not null)
        {
            return ifNoneMatch.AsSpan().Trim() is "*"
                ? new Absent()
                : throw Malformed("On a write, If-None-Match can only be '*'.");
        }
        if (ifMatch is null)
            return null;
        if (ifMatch.AsSpan().Trim() is "*")
            return new Present();
        return new OneOf(ReadTags(ifMatch));
    }

    /// <summary>Reads the two fields of a write that must carry one.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.PreconditionRequired"/> when neither was sent, or as
    /// <see cref="Read"/>.</exception>
    public static Precondition Require(string? ifMatch, string? ifNoneMatch) =>
        Read(ifMatch, ifNoneMatch)
        ?? throw KernelProblems
            .PreconditionRequired.Because("This write needs If-Match with the ETag you read, or 'If-None-Match: *'.")
            .AsException();

    /// <summary>Whether a resource at <paramref name="currentTag"/> (null: there is none) may be written.</summary>
    public bool Allows(string? currentTag) =>
        this switch
        {
            Absent => currentTag is null,
            Present => currentTag is not null,
            OneOf some => currentTag is not null && some.Tags.Contains(currentTag),
            _ => throw new InvalidOperationException("The hierarchy is closed."),
        };

    /// <summary>Throws unless a resource at <paramref name="currentTag"/> may be written.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.StaleVersion"/>, with <c>currentVersion</c>.</exception>
    public void Check(string? currentTag)
    {
        if (Allows(currentTag))
            return;
        var problem = KernelProblems.StaleVersion.Because(
            currentTag is null
                ? "There is no current version: it was removed, or never existed."
                : $"The current version is {currentTag}."
        );
        throw (currentTag is null ? problem : problem.With("currentVersion", currentTag)).AsException();
    }

    /// <summary>The strong entity tag of a numbered version, such as <c>"7"</c> (with its quotes).</summary>
    public static string TagOf(long revision) => string.Create(CultureInfo.InvariantCulture, $"\"{revision}\"");

    private static ImmutableArray<string> ReadTags(ReadOnlySpan<char> field)
    {
        var tags = ImmutableArray.CreateBuilder<string>();
        var rest = field.Trim();
        for (var count = 0; !rest.IsEmpty; count++)
        {
            if (count == MostTags)
                throw Malformed($"If-Match names more than {MostTags} entity tags.");
            var weak = rest.StartsWith("W/", StringComparison.Ordinal);
            if (weak)
                rest = rest[2..];
            var close = rest.IsEmpty || rest[0] != '"' ? -1 : rest[1..].IndexOf('"');
            if (close < 0)
                throw Malformed("If-Match is '*' or a list of quoted entity tags, such as \"7\".");
            if (!weak)
                tags.Add(rest[..(close + 2)].ToString());
            rest = rest[(close + 2)..].TrimStart();
            if (rest.IsEmpty)
                break;
            if (rest[0] != ',')
                throw Malformed("The entity tags of If-Match are separated by commas.");
            rest = rest[1..].TrimStart();
        }
        return tags.ToImmutable();
    }

    private static ProblemException Malformed(string detail) => KernelProblems.Malformed.Because(detail).AsException();
}
