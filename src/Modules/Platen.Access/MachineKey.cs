using System.Diagnostics.CodeAnalysis;

namespace Platen.Access;

/// <summary>
/// The secret text of a machine key: <c>platen_</c>, 32 random characters of base 62 (190 bits) and a checksum of 6. The prefix lets
/// secret scanners find it, the checksum tells a typing error from a wrong key without asking the database.
/// </summary>
public sealed class MachineKey
{
    /// <summary>What every key begins with.</summary>
    public const string Prefix = "platen_";

    private readonly string text;

    private MachineKey(string text)
    {
        this.text = text;
        Hash = SecretText.Hash(text);
    }

    /// <summary>The SHA-256 of the whole text: what is stored and looked up.</summary>
    public byte[] Hash { get; }

    /// <summary>The first characters, which lists may show.</summary>
    public string ShownPrefix => text[..(Prefix.Length + 6)];

    /// <summary>A new random key.</summary>
    public static MachineKey Generate() => new(SecretText.Generate(Prefix));

    /// <summary>Reads a key; a wrong length, character or checksum is refused.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out MachineKey? key)
    {
        key = text is not null && SecretText.IsWellFormed(text, Prefix) ? new MachineKey(text) : null;
        return key is not null;
    }

    /// <summary>The whole secret, for showing once. <see cref="ToString"/> never gives it.</summary>
    public string Reveal() => text;

    /// <summary>The shown prefix: a key that reaches a log by accident does not leak.</summary>
    public override string ToString() => ShownPrefix + "…";
}
