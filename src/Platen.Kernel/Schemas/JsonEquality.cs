using System.Runtime.InteropServices;
using System.Text.Json;

namespace Platen.Kernel.Schemas;

/// <summary>Equality of JSON values as the specification means it: by value, names in any order, 1 and 1.0 the same.</summary>
internal static class JsonEquality
{
    private const int SmallObject = 8;

    /// <exception cref="EvaluationLimitException">The values nest deeper than <see cref="SchemaLimits.Depth"/>.</exception>
    public static bool Same(in JsonElement left, in JsonElement right, int depth = 0)
    {
        var kind = left.ValueKind;
        if (kind != right.ValueKind)
            return false;
        return kind switch
        {
            JsonValueKind.String => JsonText.SameText(Raw(left), Raw(right)),
            JsonValueKind.Number => SameNumber(left, right),
            JsonValueKind.Array => SameArray(left, right, depth + 1),
            JsonValueKind.Object => SameObject(left, right, depth + 1),
            _ => true,
        };
    }

    /// <summary>Equal values have equal hashes. Seeded per process, so that input cannot aim for collisions.</summary>
    public static int Hash(in JsonElement value, int depth = 0)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.String:
                return HashText(Raw(value));
            case JsonValueKind.Number:
                return ExactNumber.Parse(JsonMarshal.GetRawUtf8Value(value)).GetHashCode();
            case JsonValueKind.Array:
            {
                EvaluationLimitException.ThrowIfDeeper(depth);
                var hash = new HashCode();
                foreach (var item in value.EnumerateArray())
                    hash.Add(Hash(item, depth + 1));
                return hash.ToHashCode();
            }
            case JsonValueKind.Object:
            {
                EvaluationLimitException.ThrowIfDeeper(depth);
                var sum = 17;
                foreach (var property in value.EnumerateObject())
                {
                    sum += HashCode.Combine(
                        HashText(JsonMarshal.GetRawUtf8PropertyName(property)),
                        Hash(property.Value, depth + 1)
                    );
                }
                return HashCode.Combine(sum, 1);
            }
            default:
                return HashCode.Combine(value.ValueKind);
        }
    }

    /// <summary>The bytes between the quotes of a string.</summary>
    public static ReadOnlySpan<byte> Raw(in JsonElement text) => JsonMarshal.GetRawUtf8Value(text)[1..^1];

    private static int HashText(ReadOnlySpan<byte> raw)
    {
        var hash = new HashCode();
        if (JsonText.IsEscaped(raw))
            hash.AddBytes(JsonText.ToBytes(raw));
        else
            hash.AddBytes(raw);
        return hash.ToHashCode();
    }

    private static bool SameNumber(in JsonElement left, in JsonElement right)
    {
        var leftToken = JsonMarshal.GetRawUtf8Value(left);
        var rightToken = JsonMarshal.GetRawUtf8Value(right);
        return leftToken.SequenceEqual(rightToken)
            || ExactNumber.Parse(leftToken).Equals(ExactNumber.Parse(rightToken));
    }

    private static bool SameArray(in JsonElement left, in JsonElement right, int depth)
    {
        EvaluationLimitException.ThrowIfDeeper(depth);
        if (left.GetArrayLength() != right.GetArrayLength())
            return false;
        var others = right.EnumerateArray();
        foreach (var item in left.EnumerateArray())
        {
            if (!others.MoveNext() || !Same(item, others.Current, depth))
                return false;
        }
        return true;
    }

    private static bool SameObject(in JsonElement left, in JsonElement right, int depth)
    {
        EvaluationLimitException.ThrowIfDeeper(depth);
        var count = left.GetPropertyCount();
        if (count != right.GetPropertyCount())
            return false;
        return count <= SmallObject ? SameSmallObject(left, right, depth) : SameLargeObject(left, right, count, depth);
    }

    private static bool SameSmallObject(in JsonElement left, in JsonElement right, int depth)
    {
        foreach (var property in left.EnumerateObject())
        {
            var found = false;
            foreach (var other in right.EnumerateObject())
            {
                if (
                    JsonText.SameText(
                        JsonMarshal.GetRawUtf8PropertyName(property),
                        JsonMarshal.GetRawUtf8PropertyName(other)
                    )
                )
                {
                    found = Same(property.Value, other.Value, depth);
                    break;
                }
            }
            if (!found)
                return false;
        }
        return true;
    }

    private static bool SameLargeObject(in JsonElement left, in JsonElement right, int count, int depth)
    {
        var names = new List<byte[]>(count);
        var values = new List<JsonElement>(count);
        foreach (var property in left.EnumerateObject())
        {
            names.Add(JsonText.ToBytes(JsonMarshal.GetRawUtf8PropertyName(property)));
            values.Add(property.Value);
        }
        var table = new NameTable(names);
        foreach (var property in right.EnumerateObject())
        {
            var index = table.IndexOf(JsonText.ToBytes(JsonMarshal.GetRawUtf8PropertyName(property)));
            if (index < 0 || !Same(values[index], property.Value, depth))
                return false;
        }
        return true;
    }
}
