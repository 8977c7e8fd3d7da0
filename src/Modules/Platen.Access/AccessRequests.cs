using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Platen.Kernel;
using Platen.Platform.Http;

namespace Platen.Access;

/// <summary>How the module reads its requests.</summary>
internal static class AccessRequests
{
    private static readonly JsonSerializerOptions EventJson = new(JsonSerializerDefaults.Web)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static Task<T> BodyAsync<T>(this HttpContext context, CancellationToken ct)
        where T : class => JsonBody.ReadAsync<T>(context, AccessLimits.BodyBytes, JsonBody.Shape, ct);

    public static int PageSize(int? limit) => Math.Clamp(limit ?? Limits.DefaultPageItems, 1, Limits.PageItems);

    /// <summary>The digest of what was asked: a repeated Idempotency-Key must ask the same.</summary>
    public static Digest Asked<T>(T body) => Digest.Of(JsonSerializer.SerializeToUtf8Bytes(body, JsonBody.Shape));

    public static ReadOnlyMemory<byte> Event(object happened) =>
        JsonSerializer.SerializeToUtf8Bytes(happened, EventJson);

    /// <summary>A name that people see: trimmed, within the limit, without characters that are not seen.</summary>
    public static string Name(string? text, string pointer, List<Fault> faults)
    {
        var name = (text ?? "").Trim().Normalize(NormalizationForm.FormC);
        if (name.Length is 0 or > Limits.DisplayNameLength)
            faults.Add(new Fault(pointer, $"A name has 1 to {Limits.DisplayNameLength} characters."));
        else if (name.EnumerateRunes().Any(IsUnseen))
            faults.Add(new Fault(pointer, "A name has no control, format or unassigned characters."));
        return name;
    }

    public static void ThrowIfAny(List<Fault> faults)
    {
        if (faults.Count > 0)
        {
            throw KernelProblems
                .Invalid.Because(faults.Count == 1 ? faults[0].Message : $"{faults.Count} things are wrong.", faults)
                .AsException();
        }
    }

    private static bool IsUnseen(Rune rune) =>
        Rune.GetUnicodeCategory(rune)
            is UnicodeCategory.Control
                or UnicodeCategory.Format
                or UnicodeCategory.LineSeparator
                or UnicodeCategory.ParagraphSeparator
                or UnicodeCategory.PrivateUse
                or UnicodeCategory.Surrogate
                or UnicodeCategory.OtherNotAssigned;
}
