using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Npgsql;

namespace Platen.Submissions;

/// <summary>What a visitor sent, as it is kept and as the API gives it.</summary>
internal sealed record Submission(
    Guid Id,
    string PublicId,
    string WidgetType,
    string ReleaseDigest,
    string? Locale,
    DateTimeOffset ReceivedAt,
    JsonElement Fields
)
{
    public const string Columns = "id, public_id, widget_type, release_digest, locale, received_at, fields::text";

    [JsonIgnore]
    public SubmissionPlace Place => new(ReceivedAt, Id);

    public static Submission Read(NpgsqlDataReader row) =>
        new(
            row.GetGuid(0),
            row.GetString(1),
            row.GetString(2),
            row.GetString(3),
            row.IsDBNull(4) ? null : row.GetString(4),
            row.GetFieldValue<DateTimeOffset>(5),
            JsonElement.Parse(row.GetString(6))
        );
}

/// <summary>A place in a list of submissions, which is in the order of arrival.</summary>
internal readonly record struct SubmissionPlace(DateTimeOffset At, Guid Id)
{
    public static bool TryParse(string text, out SubmissionPlace place)
    {
        place = default;
        if (text.Length > 100 || !Base64Url.IsValid(text))
            return false;
        var parts = Encoding.ASCII.GetString(Base64Url.DecodeFromChars(text)).Split('.');
        if (
            parts is not [var ticks, var id]
            || !long.TryParse(ticks, NumberStyles.None, CultureInfo.InvariantCulture, out var at)
            || at > DateTimeOffset.MaxValue.Ticks
            || !Guid.TryParseExact(id, "N", out var guid)
        )
            return false;
        place = new SubmissionPlace(new DateTimeOffset(at, TimeSpan.Zero), guid);
        return true;
    }

    public override string ToString() =>
        Base64Url.EncodeToString(
            Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{At.UtcTicks}.{Id:N}"))
        );
}
