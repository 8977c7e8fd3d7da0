using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Platen.Kernel;

namespace Platen.Platform.Http;

/// <summary>
/// The <c>Idempotency-Key</c> field of a request that creates something: what was sent twice is made once. The id of what is made
/// follows from the key and its sender, so the primary key is the memory: there is no second table to keep or to forget.
/// </summary>
public readonly record struct IdempotencyKey
{
    /// <summary>The field's name.</summary>
    public const string Field = "Idempotency-Key";

    /// <summary>The longest key, in characters.</summary>
    public const int MaxLength = 255;

    private readonly string value;

    private IdempotencyKey(string value) => this.value = value;

    /// <summary>Reads the field of a request; null when it was not sent.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Malformed"/>: it was sent twice, is empty, too long, or has other
    /// than printable ASCII characters.</exception>
    public static IdempotencyKey? Read(HttpContext context)
    {
        var field = context.Request.Headers[Field];
        if (field.Count == 0)
            return null;
        return field is [{ } text] && TryParse(text, out var key)
            ? key
            : throw KernelProblems
                .Malformed.Because($"{Field} is sent once, with 1 to {MaxLength} printable ASCII characters.")
                .AsException();
    }

    /// <summary>Reads a key; quotes around it (as in a structured field) are not a part of it.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out IdempotencyKey key)
    {
        text = text?.Trim();
        if (text is ['"', .. var inner, '"'])
            text = inner;
        var valid = text is { Length: > 0 and <= MaxLength } && !text.AsSpan().ContainsAnyExceptInRange(' ', '~');
        key = valid ? new IdempotencyKey(text!) : default;
        return valid;
    }

    /// <summary>
    /// The id that this key gives to what is made: a version-8 UUID (RFC 9562 section 5.8) over 122 bits of a SHA-256.
    /// </summary>
    /// <param name="actor">Who sends it: others may use the same key.</param>
    /// <param name="owner">For whom: the same key may be used in each workspace.</param>
    /// <param name="kind">What is made, such as <c>workspace</c>.</param>
    public Guid IdFor(ActorId actor, OwnerId owner, string kind)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{actor}\n{owner}\n{kind}\n{value}"));
        hash[6] = (byte)((hash[6] & 0x0F) | 0x80);
        hash[8] = (byte)((hash[8] & 0x3F) | 0x80);
        return new Guid(hash.AsSpan(0, 16), bigEndian: true);
    }

    /// <summary>The key as it was sent.</summary>
    public override string ToString() => value ?? "";
}

/// <summary>The endpoint creates something, and takes an <see cref="IdempotencyKey"/>.</summary>
public sealed record TakesIdempotencyKey;
