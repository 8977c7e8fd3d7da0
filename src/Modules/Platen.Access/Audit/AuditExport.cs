using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Platen.Access.Audit;

/// <summary>A form in which the log leaves as a file.</summary>
internal abstract class AuditExport
{
    private static readonly AuditExport Csv = new CsvExport();
    private static readonly AuditExport JsonLines = new JsonLinesExport();

    public abstract string ContentType { get; }

    /// <summary>The format of that name, or null.</summary>
    public static AuditExport? Format(string name) =>
        name switch
        {
            "csv" => Csv,
            "jsonl" => JsonLines,
            _ => null,
        };

    public abstract void Begin(IBufferWriter<byte> file);

    public abstract void Write(IBufferWriter<byte> file, AuditEntry entry);

    /// <summary>RFC 4180, with a header line.</summary>
    private sealed class CsvExport : AuditExport
    {
        public override string ContentType => "text/csv; charset=utf-8; header=present";

        public override void Begin(IBufferWriter<byte> file) =>
            file.Write("id,at,actor,actor_name,action,subject,origin,user_agent,trace_id,before,after,detail\r\n"u8);

        public override void Write(IBufferWriter<byte> file, AuditEntry entry)
        {
            string?[] fields =
            [
                entry.Id.ToString(),
                entry.At.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture),
                entry.Actor.Id.ToString(),
                entry.Actor.Name,
                entry.Action,
                entry.Subject,
                entry.Origin?.ToString(),
                entry.UserAgent,
                entry.TraceId,
                entry.Before?.ToString(),
                entry.After?.ToString(),
                Encoding.UTF8.GetString(entry.Detail.Span),
            ];
            var line = new StringBuilder();
            CsvLine.Append(line, fields);
            Encoding.UTF8.GetBytes(line.ToString(), file);
        }
    }

    /// <summary>An entry a line, as <c>GET /v1/audit</c> gives it.</summary>
    private sealed class JsonLinesExport : AuditExport
    {
        private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
        {
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        };

        public override string ContentType => "application/jsonl; charset=utf-8";

        public override void Begin(IBufferWriter<byte> file)
        {
            // The lines are the whole file.
        }

        public override void Write(IBufferWriter<byte> file, AuditEntry entry)
        {
            file.Write(JsonSerializer.SerializeToUtf8Bytes(AuditEntryView.Of(entry), Options));
            file.Write("\n"u8);
        }
    }
}
