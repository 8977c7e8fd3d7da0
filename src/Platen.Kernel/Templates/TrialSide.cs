using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Platen.Kernel.Templates;

/// <summary>
/// Which side of a trial a key is on: the live release or the candidate. A pure function of salt and key, so it is the same
/// on every node, in every client and after every restart; a growing percentage only adds keys to the candidate's side.
/// </summary>
/// <remarks>
/// The first four bytes, big-endian, of SHA-256 over the UTF-8 of <c>salt</c>, a zero byte and <c>key</c>, modulo 10,000, is the key's
/// bucket in hundredths of a percent; buckets below the percentage are the candidate's. The salt of a channel's trial is
/// <c>templates/{name}:{channel}@{candidate's release digest}</c>: another candidate draws other keys.
/// </remarks>
public static class TrialSide
{
    /// <summary>Buckets there are: hundredths of a percent.</summary>
    public const int Buckets = 10_000;

    /// <summary>Characters of a key at most: an id, not a document.</summary>
    public const int KeyLength = 512;

    /// <summary>The salt of a channel's trial.</summary>
    public static string SaltOf(TemplateName template, string channel, Digest candidate) =>
        $"{template.Subject}:{channel}@{candidate}";

    /// <summary>The key's bucket, 0 to 9,999.</summary>
    public static int BucketOf(string salt, string key)
    {
        ArgumentNullException.ThrowIfNull(salt);
        ArgumentNullException.ThrowIfNull(key);
        var text = new byte[Encoding.UTF8.GetByteCount(salt) + 1 + Encoding.UTF8.GetByteCount(key)];
        var written = Encoding.UTF8.GetBytes(salt, text);
        Encoding.UTF8.GetBytes(key, text.AsSpan(written + 1));
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(text, hash);
        return (int)(BinaryPrimitives.ReadUInt32BigEndian(hash) % Buckets);
    }

    /// <summary>Whether the key is on the candidate's side at this percentage, 0 to 100.</summary>
    public static bool IsCandidate(string salt, string key, int percent) => BucketOf(salt, key) < percent * 100;
}
