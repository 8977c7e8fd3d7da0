using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using Platen.Kernel;

namespace Platen.Platform.Events;

/// <summary>
/// A sequence of events of one owner, such as <c>channel/curated/wgt_main_content.faq/live</c>: 1 to 300 of
/// <c>A-Z a-z 0-9 . _ : / -</c>. Compared ordinally.
/// </summary>
/// <param name="Value">The printed form.</param>
public readonly record struct StreamId(string Value)
{
    private static readonly SearchValues<char> Allowed = SearchValues.Create(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/-"
    );

    /// <summary>Reads a stream's id.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out StreamId stream)
    {
        var valid = text.Length is > 0 and <= EventLimits.StreamIdLength && !text.ContainsAnyExcept(Allowed);
        stream = valid ? new StreamId(text.ToString()) : default;
        return valid;
    }

    /// <summary>The printed form.</summary>
    public override string ToString() => Value;
}

/// <summary>Something that happened, as written in the transaction of the fact. Immutable.</summary>
/// <param name="Owner">Whose stream it is in.</param>
/// <param name="Stream">The stream.</param>
/// <param name="Revision">Its place in the stream: 1, 2, 3 … without gaps, in the order of commits.</param>
/// <param name="Type">What happened, in the past tense, such as <c>channel.moved</c>.</param>
/// <param name="Data">UTF-8 JSON on one line, as PostgreSQL prints jsonb.</param>
/// <param name="At">When it was written, by the database's clock; it can go back where that clock does.</param>
/// <param name="Actor">Who did it.</param>
[SuppressMessage("Naming", "CA1716", Justification = "An event is an event; Platen is called from C#.")]
public sealed record Event(
    OwnerId Owner,
    StreamId Stream,
    long Revision,
    string Type,
    ReadOnlyMemory<byte> Data,
    DateTimeOffset At,
    ActorId Actor
)
{
    private byte[]? frame;

    /// <summary>The event as text/event-stream (WHATWG HTML section 9.2.5); made once and shared by all subscribers.</summary>
    internal ReadOnlyMemory<byte> Frame => frame ??= MakeFrame();

    private byte[] MakeFrame()
    {
        Span<byte> digits = stackalloc byte[20];
        Utf8Formatter.TryFormat(Revision, digits, out var length);
        return
        [
            .. "id: "u8,
            .. digits[..length],
            .. "\nevent: "u8,
            .. Encoding.UTF8.GetBytes(Type),
            .. "\ndata: "u8,
            .. Data.Span,
            .. "\n\n"u8,
        ];
    }
}
