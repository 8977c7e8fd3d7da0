using System.Buffers.Binary;
using System.Buffers.Text;
using System.Net;
using Platen.Kernel;

namespace Platen.Access.Audit;

/// <summary>One thing that was done.</summary>
internal sealed record AuditEntry(
    Guid Id,
    DateTimeOffset At,
    Actor Actor,
    string Action,
    string Subject,
    IPAddress? Origin,
    string? UserAgent,
    string? TraceId,
    Digest? Before,
    Digest? After,
    ReadOnlyMemory<byte> Detail
)
{
    public AuditPlace Place => new(At, Id);
}

/// <summary>Which entries are asked for. Texts match whole, or by their beginning when they end in <c>*</c>.</summary>
/// <param name="Actor">Who acted.</param>
/// <param name="Action">What was done.</param>
/// <param name="Subject">What it was done to.</param>
/// <param name="From">Not before this.</param>
/// <param name="To">Before this.</param>
internal sealed record AuditFilter(
    ActorId? Actor = null,
    string? Action = null,
    string? Subject = null,
    DateTimeOffset? From = null,
    DateTimeOffset? To = null
);

/// <summary>An entry's place in the log: the cursor of a page.</summary>
internal readonly record struct AuditPlace(DateTimeOffset At, Guid Id)
{
    private const int Bytes = sizeof(long) + 16;

    public static bool TryParse(string text, out AuditPlace place)
    {
        Span<byte> raw = stackalloc byte[Bytes];
        place = default;
        if (!Base64Url.IsValid(text, out var length) || length != Bytes)
            return false;
        Base64Url.DecodeFromChars(text, raw);
        var ticks = BinaryPrimitives.ReadInt64BigEndian(raw);
        if (ticks < DateTimeOffset.UnixEpoch.Ticks || ticks > new DateTime(9000, 1, 1).Ticks)
            return false;
        place = new AuditPlace(
            new DateTimeOffset(ticks, TimeSpan.Zero),
            new Guid(raw[sizeof(long)..], bigEndian: true)
        );
        return true;
    }

    public override string ToString()
    {
        Span<byte> raw = stackalloc byte[Bytes];
        BinaryPrimitives.WriteInt64BigEndian(raw, At.UtcTicks);
        Id.TryWriteBytes(raw[sizeof(long)..], bigEndian: true, out _);
        return Base64Url.EncodeToString(raw);
    }
}
