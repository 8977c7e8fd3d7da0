namespace Platen.Kernel.Schemas;

/// <summary>How much a validation tells.</summary>
public enum SchemaOutput
{
    /// <summary>Only whether the instance is valid. Stops at the first fault.</summary>
    Flag,

    /// <summary>The first fault met, then stops.</summary>
    First,

    /// <summary>Every fault, at most <see cref="SchemaLimits.Errors"/>: the specification's "basic" list.</summary>
    Basic,
}

/// <summary>How a validation ended.</summary>
public enum SchemaOutcome
{
    /// <summary>The instance meets the schema.</summary>
    Valid,

    /// <summary>The instance does not meet the schema.</summary>
    Invalid,

    /// <summary>
    /// No answer within <see cref="SchemaLimits"/>, or the bytes are no JSON text: to be treated as invalid, and the
    /// one error says why.
    /// </summary>
    Abandoned,
}

/// <summary>One fault. Locations are JSON Pointers (RFC 6901); "" is the whole document.</summary>
/// <param name="InstanceLocation">Where in the instance.</param>
/// <param name="KeywordLocation">The path through the schema that led there, references included by their keyword.</param>
/// <param name="AbsoluteKeywordLocation">The URI of the keyword that failed, references resolved.</param>
/// <param name="Keyword">
/// The keyword's name; "false" for a false schema that no keyword names, "limit" or "syntax" when the outcome is
/// <see cref="SchemaOutcome.Abandoned"/>.
/// </param>
/// <param name="Message">A sentence in English that can stand beside a form field.</param>
public sealed record SchemaError(
    string InstanceLocation,
    string KeywordLocation,
    string AbsoluteKeywordLocation,
    string Keyword,
    string Message
);

/// <summary>What one validation found. Immutable.</summary>
public sealed class SchemaResult
{
    internal static readonly SchemaResult Valid = new(SchemaOutcome.Valid, [], false);
    internal static readonly SchemaResult Invalid = new(SchemaOutcome.Invalid, [], false);

    internal SchemaResult(SchemaOutcome outcome, IReadOnlyList<SchemaError> errors, bool isTruncated)
    {
        Outcome = outcome;
        Errors = errors;
        IsTruncated = isTruncated;
    }

    public SchemaOutcome Outcome { get; }

    /// <summary>True only for <see cref="SchemaOutcome.Valid"/>.</summary>
    public bool IsValid => Outcome == SchemaOutcome.Valid;

    /// <summary>
    /// The faults in the order they were met; empty when valid or when only a flag was asked for. A failed
    /// <c>anyOf</c> or <c>oneOf</c> comes before the faults of its branches.
    /// </summary>
    public IReadOnlyList<SchemaError> Errors { get; }

    /// <summary>True when there were more faults than were kept.</summary>
    public bool IsTruncated { get; }

    internal static SchemaResult Abandon(string keyword, string message, string instanceLocation = "") =>
        new(SchemaOutcome.Abandoned, [new SchemaError(instanceLocation, "", "", keyword, message)], false);
}
