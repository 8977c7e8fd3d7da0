using System.Net;
using System.Text;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Primitives;
using Platen.Delivery;
using Platen.Kernel;
using Platen.Platform.Embedding;
using Platen.Platform.Http;

namespace Platen.Server;

/// <summary>
/// What a process that is delivery alone leaves to the API: what visitors send with <c>/s/{publicId}</c> is handed on as it is, and whether a
/// key may have something explained is asked there. Nothing else is handed on, nothing is kept, and nothing is sent twice: a form that did not
/// arrive is the visitor's to send again.
/// </summary>
internal sealed partial class ApiRelay(Uri? api, ILogger<ApiRelay> logger) : IDisposable
{
    private const string Prefix = "/s/";

    /// <summary>Of a loop the second turn is the last: RFC 9110 section 7.6.3.</summary>
    private const string Pseudonym = "1.1 platen-delivery";

    /// <summary>Bytes of a post; what the API takes is less, and it says so better.</summary>
    private const int BodyBytes = 128 * 1024;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    // RFC 9110 section 7.6.1, what this process says itself, and credentials, of which a form takes embed tokens alone.
    private static readonly HashSet<string> NotHandedOn = new(StringComparer.OrdinalIgnoreCase)
    {
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "Expect",
        "Host",
        "Content-Length",
        "Cookie",
        "Set-Cookie",
        "Authorization",
        "Via",
        "Forwarded",
        "Server",
        "Date",
        "Alt-Svc",
        "Strict-Transport-Security",
        "traceparent",
        "tracestate",
        "baggage",
    };

