using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http;
using Platen.Kernel;
using Platen.Platform.Http;

namespace Platen.Submissions;

/// <summary>The names and values of a post: a form as a browser sends it (WHATWG URL, section 5.1), or an object of texts as JSON.</summary>
internal static class PostedFields
{
    public const string FormMediaType = "application/x-www-form-urlencoded";

    /// <exception cref="ProblemException"><see cref="KernelProblems.TooLarge"/>, <see cref="KernelProblems.Malformed"/> or
    /// <see cref="KernelProblems.Invalid"/>.</exception>
    public static async Task<Dictionary<string, string>> ReadFormAsync(HttpContext context, CancellationToken ct)
    {
        var body = new byte[SubmissionsLimits.BodyBytes + 1];
        var length = await context.Request.Body.ReadAtLeastAsync(body, body.Length, throwOnEndOfStream: false, ct);
        if (length > SubmissionsLimits.BodyBytes)
        {
            throw KernelProblems
                .TooLarge.Because(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"The body is larger than {SubmissionsLimits.BodyBytes:N0} bytes."
                    )
                )
                .AsException();
        }
        return ParseForm(body.AsSpan(0, length));
    }

    /// <summary>Reads a body; a name that comes twice is refused with its place.</summary>
    public static Dictionary<string, string> ParseForm(ReadOnlySpan<byte> body)
    {
        var fields = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var range in body.Split((byte)'&'))
        {
            var pair = body[range];
            if (pair.IsEmpty)
                continue;
            var equals = pair.IndexOf((byte)'=');
            var name = Decode(equals < 0 ? pair : pair[..equals]);
            var value = equals < 0 ? "" : Decode(pair[(equals + 1)..]);
            Add(fields, name, value);
        }
        return fields;
    }

    /// <exception cref="ProblemException">As <see cref="ReadFormAsync"/>.</exception>
    public static async Task<Dictionary<string, string>> ReadJsonAsync(HttpContext context, CancellationToken ct)
    {
        using var document = await JsonBody.ReadAsync(context, SubmissionsLimits.BodyBytes, ct);
        if (document.RootElement.ValueKind != JsonValueKind.Object)
            throw KernelProblems
                .Invalid.Because("The body is an object of texts.", [new Fault("", "An object.")])
                .AsException();
        var fields = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var member in document.RootElement.EnumerateObject())
        {
            var value = member.Value.ValueKind switch
            {
                JsonValueKind.String => Text(member.Value),
                JsonValueKind.True => "yes",
                JsonValueKind.False or JsonValueKind.Null => "",
                _ => throw KernelProblems
                    .Invalid.Because(
                        "A field's value is a text.",
                        [new Fault("/" + member.Name, "A text, or true and false for a box.")]
                    )
                    .AsException(),
            };
            Add(fields, member.Name, value);
        }
        return fields;
    }

    private static void Add(Dictionary<string, string> fields, string name, string value)
    {
        if (fields.Count == SubmissionsLimits.Names)
        {
            throw KernelProblems
                .Invalid.Because(
                    string.Create(CultureInfo.InvariantCulture, $"More than {SubmissionsLimits.Names} fields.")
                )
                .AsException();
        }
        if (!fields.TryAdd(name, value))
        {
            throw KernelProblems
                .Invalid.Because("A field was sent twice.", [new Fault("/" + name, "Send the field once.")])
                .AsException();
        }
    }

    private static string Text(JsonElement value)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw KernelProblems.Malformed.Because("A text has half a surrogate pair.").AsException();
        }
    }

    // A percent sign that begins no byte stands for itself, as browsers have it; bytes that are no UTF-8 are refused.
    private static string Decode(ReadOnlySpan<byte> encoded)
    {
        var bytes = new byte[encoded.Length];
        var length = 0;
        for (var at = 0; at < encoded.Length; at++)
        {
            var one = encoded[at];
            if (one == '+')
            {
                one = (byte)' ';
            }
            else if (
                one == '%'
                && at + 2 < encoded.Length
                && char.IsAsciiHexDigit((char)encoded[at + 1])
                && char.IsAsciiHexDigit((char)encoded[at + 2])
            )
            {
                one = Convert.FromHexString([(char)encoded[at + 1], (char)encoded[at + 2]])[0];
                at += 2;
            }
            bytes[length++] = one;
        }
        var text = bytes.AsSpan(0, length);
        return Utf8.IsValid(text)
            ? Encoding.UTF8.GetString(text)
            : throw KernelProblems.Malformed.Because("The form is not valid UTF-8.").AsException();
    }
}
