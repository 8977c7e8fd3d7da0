using System.IO.Pipelines;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using Npgsql;
using Platen.Kernel;

namespace Platen.Platform.Http;

/// <summary>
/// Turns problems and failures into RFC 9457 responses, or into the request's <see cref="IProblemFormat"/>. The only writer of
/// <c>application/problem+json</c>.
/// </summary>
public static partial class ProblemResponses
{
    public const string ContentType = "application/problem+json";

    /// <summary>The media type is not HTML and is not sniffed: quotes and letters stay readable.</summary>
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>
    /// Answers every <see cref="ProblemException"/> of the rest of the pipeline with its problem; a database that does not
    /// answer with <see cref="KernelProblems.Unavailable"/>; a full disk with <see cref="KernelProblems.StorageFull"/>; anything
    /// else with <see cref="KernelProblems.Internal"/>, logged once. Bodiless error statuses get a problem body.
    /// </summary>
    public static IApplicationBuilder UseProblems(this IApplicationBuilder app, ILogger logger) =>
        app.Use(
            async (context, next) =>
            {
                Problem problem;
                try
                {
                    await next(context);
                    if (context.Response.HasStarted || ForStatus(context) is not { } bodiless)
                        return;
                    problem = bodiless;
                }
                catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
                {
                    return;
                }
                catch (Exception e) when (!context.Response.HasStarted)
                {
                    problem = Explain(e, context, logger);
                }
                await WriteAsync(context, problem);
            }
        );

    /// <summary>Writes the problem as the whole response.</summary>
    public static async Task WriteAsync(HttpContext context, Problem problem)
    {
        var response = context.Response;
        // Headers that already say something true of the refusal (Allow, WWW-Authenticate, RateLimit) stay.
        response.Headers.Remove("ETag");
        response.Headers.Remove("Last-Modified");
        response.StatusCode = problem.Type.Status;
        response.ContentType = ContentType;
        response.Headers.CacheControl = "no-store";
        if (problem.Type.Status == StatusCodes.Status503ServiceUnavailable && response.Headers.RetryAfter.Count == 0)
            response.Headers.RetryAfter = "2";
        var format = context.Features.Get<IProblemFormat>();
        format?.Describe(context, problem);
        if (context.WantsNoBody())
            return;
        if (format is null)
            Write(response.BodyWriter, context, problem);
        else
            format.Write(response.BodyWriter, context, problem);
        // Without the request's token, which may be what ended the request; a write to a closed connection ends by itself.
        await response.BodyWriter.FlushAsync(CancellationToken.None);
    }

    private static void Write(PipeWriter body, HttpContext context, Problem problem)
    {
        using var json = new Utf8JsonWriter(body, Plain);
        json.WriteStartObject();
        json.WriteString("type", problem.Type.Uri);
        json.WriteString("title", problem.Type.Title);
        json.WriteNumber("status", problem.Type.Status);
        json.WriteString("detail", problem.Detail);
        json.WriteString("advice", problem.Type.Advice);
        json.WriteString("instance", WrittenPath.Of(context));
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
    }

