namespace Platen.Kernel.Json;

/// <summary>Why a text has no canonical form.</summary>
public enum CanonicalJsonFault
{
    /// <summary>The text is not JSON (RFC 8259).</summary>
    Syntax,

    /// <summary>The text is not UTF-8, or begins with a byte order mark.</summary>
    InvalidUtf8,

    /// <summary>An object has the same key twice (compared after unescaping).</summary>
    DuplicateKey,

    /// <summary>An escape names half of a surrogate pair.</summary>
    LoneSurrogate,

    /// <summary>A number is beyond the range of a double.</summary>
    NumberOutOfRange,

    /// <summary>An integer has more digits than a double keeps.</summary>
    IntegerLosesDigits,

    /// <summary>More than <see cref="CanonicalJson.MaxDepth"/> levels.</summary>
    TooDeep,

    /// <summary>More than <see cref="CanonicalJson.MaxBytes"/> bytes.</summary>
    TooLarge,
}

/// <summary>A text has no canonical form. The message says what was found and what would be accepted.</summary>
public sealed class CanonicalJsonException : FormatException
{
    internal CanonicalJsonException(CanonicalJsonFault fault, int bytePosition, string message)
        : base($"{message} (byte {bytePosition})")
    {
        Fault = fault;
        BytePosition = bytePosition;
    }

    /// <summary>What is wrong.</summary>
    public CanonicalJsonFault Fault { get; }

    /// <summary>Where: the offset, from 0, of the first byte that cannot be accepted.</summary>
    public int BytePosition { get; }
}