    private readonly HttpClient http = new(
        new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = TimeSpan.FromSeconds(2),
            PooledConnectionLifetime = TimeSpan.FromMinutes(2),
        }
    )
    {
        BaseAddress = api,
        Timeout = Patience,
        MaxResponseContentBufferSize = 1024 * 1024,
    };

    /// <summary>Whether there is an API to ask.</summary>
    public bool IsOn => api is not null;

    public static bool Owns(PathString path) => path.StartsWithSegments("/s", StringComparison.Ordinal);

    public void Dispose() => http.Dispose();

    /// <summary>Hands a form's post on, and its answer back.</summary>
    public async Task HandOnAsync(HttpContext context)
    {
        var request = context.Request;
        var path = request.Path.Value!;
        if (!PublicId.TryParse(path[Math.Min(Prefix.Length, path.Length)..], out var id))
        {
            await ProblemResponses.WriteAsync(context, KernelProblems.NotFound.Because("The path names no form."));
            return;
        }
        byte[] body;
        try
        {
            body = await ReadAsync(request, context.RequestAborted);
        }
        catch (ProblemException e)
        {
            await ProblemResponses.WriteAsync(context, e.Problem);
            return;
        }
        if (api is null)
        {
            await FailAsync(context, id, body, "This node takes no forms: it was not told where the API is.");
            return;
        }
        if (request.Headers.Via.ToString().Contains(Pseudonym, StringComparison.OrdinalIgnoreCase))
        {
            LogLoop(logger, api);
            await FailAsync(context, id, body, "This node was told that it is the API itself.");
            return;
        }
        try
        {
            using var onward = Onward(context, body);
            using var answer = await http.SendAsync(
                onward,
                HttpCompletionOption.ResponseContentRead,
                context.RequestAborted
            );
            await AnswerAsync(context, answer);
        }
        // It may have arrived: that is why nothing is sent again, and why a form carries a key against doubles.
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            if (context.RequestAborted.IsCancellationRequested)
                return;
            LogUnreachable(logger, api, e);
            await FailAsync(context, id, body, "The API does not answer. Try again in a moment.");
        }
    }

    /// <summary>Whether whoever asks may read the instance: what the API answers them, 200 for yes.</summary>
    public async Task<int> AskAsync(HttpRequest request, PublicId id, CancellationToken ct)
    {
        using var question = new HttpRequestMessage(HttpMethod.Get, $"/v1/instances/{id}");
        question.Headers.TryAddWithoutValidation("Authorization", request.Headers.Authorization.ToString());
        Introduce(request.HttpContext, question);
        try
        {
            using var answer = await http.SendAsync(question, HttpCompletionOption.ResponseHeadersRead, ct);
            return (int)answer.StatusCode;
        }
        catch (Exception e)
            when (e is HttpRequestException or OperationCanceledException && !ct.IsCancellationRequested)
        {
            LogUnreachable(logger, http.BaseAddress!, e);
            return StatusCodes.Status503ServiceUnavailable;
        }
    }

    /// <summary>Whether the API answers, for <c>/readyz</c>.</summary>
    /// <exception cref="HttpRequestException">It does not.</exception>
    public async Task<string> LookAsync(CancellationToken ct)
    {
        using var answer = await http.GetAsync("/healthz", ct);
        answer.EnsureSuccessStatusCode();
        return "It takes what visitors send.";
    }

    private static HttpRequestMessage Onward(HttpContext context, byte[] body)
    {
        var request = context.Request;
        var onward = new HttpRequestMessage(
            new HttpMethod(request.Method),
            request.Path.ToUriComponent() + request.QueryString.ToUriComponent()
        );
        if (body.Length > 0 || HttpMethods.IsPost(request.Method))
            onward.Content = new ByteArrayContent(body);
        var named = request.Headers.Connection.ToString().Split(',', StringSplitOptions.TrimEntries);
        foreach (var (name, values) in request.Headers)
        {
            if (NotHandedOn.Contains(name) || named.Contains(name, StringComparer.OrdinalIgnoreCase))
                continue;
            if (!onward.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values))
                onward.Content?.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values);
        }
        if (request.Headers.Authorization.Count > 0 && PresentedToken.Of(request) is { } token)
        {
            onward.Headers.Remove("X-Embed-Token");
            onward.Headers.TryAddWithoutValidation("X-Embed-Token", token);
        }
        Introduce(context, onward);
        return onward;
    }

    // For whom it asks. What came with the request under these names was believed or taken away where it came in.
    private static void Introduce(HttpContext context, HttpRequestMessage onward)
    {
        onward.Headers.TryAddWithoutValidation("Via", Pseudonym);
        onward.Headers.TryAddWithoutValidation("X-Forwarded-Proto", context.Request.Scheme);
        onward.Headers.TryAddWithoutValidation("X-Forwarded-Host", context.Request.Host.Value);
        if (context.ClientAddress() is { } client)
            onward.Headers.TryAddWithoutValidation("X-Forwarded-For", client.ToString());
    }

    private static async Task AnswerAsync(HttpContext context, HttpResponseMessage answer)
    {
        var response = context.Response;
        response.StatusCode = (int)answer.StatusCode;
        foreach (var (name, values) in answer.Headers.NonValidated.Concat(answer.Content.Headers.NonValidated))
        {
            if (!NotHandedOn.Contains(name))
                response.Headers[name] = new StringValues([.. values]);
        }
        response.Headers.Via = Pseudonym;
        if (answer.StatusCode is HttpStatusCode.NoContent or HttpStatusCode.NotModified)
            return;
        var body = await answer.Content.ReadAsByteArrayAsync(context.RequestAborted);
        response.ContentLength = body.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
            await response.Body.WriteAsync(body, context.RequestAborted);
    }

    private static async Task<byte[]> ReadAsync(HttpRequest request, CancellationToken ct)
    {
        if (request.HttpContext.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
            limit.MaxRequestBodySize = BodyBytes;
        try
        {
            using var body = new MemoryStream();
            await request.Body.CopyToAsync(body, ct);
            return body.ToArray();
        }
        catch (BadHttpRequestException e) when (e.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            throw KernelProblems.TooLarge.Because($"The body is larger than {BodyBytes:N0} bytes.").AsException();
        }
    }

    // A browser that sent a form goes back to the page, which has the words for it; a program is told.
    private static Task FailAsync(HttpContext context, PublicId id, byte[] body, string why)
    {
        var (request, response) = (context.Request, context.Response);
        var isForm = request.ContentType?.StartsWith(
            "application/x-www-form-urlencoded",
            StringComparison.OrdinalIgnoreCase
        );
        if (
            isForm is not true
            || !HttpMethods.IsPost(request.Method)
            || request.Headers.Accept.ToString().Contains("json", StringComparison.OrdinalIgnoreCase)
        )
            return ProblemResponses.WriteAsync(context, KernelProblems.Unavailable.Because(why));
        var query = QueryString.Empty;
        if (
            QueryHelpers.ParseQuery(Encoding.UTF8.GetString(body)).GetValueOrDefault("page_locale")
            is [{ Length: > 0 and <= 35 } locale]
        )
            query = query.Add("locale", locale);
        foreach (var name in new[] { "theme", "token" })
        {
            if (request.Query[name] is [{ Length: > 0 } value])
                query = query.Add(name, value);
        }
        response.StatusCode = StatusCodes.Status303SeeOther;
        response.Headers.CacheControl = "no-store";
        response.Headers.Location = $"/e/{id}{query}#failed_";
        return Task.CompletedTask;
    }

    [LoggerMessage(1040, LogLevel.Warning, "The API at {Api} does not answer: what visitors send goes back to them.")]
    private static partial void LogUnreachable(ILogger logger, Uri api, Exception cause);

    [LoggerMessage(1041, LogLevel.Error, "PLATEN_API is {Api}, which leads back here: name a node with the role api.")]
    private static partial void LogLoop(ILogger logger, Uri api);
}

