using System.Globalization;
using System.Text;
using System.Text.Json;
using Platen.Kernel;

namespace Platen.Cli;

/// <summary>Where each value of a JSON text stands, by its JSON Pointer (RFC 6901).</summary>
internal sealed class JsonPlaces
{
    private readonly Dictionary<string, int> offsets = new(StringComparer.Ordinal);
    private readonly List<int> lineStarts = [0];
    private readonly byte[] text;
    private readonly string name;

    private JsonPlaces(ReadOnlySpan<byte> text, string name)
    {
        this.text = text.ToArray();
        this.name = name;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '\n')
                lineStarts.Add(i + 1);
        }
    }

    /// <summary>Reads a text strictly: valid UTF-8, no duplicate members, no comments, bounded depth.</summary>
    /// <exception cref="CliException">At the line of the first fault.</exception>
    public static JsonPlaces Read(ReadOnlySpan<byte> text, string name)
    {
        var places = new JsonPlaces(text, name);
        places.RefuseBrokenUtf8();
        try
        {
            places.Walk();
        }
        catch (JsonException e)
        {
            var line = (int)Math.Min(e.LineNumber ?? 0, places.lineStarts.Count - 1);
            var offset = places.lineStarts[line] + (int)(e.BytePositionInLine ?? 0);
            throw places.Refusal(offset, WithoutPosition(e.Message));
        }
        return places;
    }

    /// <summary>
    /// <c>file:line:column</c> of a value, counted from 1, columns in characters; of the nearest value around it when it is not there.
    /// </summary>
    public string Of(string pointer)
    {
        for (var at = pointer; ; at = at[..at.LastIndexOf('/')])
        {
            if (offsets.TryGetValue(at, out var offset))
                return Place(offset);
            if (!at.Contains('/', StringComparison.Ordinal))
                return Place(0);
        }
    }

    /// <summary>A member's name as a pointer writes it.</summary>
    public static string Escape(string member) =>
        member.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);

    private void Walk()
    {
        var reader = new Utf8JsonReader(text, new JsonReaderOptions { MaxDepth = Limits.JsonDepth });
        // One entry a level: the pointer so far, the members seen (an object) or the next index (an array).
        var levels = new Stack<(string Pointer, HashSet<string>? Members, int Next)>();
        string? member = null;
        while (reader.Read())
        {
            var offset = (int)reader.TokenStartIndex;
            switch (reader.TokenType)
            {
                case JsonTokenType.PropertyName:
                    var level = levels.Peek();
                    member = ReadName(ref reader, offset);
                    if (!level.Members!.Add(member))
                        throw Refusal(offset, $"the member '{member}' is there twice");
                    offsets[level.Pointer + "/" + Escape(member)] = offset;
                    break;
                case JsonTokenType.EndObject or JsonTokenType.EndArray:
                    levels.Pop();
                    break;
                default:
                    var pointer = PointerOfNext(levels, member);
                    offsets.TryAdd(pointer, offset);
                    if (reader.TokenType == JsonTokenType.StartObject)
                        levels.Push((pointer, new HashSet<string>(StringComparer.Ordinal), 0));
                    else if (reader.TokenType == JsonTokenType.StartArray)
                        levels.Push((pointer, null, 0));
                    else if (reader.TokenType == JsonTokenType.String)
                        RefuseLoneSurrogates(ref reader, offset);
                    break;
            }
        }
    }

    private string ReadName(ref Utf8JsonReader reader, int offset)
    {
        RefuseLoneSurrogates(ref reader, offset);
        return reader.GetString()!;
    }

    private void RefuseLoneSurrogates(ref Utf8JsonReader reader, int offset)
    {
        try
        {
            if (reader.ValueIsEscaped)
                _ = reader.GetString();
        }
        catch (InvalidOperationException)
        {
            throw Refusal(offset, "a \\u escape stands for half a character (a lone surrogate)");
        }
    }

    private static string PointerOfNext(
        Stack<(string Pointer, HashSet<string>? Members, int Next)> levels,
        string? member
    )
    {
        if (levels.Count == 0)
            return "";
        var level = levels.Pop();
        levels.Push(level with { Next = level.Next + 1 });
        return level.Members is null
            ? string.Create(CultureInfo.InvariantCulture, $"{level.Pointer}/{level.Next}")
            : level.Pointer + "/" + Escape(member!);
    }

    private void RefuseBrokenUtf8()
    {
        var at = 0;
        while (at < text.Length)
        {
            if (Rune.DecodeFromUtf8(text.AsSpan(at), out _, out var consumed) != System.Buffers.OperationStatus.Done)
                throw Refusal(at, "a byte here is not valid UTF-8: save the file as UTF-8");
            at += consumed;
        }
    }

    private string Place(int offset)
    {
        offset = Math.Clamp(offset, 0, text.Length);
        var line = lineStarts.BinarySearch(offset);
        if (line < 0)
            line = ~line - 1;
        var column = Encoding.UTF8.GetCharCount(text.AsSpan(lineStarts[line]..offset)) + 1;
        return string.Create(CultureInfo.InvariantCulture, $"{name}:{line + 1}:{column}");
    }

    private CliException Refusal(int offset, string message) =>
        new(ExitCode.Usage, "unreadable-file", "Not JSON.", "Mend the file and run the command again.")
        {
            Faults = [new InputFault(Place(offset), message)],
        };

    private static string WithoutPosition(string message)
    {
        var end = message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        // The reader's own options are nothing that whoever wrote the file could change.
        return (end < 0 ? message : message[..end]).Replace(
            " Change the reader options.",
            "",
            StringComparison.Ordinal
        );
    }
}
