using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Unicode;

namespace Platen.Kernel.Json;

/// <summary>
/// A checked JSON text with an index of its tokens, in which every object knows the canonical order of its members:
/// <code>
/// token     start, length      payload
/// Object    start, members     end token (high 32 bits), first entry in Order or -1 when members stand in order (low)
/// Array     start, -           end token
/// Key       content            its first eight bytes, big-endian (only when no escapes)
/// String    content            -
/// Number    text               the double's bits
/// Verbatim  text               -        a literal or an integer whose text is already canonical
/// </code>
/// Content excludes the quotes. A key's value is the token after it. Rented arrays go back on dispose.
/// </summary>
internal ref struct JsonTape
{
    private static readonly SearchValues<byte> _stringStops = SearchValues.Create([
        .. Enumerable.Range(0, 0x20).Select(b => (byte)b),
        (byte)'"',
        (byte)'\\',
    ]);

    // Up to here every integer is its own shortest text, so it needs no conversion.
    private const int SafeIntegerDigits = 15;

    private int _at;
    private int _depth;
    private Token[] _tokens;
    private int _tokenCount;
    private int[] _pending;
    private int _pendingCount;
    private int[] _order;
    private int _orderCount;

    private JsonTape(ReadOnlySpan<byte> text)
    {
        Text = text;
        _tokens = ArrayPool<Token>.Shared.Rent(Math.Clamp(text.Length / 8, 16, 64 * 1024));
        _pending = ArrayPool<int>.Shared.Rent(64);
        _order = ArrayPool<int>.Shared.Rent(64);
    }

    public ReadOnlySpan<byte> Text { get; }

    public readonly ReadOnlySpan<Token> Tokens => _tokens.AsSpan(0, _tokenCount);

    /// <summary>Key tokens in canonical order, for the objects that need one.</summary>
    public readonly ReadOnlySpan<int> Order => _order.AsSpan(0, _orderCount);

    public static JsonTape Read(ReadOnlySpan<byte> text)
    {
        if (text.Length > CanonicalJson.MaxBytes)
        {
            throw new CanonicalJsonException(
                CanonicalJsonFault.TooLarge,
                CanonicalJson.MaxBytes,
                $"The text is larger than {CanonicalJson.MaxBytes} bytes"
            );
        }
        if (text.StartsWith("\uFEFF"u8))
            throw new CanonicalJsonException(CanonicalJsonFault.InvalidUtf8, 0, "Remove the byte order mark");
        if (!Utf8.IsValid(text))
        {
            throw new CanonicalJsonException(
                CanonicalJsonFault.InvalidUtf8,
                FirstInvalid(text),
                "The text is not valid UTF-8"
            );
        }

        var tape = new JsonTape(text);
        try
        {
            tape.SkipWhitespace();
            tape.ReadValue();
            tape.SkipWhitespace();
            if (tape._at < text.Length)
                throw tape.Unexpected("nothing after the value");
            return tape;
        }
        catch
        {
            tape.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        ArrayPool<Token>.Shared.Return(_tokens);
        ArrayPool<int>.Shared.Return(_pending);
        ArrayPool<int>.Shared.Return(_order);
        _tokens = [];
        _pending = _order = [];
    }

    public readonly ReadOnlySpan<byte> Content(Token token) => Text.Slice(token.Start, token.Length);

    private void ReadValue()
    {
        if (_at >= Text.Length)
            throw Unexpected("a value");
        switch (Text[_at])
        {
            case (byte)'{':
                ReadObject();
                break;
            case (byte)'[':
                ReadArray();
                break;
            case (byte)'"':
                ReadString(isKey: false);
                break;
            case (byte)'t':
                ReadLiteral("true"u8);
                break;
            case (byte)'f':
                ReadLiteral("false"u8);
                break;
            case (byte)'n':
                ReadLiteral("null"u8);
                break;
            case (byte)'-':
            case >= (byte)'0' and <= (byte)'9':
                ReadNumber();
                break;
            default:
                throw Unexpected("a value");
        }
    }

    private void ReadObject()
    {
        var start = Enter();
        var self = Add(default);
        var firstPending = _pendingCount;
        var inOrder = true;
        SkipWhitespace();
        if (!TryTake((byte)'}'))
        {
            while (true)
            {
                if (_at >= Text.Length || Text[_at] != '"')
                    throw Unexpected("a key in double quotes");
                var key = _tokenCount;
                ReadString(isKey: true);
                if (inOrder && _pendingCount > firstPending)
                    inOrder = Compare(_tokens[_pending[_pendingCount - 1]], _tokens[key]) < 0;
                Append(ref _pending, ref _pendingCount, key);

                SkipWhitespace();
                if (!TryTake((byte)':'))
                    throw Unexpected("':'");
                SkipWhitespace();
                ReadValue();
                SkipWhitespace();
                if (TryTake((byte)','))
                {
                    SkipWhitespace();
                    continue;
                }
                if (TryTake((byte)'}'))
                    break;
                throw Unexpected("',' or '}'");
            }
        }
        _depth--;

        var members = _pending.AsSpan(firstPending, _pendingCount - firstPending);
        var order = -1;
        if (!inOrder)
        {
            Sort(members);
            RefuseDuplicates(members);
            order = _orderCount;
            foreach (var key in members)
                Append(ref _order, ref _orderCount, key);
        }
        _tokens[self] = new Token(TokenKind.Object, start, members.Length, ((long)_tokenCount << 32) | (uint)order);
        _pendingCount = firstPending;
    }

    private void ReadArray()
    {
        var start = Enter();
        var self = Add(default);
        SkipWhitespace();
        if (!TryTake((byte)']'))
        {
            while (true)
            {
                ReadValue();
                SkipWhitespace();
                if (TryTake((byte)','))
                {
                    SkipWhitespace();
                    continue;
                }
                if (TryTake((byte)']'))
                    break;
                throw Unexpected("',' or ']'");
            }
        }
        _depth--;
        _tokens[self] = new Token(TokenKind.Array, start, 0, _tokenCount);
    }

    private int Enter()
    {
        if (++_depth > CanonicalJson.MaxDepth)
        {
            throw new CanonicalJsonException(
                CanonicalJsonFault.TooDeep,
                _at,
                $"Arrays and objects are nested deeper than {CanonicalJson.MaxDepth} levels"
            );
        }
        return _at++;
    }

    private void ReadString(bool isKey)
    {
        var start = ++_at;
        var escaped = false;
        while (true)
        {
            var run = Text[_at..].IndexOfAny(_stringStops);
            if (run < 0)
            {
                _at = Text.Length;
                throw Unexpected("'\"'");
            }
            _at += run;
            if (Text[_at] == '"')
                break;
            if (Text[_at] != '\\')
                throw Unexpected("an escape instead of a control character");
            escaped = true;
            SkipEscape();
        }
        var length = _at++ - start;
        var kind = (isKey, escaped) switch
        {
            (true, false) => TokenKind.Key,
            (true, true) => TokenKind.EscapedKey,
            (false, false) => TokenKind.String,
            (false, true) => TokenKind.EscapedString,
        };
        Add(new Token(kind, start, length, kind == TokenKind.Key ? (long)Prefix(Text.Slice(start, length)) : 0));
    }

    private void SkipEscape()
    {
        var start = _at++;
        if (_at >= Text.Length)
            throw Unexpected("an escape");
        switch (Text[_at])
        {
            case (byte)'"' or (byte)'\\' or (byte)'/' or (byte)'b' or (byte)'f' or (byte)'n' or (byte)'r' or (byte)'t':
                _at++;
                return;
            case (byte)'u':
                var unit = HexUnit();
                if (!char.IsSurrogate(unit))
                    return;
                if (char.IsHighSurrogate(unit) && Text[_at..].StartsWith("\\u"u8))
                {
                    _at++;
                    if (char.IsLowSurrogate(HexUnit()))
                        return;
                }
                throw new CanonicalJsonException(
                    CanonicalJsonFault.LoneSurrogate,
                    start,
                    $"\\u{(int)unit:x4} is half of a surrogate pair"
                );
            default:
                throw Unexpected("one of \" \\ / b f n r t u after a backslash");
        }
    }

    private char HexUnit()
    {
        var unit = 0;
        _at++;
        for (var i = 0; i < 4; i++, _at++)
        {
            if (_at >= Text.Length || !char.IsAsciiHexDigit((char)Text[_at]))
                throw Unexpected("a hexadecimal digit");
            unit = (unit << 4) | HexValue(Text[_at]);
        }
        return (char)unit;
    }

    private void ReadNumber()
    {
        var start = _at;
        var negative = TryTake((byte)'-');
        var digits = _at;
        if (!TryTake((byte)'0'))
            SkipDigits();
        var integerDigits = _at - digits;
        var isInteger = true;
        if (TryTake((byte)'.'))
        {
            isInteger = false;
            SkipDigits();
        }
        if (TryTake((byte)'e') || TryTake((byte)'E'))
        {
            isInteger = false;
            _ = TryTake((byte)'+') || TryTake((byte)'-');
            SkipDigits();
        }

        var text = Text[start.._at];
        if (isInteger && integerDigits <= SafeIntegerDigits && !(negative && Text[digits] == '0'))
        {
            Add(new Token(TokenKind.Verbatim, start, text.Length, 0));
            return;
        }
        var value = double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);
        if (!double.IsFinite(value))
        {
            throw new CanonicalJsonException(
                CanonicalJsonFault.NumberOutOfRange,
                start,
                "The number is beyond the range of a double; write it as a string"
            );
        }
        if (isInteger && !EcmaScriptNumber.KeepsDigits(text, value))
        {
            throw new CanonicalJsonException(
                CanonicalJsonFault.IntegerLosesDigits,
                start,
                "The integer has more digits than a double keeps; write it as a string"
            );
        }
        Add(new Token(TokenKind.Number, start, text.Length, BitConverter.DoubleToInt64Bits(value)));
    }

    private void SkipDigits()
    {
        var start = _at;
        while (_at < Text.Length && char.IsAsciiDigit((char)Text[_at]))
            _at++;
        if (_at == start)
            throw Unexpected("a digit");
    }

    private void ReadLiteral(ReadOnlySpan<byte> literal)
    {
        if (!Text[_at..].StartsWith(literal))
            throw Unexpected("a value");
        Add(new Token(TokenKind.Verbatim, _at, literal.Length, 0));
        _at += literal.Length;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryTake(byte expected)
    {
        if (_at >= Text.Length || Text[_at] != expected)
            return false;
        _at++;
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void SkipWhitespace()
    {
        while (_at < Text.Length && Text[_at] is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t')
            _at++;
    }

    private int Add(Token token)
    {
        if (_tokenCount == _tokens.Length)
            Grow(ref _tokens);
        _tokens[_tokenCount] = token;
        return _tokenCount++;
    }

    private static void Append(ref int[] list, ref int count, int value)
    {
        if (count == list.Length)
            Grow(ref list);
        list[count++] = value;
    }

    private static void Grow<T>(ref T[] list)
    {
        var larger = ArrayPool<T>.Shared.Rent(list.Length * 2);
        list.CopyTo(larger, 0);
        ArrayPool<T>.Shared.Return(list);
        list = larger;
    }

    // Merge sort, because a comparison that reads a span cannot be handed to the framework's sort.
    private readonly void Sort(Span<int> keys)
    {
        var spare = ArrayPool<int>.Shared.Rent(keys.Length);
        Sort(keys, spare);
        ArrayPool<int>.Shared.Return(spare);
    }

    private readonly void Sort(Span<int> keys, Span<int> spare)
    {
        if (keys.Length <= 12)
        {
            for (var i = 1; i < keys.Length; i++)
            {
                var key = keys[i];
                var hole = i;
                for (; hole > 0 && Compare(_tokens[keys[hole - 1]], _tokens[key]) > 0; hole--)
                    keys[hole] = keys[hole - 1];
                keys[hole] = key;
            }
            return;
        }

        var middle = keys.Length / 2;
        Sort(keys[..middle], spare);
        Sort(keys[middle..], spare);
        if (Compare(_tokens[keys[middle - 1]], _tokens[keys[middle]]) <= 0)
            return;
        keys[..middle].CopyTo(spare);
        for (int left = 0, right = middle, to = 0; left < middle; to++)
        {
            keys[to] =
                right < keys.Length && Compare(_tokens[keys[right]], _tokens[spare[left]]) < 0
                    ? keys[right++]
                    : spare[left++];
        }
    }

    private readonly void RefuseDuplicates(ReadOnlySpan<int> sorted)
    {
        var first = -1;
        for (var i = 1; i < sorted.Length; i++)
        {
            // The sort is stable, so of two equal keys the right one came later.
            if (
                Compare(_tokens[sorted[i - 1]], _tokens[sorted[i]]) == 0
                && (first < 0 || _tokens[sorted[i]].Start < _tokens[first].Start)
            )
            {
                first = sorted[i];
            }
        }
        if (first < 0)
            return;
        var key = Encoding.UTF8.GetString(Text.Slice(_tokens[first].Start, Math.Min(_tokens[first].Length, 64)));
        throw new CanonicalJsonException(
            CanonicalJsonFault.DuplicateKey,
            _tokens[first].Start - 1,
            $"The key \"{key}\" stands twice in one object"
        );
    }

    private readonly int Compare(Token a, Token b)
    {
        if (a.Kind == TokenKind.Key && b.Kind == TokenKind.Key)
        {
            var (x, y) = ((ulong)a.Payload, (ulong)b.Payload);
            if (x != y && ((x | y) & 0x8080_8080_8080_8080) == 0)
                return x < y ? -1 : 1;
            return CompareUtf8(Content(a), Content(b));
        }
        return CompareEscaped(Content(a), Content(b));
    }

    /// <summary>
    /// Compares by UTF-16 code units. UTF-8 orders by code point, which differs only where a supplementary character
    /// (its surrogates begin with D8..DF, its bytes with F0..F4) meets U+E000..U+FFFF (bytes EE, EF).
    /// </summary>
    private static int CompareUtf8(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        var same = a.CommonPrefixLength(b);
        if (same == a.Length || same == b.Length)
            return a.Length - b.Length;
        return Rank(a[same]) - Rank(b[same]);

        static int Rank(byte b) => b is 0xEE or 0xEF ? b + 0x10 : b;
    }

    private static int CompareEscaped(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        var left = new CodeUnits(a);
        var right = new CodeUnits(b);
        while (true)
        {
            var (x, y) = (left.Next(), right.Next());
            if (x != y || x < 0)
                return x - y;
        }
    }

    private static ulong Prefix(ReadOnlySpan<byte> key)
    {
        if (key.Length >= sizeof(ulong))
            return BinaryPrimitives.ReadUInt64BigEndian(key);
        var prefix = 0UL;
        foreach (var b in key)
            prefix = (prefix << 8) | b;
        return key.IsEmpty ? 0 : prefix << (8 * (sizeof(ulong) - key.Length));
    }

    private static int FirstInvalid(ReadOnlySpan<byte> text)
    {
        var at = 0;
        while (Rune.DecodeFromUtf8(text[at..], out _, out var consumed) == OperationStatus.Done)
            at += consumed;
        return at;
    }

    private readonly CanonicalJsonException Unexpected(string expected)
    {
        var found =
            _at >= Text.Length ? "the end"
            : Text[_at] is > 0x20 and < 0x7f ? $"'{(char)Text[_at]}'"
            : $"0x{Text[_at]:x2}";
        return new CanonicalJsonException(CanonicalJsonFault.Syntax, _at, $"Expected {expected} but found {found}");
    }

    internal static int HexValue(byte digit) => (digit & 0xF) + (digit > '9' ? 9 : 0);

    /// <summary>The UTF-16 code units of a string's content, unescaped one at a time; -1 at the end.</summary>
    private ref struct CodeUnits(ReadOnlySpan<byte> content)
    {
        private ReadOnlySpan<byte> _rest = content;
        private int _lowSurrogate = -1;

        public int Next()
        {
            if (_lowSurrogate >= 0)
            {
                var low = _lowSurrogate;
                _lowSurrogate = -1;
                return low;
            }
            if (_rest.IsEmpty)
                return -1;
            if (_rest[0] == '\\')
            {
                var (unit, length) = Unescape(_rest);
                _rest = _rest[length..];
                return unit;
            }
            Rune.DecodeFromUtf8(_rest, out var rune, out var consumed);
            _rest = _rest[consumed..];
            if (rune.IsBmp)
                return rune.Value;
            Span<char> pair = stackalloc char[2];
            rune.EncodeToUtf16(pair);
            _lowSurrogate = pair[1];
            return pair[0];
        }
    }

    /// <summary>The code unit of the (already checked) escape at the start, and how many bytes spell it.</summary>
    internal static (char Unit, int Length) Unescape(ReadOnlySpan<byte> escape) =>
        escape[1] switch
        {
            (byte)'b' => ('\b', 2),
            (byte)'f' => ('\f', 2),
            (byte)'n' => ('\n', 2),
            (byte)'r' => ('\r', 2),
            (byte)'t' => ('\t', 2),
            (byte)'u' => (
                (char)(
                    (HexValue(escape[2]) << 12)
                    | (HexValue(escape[3]) << 8)
                    | (HexValue(escape[4]) << 4)
                    | HexValue(escape[5])
                ),
                6
            ),
            var itself => ((char)itself, 2),
        };

    internal enum TokenKind : byte
    {
        Object,
        Array,
        Key,
        EscapedKey,
        String,
        EscapedString,
        Number,
        Verbatim,
    }

    [StructLayout(LayoutKind.Auto)]
    internal readonly struct Token(TokenKind kind, int start, int length, long payload)
    {
        // Inputs end below 2^28 bytes, so a length leaves room for the kind.
        private readonly uint _lengthAndKind = ((uint)length << 4) | (uint)kind;

        public int Start { get; } = start;

        public long Payload { get; } = payload;

        public TokenKind Kind => (TokenKind)(_lengthAndKind & 0xF);

        public int Length => (int)(_lengthAndKind >> 4);
    }
}