/// <summary>Wires <see cref="ApiRelay"/> into a process that is delivery alone.</summary>
internal static class ApiRelayModule
{
    /// <summary>Answers <c>/s/…</c> by handing it on.</summary>
    public static IApplicationBuilder UseApiRelay(this IApplicationBuilder app)
    {
        var relay = app.ApplicationServices.GetRequiredService<ApiRelay>();
        return app.Use(next =>
            context => ApiRelay.Owns(context.Request.Path) ? relay.HandOnAsync(context) : next(context)
        );
    }

    /// <summary>Explains what this node has to whom the API lets read the instance.</summary>
    public static void MapRelayedExplanations(this IEndpointRouteBuilder app) =>
        app.MapGet("/v1/instances/{publicId}/explanation", ExplainAsync).ExcludeFromDescription();

    private static async Task<IResult> ExplainAsync(
        string publicId,
        ExplainVisitor visitor,
        ApiRelay relay,
        TimeProvider clock,
        HttpContext context,
        CancellationToken ct
    )
    {
        if (!PublicId.TryParse(publicId, out var id))
            throw KernelProblems.NotFound.Because("The path names no instance.").AsException();
        switch (await relay.AskAsync(context.Request, id, ct))
        {
            case StatusCodes.Status200OK:
                return await ExplanationEndpoints.TellAsync(id, visitor, null, clock, context, ct);
            case StatusCodes.Status401Unauthorized:
                context.Response.Headers.WWWAuthenticate = "Bearer";
                throw KernelProblems.Unauthenticated.Because("The API does not know that credential.").AsException();
            case StatusCodes.Status503ServiceUnavailable:
                throw KernelProblems
                    .Unavailable.Because("The API does not answer, so nobody can say who may have this explained.")
                    .AsException();
            case StatusCodes.Status403Forbidden:
                throw KernelProblems.Forbidden.Because("The credential may not read the instance.").AsException();
            default:
                throw KernelProblems.NotFound.Because("There is no such instance for this credential.").AsException();
        }
    }
}
