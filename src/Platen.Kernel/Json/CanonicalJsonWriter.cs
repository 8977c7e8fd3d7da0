using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using static Platen.Kernel.Json.JsonTape;

namespace Platen.Kernel.Json;

/// <summary>Writes a <see cref="JsonTape"/> in canonical form to a buffer writer or into a hash, piece by piece.</summary>
internal ref struct CanonicalJsonWriter
{
    private const int PieceBytes = 16 * 1024;

    private readonly IBufferWriter<byte>? _output;
    private IncrementalHash? _hash;
    private byte[] _piece;
    private int _filled;

    public CanonicalJsonWriter(IBufferWriter<byte>? output)
    {
        _output = output;
        _piece = ArrayPool<byte>.Shared.Rent(PieceBytes);
    }

    public void Write(scoped in JsonTape tape)
    {
        WriteValue(tape, 0);
        Flush();
    }

    public void WriteSha256(scoped in JsonTape tape, Span<byte> destination)
    {
        WriteValue(tape, 0);
        if (_hash is null)
        {
            SHA256.HashData(_piece.AsSpan(0, _filled), destination);
            return;
        }
        Flush();
        _hash.GetHashAndReset(destination);
    }

    public void Dispose()
    {
        _hash?.Dispose();
        ArrayPool<byte>.Shared.Return(_piece);
        _piece = [];
    }

    /// <summary>Writes the value at a token and returns the token after it.</summary>
    private int WriteValue(scoped in JsonTape tape, int index)
    {
        var token = tape.Tokens[index];
        switch (token.Kind)
        {
            case TokenKind.Object:
                return WriteObject(tape, index, token);
            case TokenKind.Array:
                var end = (int)token.Payload;
                Put((byte)'[');
                for (var item = index + 1; item < end; )
                {
                    if (item > index + 1)
                        Put((byte)',');
                    item = WriteValue(tape, item);
                }
                Put((byte)']');
                return end;
            case TokenKind.Number:
                if (_piece.Length - _filled < EcmaScriptNumber.MaxBytes)
                    Flush();
                _filled += EcmaScriptNumber.Format(
                    BitConverter.Int64BitsToDouble(token.Payload),
                    _piece.AsSpan(_filled)
                );
                return index + 1;
            case TokenKind.Verbatim:
                Put(tape.Content(token));
                return index + 1;
            default:
                WriteString(tape.Content(token), token.Kind is TokenKind.EscapedString or TokenKind.EscapedKey);
                return index + 1;
        }
    }

    private int WriteObject(scoped in JsonTape tape, int index, Token token)
    {
        var (end, order) = ((int)(token.Payload >> 32), (int)token.Payload);
        Put((byte)'{');
        var next = index + 1;
        for (var member = 0; member < token.Length; member++)
        {
            if (member > 0)
                Put((byte)',');
            var key = order < 0 ? next : tape.Order[order + member];
            WriteValue(tape, key);
            Put((byte)':');
            next = WriteValue(tape, key + 1);
        }
        Put((byte)'}');
        return end;
    }

    private void WriteString(ReadOnlySpan<byte> content, bool escaped)
    {
        Put((byte)'"');
        while (escaped)
        {
            var plain = content.IndexOf((byte)'\\');
            if (plain < 0)
                break;
            Put(content[..plain]);
            var (unit, length) = Unescape(content[plain..]);
            content = content[(plain + length)..];
            if (char.IsHighSurrogate(unit))
            {
                // The pair was checked when it was read.
                var (low, lowLength) = Unescape(content);
                content = content[lowLength..];
                WriteRune(new Rune(unit, low));
            }
            else
            {
                WriteUnit(unit);
            }
        }
        Put(content);
        Put((byte)'"');
    }

    private void WriteUnit(char unit)
    {
        switch (unit)
        {
            case '"':
                Put("\\\""u8);
                break;
            case '\\':
                Put("\\\\"u8);
                break;
            case '\b':
                Put("\\b"u8);
                break;
            case '\t':
                Put("\\t"u8);
                break;
            case '\n':
                Put("\\n"u8);
                break;
            case '\f':
                Put("\\f"u8);
                break;
            case '\r':
                Put("\\r"u8);
                break;
            case < ' ':
                Put("\\u00"u8);
                Put((byte)(unit < 0x10 ? '0' : '1'));
                Put("0123456789abcdef"u8[unit & 0xF]);
                break;
            default:
                WriteRune(new Rune(unit));
                break;
        }
    }

    private void WriteRune(Rune rune)
    {
        Span<byte> utf8 = stackalloc byte[4];
        Put(utf8[..rune.EncodeToUtf8(utf8)]);
    }

    private void Put(byte b)
    {
        if (_filled == _piece.Length)
            Flush();
        _piece[_filled++] = b;
    }

    private void Put(scoped ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > _piece.Length - _filled)
        {
            Flush();
            if (bytes.Length > _piece.Length)
            {
                Emit(bytes);
                return;
            }
        }
        bytes.CopyTo(_piece.AsSpan(_filled));
        _filled += bytes.Length;
    }

    private void Flush()
    {
        Emit(_piece.AsSpan(0, _filled));
        _filled = 0;
    }

    private void Emit(scoped ReadOnlySpan<byte> bytes)
    {
        if (_output is not null)
            _output.Write(bytes);
        else
            (_hash ??= IncrementalHash.CreateHash(HashAlgorithmName.SHA256)).AppendData(bytes);
    }
}