    private static Problem Explain(Exception failure, HttpContext context, ILogger logger)
    {
        switch (failure)
        {
            case ProblemException refused:
                return refused.Problem;
            case BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge }:
                return KernelProblems.TooLarge.Because(
                    "The body is larger than the "
                        + $"{context.Features.Get<IHttpMaxRequestBodySizeFeature>()?.MaxRequestBodySize} bytes this address accepts."
                );
            case BadHttpRequestException { StatusCode: StatusCodes.Status408RequestTimeout }:
                return HttpProblems.SlowRequest.Because(
                    $"A body arrives with at least {ServerLimits.BytesASecond} bytes a second."
                );
            case BadHttpRequestException malformed:
                return KernelProblems.Malformed.Because(malformed.Message);
            case PostgresException { SqlState: PostgresErrorCodes.DiskFull } full:
                LogFull(logger, RequestTrace.IdOf(context), full);
                return KernelProblems.StorageFull.Because("The database has no room left. Nothing was written.");
            case PostgresException { SqlState: PostgresErrorCodes.CharacterNotInRepertoire }:
                return KernelProblems.Malformed.Because(
                    "A text contains the character U+0000, which cannot be stored."
                );
            case PostgresException
            {
                SqlState: PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure
            }:
                return KernelProblems.Unavailable.Because("Others were writing the same rows. Nothing was written.");
            case IOException e when IsDiskFull(e):
                LogFull(logger, RequestTrace.IdOf(context), e);
                return KernelProblems.StorageFull.Because("The blob store has no room left. Nothing was published.");
            case NpgsqlException e when e is not PostgresException || IsShuttingDown(e):
                LogUnavailable(logger, RequestTrace.IdOf(context), e);
                return KernelProblems.Unavailable.Because(
                    "The database does not answer. What was being written may not be there: read it before you repeat."
                );
            case TimeoutException e:
                LogUnavailable(logger, RequestTrace.IdOf(context), e);
                return KernelProblems.Unavailable.Because("A part the server depends on took too long to answer.");
            default:
                LogFailure(
                    logger,
                    context.Request.Method,
                    WrittenPath.Of(context),
                    RequestTrace.IdOf(context),
                    failure
                );
                return KernelProblems.Internal.Because("The server failed while answering this request.");
        }
    }

    /// <summary>The problem for a response whose status says no and which has no body yet.</summary>
    private static Problem? ForStatus(HttpContext context) =>
        context.Response.StatusCode switch
        {
            _ when context.Response.ContentLength is not null || context.Response.ContentType is not null => null,
            StatusCodes.Status400BadRequest => KernelProblems.Malformed.Because("The request cannot be read."),
            StatusCodes.Status401Unauthorized => KernelProblems.Unauthenticated.Because(
                "No valid credential was sent."
            ),
            StatusCodes.Status403Forbidden => KernelProblems.Forbidden.Because("The credential lacks a needed scope."),
            StatusCodes.Status404NotFound => KernelProblems.NotFound.Because("Nothing is at this address."),
            StatusCodes.Status405MethodNotAllowed => KernelProblems.MethodNotAllowed.Because(
                $"This address accepts {context.Response.Headers.Allow}."
            ),
            StatusCodes.Status413PayloadTooLarge => KernelProblems.TooLarge.Because("The body is too large."),
            StatusCodes.Status415UnsupportedMediaType => KernelProblems.UnsupportedMediaType.Because(
                "The body's media type is not accepted here."
            ),
            _ => null,
        };

    /// <summary>ENOSPC or EDQUOT, as .NET reports them on Linux and macOS.</summary>
    private static bool IsDiskFull(IOException e) => (e.HResult & 0xFFFF) is 28 or 112 or 122 or 69;

    private static bool IsShuttingDown(NpgsqlException e) =>
        e
            is PostgresException
            {
                SqlState: PostgresErrorCodes.AdminShutdown
                    or PostgresErrorCodes.CrashShutdown
                    or PostgresErrorCodes.CannotConnectNow
                    or PostgresErrorCodes.TooManyConnections
            };

    [LoggerMessage(1100, LogLevel.Error, "{Method} {Path} failed (trace {Trace})")]
    private static partial void LogFailure(ILogger logger, string method, string path, string trace, Exception failure);

    [LoggerMessage(
        1101,
        LogLevel.Warning,
        "A request could not be served: the database does not answer (trace {Trace})"
    )]
    private static partial void LogUnavailable(ILogger logger, string trace, Exception failure);

    [LoggerMessage(1102, LogLevel.Critical, "There is no room left on a disk that Platen writes to (trace {Trace})")]
    private static partial void LogFull(ILogger logger, string trace, Exception failure);
}

/// <summary>
/// Another form for the problems of a request, set as a feature by a part that speaks a protocol with errors of its own.
/// Whoever refuses the request, its client reads the refusal.
/// </summary>
public interface IProblemFormat
{
    /// <summary>Sets status, content type and fields that differ; they already are those of a problem.</summary>
    void Describe(HttpContext context, Problem problem);

    /// <summary>Writes the body; not called for HEAD.</summary>
    void Write(PipeWriter body, HttpContext context, Problem problem);
}
