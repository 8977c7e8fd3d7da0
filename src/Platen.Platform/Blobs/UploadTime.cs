using System.Buffers.Binary;
using System.Globalization;

namespace Platen.Platform.Blobs;

/// <summary>When an upload began.</summary>
internal static class UploadTime
{
    /// <summary>Reads what <c>started_at</c> holds; null when that is cut off.</summary>
    public static DateTimeOffset? Parse(string text) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
            ? time
            : null;

    /// <summary>The time within the id: milliseconds since 1970 in its first 48 bits (RFC 9562 section 5.7).</summary>
    public static DateTimeOffset Of(UploadId id)
    {
        Span<byte> bytes = stackalloc byte[16];
        id.Value.TryWriteBytes(bytes, bigEndian: true, out _);
        var milliseconds = BinaryPrimitives.ReadInt64BigEndian(bytes) >> 16;
        // An id that is not ours can hold any number: it then counts as the oldest.
        return milliseconds is >= 0 and < 253_402_300_800_000
            ? DateTimeOffset.FromUnixTimeMilliseconds(milliseconds)
            : DateTimeOffset.UnixEpoch;
    }
}
