using System.Collections.Frozen;
using System.IO.Pipelines;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Platen.Kernel;
using Platen.Platform.Http;

namespace Platen.Registry;

/// <summary>
/// Writes every problem of a request below <c>/v2/</c> as the distribution specification has it, whoever refused the request:
/// <c>{"errors":[{"code","message","detail"}]}</c>, where <c>detail</c> is the problem with all it says.
/// </summary>
internal sealed class RegistryErrorFormat : IProblemFormat
{
    public static readonly RegistryErrorFormat Instance = new();

    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly FrozenDictionary<ProblemType, string> Codes = new Dictionary<ProblemType, string>
    {
        [RegistryProblems.BlobUnknown] = "BLOB_UNKNOWN",
        [RegistryProblems.UploadUnknown] = "BLOB_UPLOAD_UNKNOWN",
        [RegistryProblems.UploadBusy] = "BLOB_UPLOAD_INVALID",
        [RegistryProblems.UploadRange] = "BLOB_UPLOAD_INVALID",
        [RegistryProblems.RangeInvalid] = "UNSUPPORTED",
        [RegistryProblems.DigestInvalid] = "DIGEST_INVALID",
        [RegistryProblems.SizeInvalid] = "SIZE_INVALID",
        [RegistryProblems.TooLarge] = "SIZE_INVALID",
        [RegistryProblems.ManifestInvalid] = "MANIFEST_INVALID",
        [RegistryProblems.ManifestBlobUnknown] = "MANIFEST_BLOB_UNKNOWN",
        [RegistryProblems.ManifestUnknown] = "MANIFEST_UNKNOWN",
        [RegistryProblems.NameInvalid] = "NAME_INVALID",
        [RegistryProblems.NameUnknown] = "NAME_UNKNOWN",
        [RegistryProblems.InsufficientToken] = "UNAUTHORIZED",
        [RegistryProblems.Denied] = "DENIED",
        [RegistryProblems.Unsupported] = "UNSUPPORTED",
        [RegistryProblems.TooManyUploads] = "TOOMANYREQUESTS",
        [RegistryProblems.PageInvalid] = "PAGINATION_NUMBER_INVALID",
        [KernelProblems.StorageFull] = "BLOB_UPLOAD_INVALID",
        [KernelProblems.NotFound] = "NAME_UNKNOWN",
    }.ToFrozenDictionary();

    public void Describe(HttpContext context, Problem problem)
    {
        context.Response.ContentType = "application/json";
        if (problem.Type.Status == StatusCodes.Status401Unauthorized)
            context.Response.Headers.WWWAuthenticate = Challenge.Of(context, problem);
    }

    public void Write(PipeWriter body, HttpContext context, Problem problem)
    {
        using var json = new Utf8JsonWriter(body, Plain);
        json.WriteStartObject();
        json.WriteStartArray("errors");
        json.WriteStartObject();
        json.WriteString("code", CodeOf(problem.Type));
        json.WriteString("message", problem.Detail);
        json.WriteStartObject("detail");
        json.WriteString("type", problem.Type.Uri);
        json.WriteString("title", problem.Type.Title);
        json.WriteNumber("status", problem.Type.Status);
        json.WriteString("detail", problem.Detail);
        json.WriteString("advice", problem.Type.Advice);
        json.WriteString("traceId", RequestTrace.IdOf(context));
        if (!problem.Faults.IsDefaultOrEmpty)
        {
            json.WriteStartArray("faults");
            foreach (var fault in problem.Faults)
            {
                json.WriteStartObject();
                json.WriteString("pointer", fault.Pointer);
                json.WriteString("message", fault.Message);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        foreach (var (name, value) in problem.Extensions)
        {
            json.WritePropertyName(name);
            JsonSerializer.Serialize(json, value, value.GetType(), JsonSerializerOptions.Web);
        }
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>The specification's code; a problem of another part is told apart by its status.</summary>
    internal static string CodeOf(ProblemType type) =>
        Codes.TryGetValue(type, out var code)
            ? code
            : type.Status switch
            {
                401 => "UNAUTHORIZED",
                403 or 412 => "DENIED",
                404 => "NAME_UNKNOWN",
                405 or 415 => "UNSUPPORTED",
                413 => "SIZE_INVALID",
                429 => "TOOMANYREQUESTS",
                400 or 409 or 422 => "MANIFEST_INVALID",
                503 => "UNAVAILABLE",
                _ => "UNKNOWN",
            };
}
