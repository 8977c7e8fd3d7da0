using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.IO.Pipelines;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http;
using Platen.Kernel;

namespace Platen.Platform.Http;

/// <summary>Reads a request's JSON body strictly: bounded, valid UTF-8, no duplicate members, no comments.</summary>
public static class JsonBody
{
    private static readonly JsonDocumentOptions Strict = new()
    {
        AllowDuplicateProperties = false,
        AllowTrailingCommas = false,
        CommentHandling = JsonCommentHandling.Disallow,
        MaxDepth = Limits.JsonDepth,
    };

    /// <summary>How a body becomes a value: every member known, present and of its own type.</summary>
    public static JsonSerializerOptions Shape { get; } =
        new(JsonSerializerDefaults.Web)
        {
            UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
            RespectNullableAnnotations = true,
            RespectRequiredConstructorParameters = true,
            PropertyNameCaseInsensitive = false,
            NumberHandling = JsonNumberHandling.Strict,
        };

    /// <summary>The body as a document that the caller disposes.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.UnsupportedMediaType"/>, <see cref="KernelProblems.TooLarge"/>,
    /// <see cref="KernelProblems.Malformed"/> with line and byte of the fault, or as <see cref="LateBody"/>.</exception>
    public static async Task<JsonDocument> ReadAsync(HttpContext context, int maxBytes, CancellationToken ct)
    {
        if (!context.Request.HasJsonContentType())
        {
            throw KernelProblems
                .UnsupportedMediaType.Because($"The body is '{context.Request.ContentType}'; send application/json.")
                .AsException();
        }
        var began = Stopwatch.GetTimestamp();
        var reader = context.Request.BodyReader;
        // The token ends a pending read this way and not as an exception, which would leave the server unable to read the rest.
        await using var cancelling = ct.UnsafeRegister(static body => ((PipeReader)body!).CancelPendingRead(), reader);
        while (true)
        {
            var read = await reader.ReadAsync(CancellationToken.None);
            if (read.IsCanceled)
            {
                reader.AdvanceTo(read.Buffer.Start);
                ct.ThrowIfCancellationRequested();
                continue;
            }
            if (read.Buffer.Length > maxBytes)
            {
                // Given back, so that the server can read the rest and the client gets to hear the answer.
                reader.AdvanceTo(read.Buffer.End);
                throw TooLarge(maxBytes);
            }
            if (read.IsCompleted)
                return await ParseAsync(context, read.Buffer, began, ct);
            reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }

    /// <summary>The body as a value; a member of the wrong type is a fault at its place.</summary>
    /// <exception cref="ProblemException">As <see cref="ReadAsync(HttpContext, int, CancellationToken)"/>, or
    /// <see cref="KernelProblems.Invalid"/>.</exception>
    public static async Task<T> ReadAsync<T>(
        HttpContext context,
        int maxBytes,
        JsonSerializerOptions options,
        CancellationToken ct
    )
        where T : class
    {
        using var document = await ReadAsync(context, maxBytes, ct);
        try
        {
            return document.Deserialize<T>(options) ?? throw new JsonException("The body is null.");
        }
        catch (JsonException e)
        {
            throw KernelProblems
                .Invalid.Because(
                    "The body does not have the documented shape.",
                    [new Fault(ToPointer(e.Path), Shorten(e.Message))]
                )
                .AsException();
        }
    }

    private static async Task<JsonDocument> ParseAsync(
        HttpContext context,
        ReadOnlySequence<byte> body,
        long began,
        CancellationToken ct
    )
    {
        var document = Parse(context.Request.BodyReader, body);
        try
        {
            await context.RefuseLostCallerAsync(began, ct);
            return document;
        }
        catch
        {
            document.Dispose();
            throw;
        }
    }

    private static JsonDocument Parse(PipeReader reader, ReadOnlySequence<byte> body)
    {
        try
        {
            // A copy, because the document outlives the pipe's memory, which is given back below.
            var utf8 = body.ToArray();
            if (!Utf8.IsValid(utf8))
                throw KernelProblems.Malformed.Because("The body is not valid UTF-8.").AsException();
            return JsonDocument.Parse(utf8, Strict);
        }
        catch (JsonException e)
        {
            // Of a member that is there twice nobody knows where.
            var place = e.LineNumber is null
                ? ""
                : string.Create(
                    CultureInfo.InvariantCulture,
                    $", at line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}"
                );
            throw KernelProblems
                .Malformed.Because($"The body is not the JSON we accept{place}: {Shorten(e.Message)}")
                .AsException();
        }
        finally
        {
            reader.AdvanceTo(body.End);
        }
    }

    private static ProblemException TooLarge(int maxBytes) =>
        KernelProblems
            .TooLarge.Because(
                string.Create(CultureInfo.InvariantCulture, $"The body is larger than {maxBytes:N0} bytes.")
            )
            .AsException();

    /// <summary>The framework's message without its own path and position, which we give in our form.</summary>
    private static string Shorten(string message)
    {
        var end = message.IndexOf(" Path:", StringComparison.Ordinal);
        var position = message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        var cut = (end, position) switch
        {
            (>= 0, _) => end,
            (_, >= 0) => position,
            _ => message.Length,
        };
        return message[..cut];
    }

    /// <summary>From the framework's <c>$.items[0].name</c> to the pointer <c>/items/0/name</c>.</summary>
    private static string ToPointer(string? path) =>
        path is null or "$" ? "" : path[1..].Replace("[", "/").Replace("]", "").Replace(".", "/");
}
