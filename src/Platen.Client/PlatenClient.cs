using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Platen.Kernel;

namespace Platen.Client;

/// <summary>
/// The typed client of a Platen server. Safe to share between threads; hold one for as long as the program runs. Every
/// call throws <see cref="PlatenProblemException"/> when the server refuses, <see cref="PlatenUnreachableException"/> when no answer
/// comes, <see cref="PlatenAnswerException"/> when the answer is not Platen's, and <see cref="OperationCanceledException"/> when its
/// token is cancelled.
/// </summary>
/// <remarks>
/// Calls with an idempotent method (GET, PUT, DELETE; RFC 9110 section 9.2.2) are sent again, a bounded number of times, after 502,
/// 503, 504 and a connection that broke, with the pause that Retry-After names or a growing random one. A refused connection and a
/// time-out are not: the caller learns of them at once. The key is sent as a bearer token with each call and appears nowhere
/// else.
/// </remarks>
public sealed partial class PlatenClient : IDisposable
{
    private static readonly string UserAgent =
        "platen-client/" + typeof(PlatenClient).Assembly.GetName().Version?.ToString(3);

    private readonly HttpClient http;
    private readonly bool ownsHttp;
    private readonly string? key;
    private readonly PlatenClientOptions options;

    /// <summary>A client with its own connections.</summary>
    /// <param name="server">The server's address; an http or https URI, whose path is kept as a prefix.</param>
    /// <param name="key">The machine key; null calls as nobody.</param>
    /// <param name="options">Null takes the defaults.</param>
    /// <exception cref="ArgumentException">The address is not an absolute http or https URI, or the key cannot be sent in a
    /// header.</exception>
    public PlatenClient(Uri server, string? key, PlatenClientOptions? options = null)
        : this(OwnHttp(server), key, options) => ownsHttp = true;

    /// <summary>A client over connections that the caller owns and disposes.</summary>
    /// <param name="http">With a <see cref="HttpClient.BaseAddress"/>.</param>
    /// <param name="key">The machine key; null calls as nobody.</param>
    /// <param name="options">Null takes the defaults.</param>
    /// <exception cref="ArgumentException">There is no base address, or the key cannot be sent in a header.</exception>
    public PlatenClient(HttpClient http, string? key, PlatenClientOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(http);
        if (http.BaseAddress is null)
            throw new ArgumentException("The HttpClient has no BaseAddress.", nameof(http));
        if (key is not null && (key.Length == 0 || key.AsSpan().ContainsAnyExceptInRange('!', '~')))
            throw new ArgumentException("The key has characters that no key has: is it the whole line?", nameof(key));
        this.http = http;
        this.key = key;
        this.options = options ?? new PlatenClientOptions();
        Server = WithSlash(http.BaseAddress);
    }

    /// <summary>The server's address; its path ends with a slash.</summary>
    public Uri Server { get; }

    /// <summary>Names server and key in a cache: two keys may see different things under one name. Not the key, nor a way to it.</summary>
    internal string CacheScope =>
        Digest
            .Of(
                System.Text.Encoding.UTF8.GetBytes($"{Server}\n{key}{(options.TemplatesOf is { } of ? "\n" + of : "")}")
            )
            .Hex[..24];

    /// <summary>The absolute address of a path that the server named, such as <c>/e/wgt_main_content.faq</c>.</summary>
    public Uri AddressOf(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        return new Uri(Server, path.TrimStart('/'));
    }

    public void Dispose()
    {
        if (ownsHttp)
            http.Dispose();
    }

    private static HttpClient OwnHttp(Uri server)
    {
        ArgumentNullException.ThrowIfNull(server);
        if (!server.IsAbsoluteUri || server.Scheme is not ("http" or "https"))
            throw new ArgumentException($"'{server}' is not an http or https address.", nameof(server));
        var handler = new SocketsHttpHandler
        {
            // A redirect would drop the key, or carry it to somebody else.
            AllowAutoRedirect = false,
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.All,
            ConnectTimeout = TimeSpan.FromSeconds(10),
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        };
        return new HttpClient(handler) { BaseAddress = server, Timeout = Timeout.InfiniteTimeSpan };
    }

    private static Uri WithSlash(Uri address) =>
        address.AbsolutePath.EndsWith('/')
            ? address
            : new UriBuilder(address) { Path = address.AbsolutePath + "/" }.Uri;

    private async Task<T> GetAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken ct)
    {
        using var answer = await SendAsync(HttpMethod.Get, path, null, null, ct);
        return await ReadAsync(answer, type, ct);
    }

    private async Task<Versioned<T>?> FindAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken ct)
    {
        try
        {
            using var answer = await SendAsync(HttpMethod.Get, path, null, null, ct);
            return await ReadVersionedAsync(answer, type, ct);
        }
        catch (PlatenProblemException e) when (e.IsNotFound && e.Slug != PlatenProblemException.NoProblemDocument)
        {
            return null;
        }
    }

    private static async Task<Versioned<T>> ReadVersionedAsync<T>(
        HttpResponseMessage answer,
        JsonTypeInfo<T> type,
        CancellationToken ct
    )
    {
        _ = EntityTag.TryParse(answer.Headers.ETag?.ToString(), out var tag);
        return new Versioned<T>(await ReadAsync(answer, type, ct), tag);
    }

    private Task<HttpResponseMessage> PutAsync<T>(
        string path,
        T body,
        JsonTypeInfo<T> type,
        Precondition? condition,
        CancellationToken ct
    ) => SendAsync(HttpMethod.Put, path, condition, JsonSerializer.SerializeToUtf8Bytes(body, type), ct);

    private static async Task<T> ReadAsync<T>(HttpResponseMessage answer, JsonTypeInfo<T> type, CancellationToken ct)
    {
        try
        {
            await using var body = await answer.Content.ReadAsStreamAsync(ct);
            return await JsonSerializer.DeserializeAsync(body, type, ct)
                ?? throw new JsonException("The body is null.");
        }
        catch (JsonException e)
        {
            throw new PlatenAnswerException(
                $"{answer.RequestMessage?.RequestUri} answered {(int)answer.StatusCode} with something other than the documented JSON: {e.Message}",
                "Check that the address is a Platen server's, and that server and client have the same version.",
                e
            );
        }
    }

    /// <summary>Sends until an answer is final, and gives it with its body in memory.</summary>
    private async Task<HttpResponseMessage> SendAsync(
        HttpMethod method,
        string path,
        Precondition? condition,
        byte[]? body,
        CancellationToken ct,
        bool takesUnready = false,
        string contentType = "application/json",
        string? once = null
    )
    {
        // A creation with an Idempotency-Key is carried out once, however often it is sent.
        var attempts = method == HttpMethod.Post && once is null ? 1 : Math.Max(1, options.Attempts);
        for (var attempt = 1; ; attempt++)
        {
            HttpResponseMessage? answer = null;
            TimeSpan? retryAfter = null;
            try
            {
                answer = await SendOnceAsync(method, path, condition, body, contentType, once, ct);
                if (
                    answer.IsSuccessStatusCode
                    || (takesUnready && answer.StatusCode == HttpStatusCode.ServiceUnavailable)
                )
                {
                    var result = answer;
                    answer = null;
                    return result;
                }
                retryAfter = RetryAfterOf(answer);
                if (attempt == attempts || !IsPassing(answer.StatusCode) || retryAfter > options.LongestPause)
                    throw await RefusalAsync(answer, attempt, ct);
            }
            catch (HttpRequestException e) when (attempt < attempts && IsBroken(e)) { }
            catch (HttpRequestException e)
            {
                throw Unreachable(e);
            }
            finally
            {
                answer?.Dispose();
            }
            await PauseAsync(attempt, retryAfter, ct);
        }
    }

    private async Task<HttpResponseMessage> SendOnceAsync(
        HttpMethod method,
        string path,
        Precondition? condition,
        byte[]? body,
        string contentType,
        string? once,
        CancellationToken ct
    )
    {
        using var request = NewRequest(method, path);
        SetCondition(request.Headers, condition);
        if (once is not null)
            request.Headers.Add("Idempotency-Key", once);
        if (StageProtocolVersion is { } version && IsBetweenStages(path))
            request.Headers.Add(StageProtocol.Field, version.ToString(CultureInfo.InvariantCulture));
        if (body is not null)
        {
            request.Content = new ByteArrayContent(body);
            request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
        }
        using var timeout = new CancellationTokenSource(options.AttemptTimeout, options.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, timeout.Token);
        HttpResponseMessage? answer = null;
        try
        {
            answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
            await answer.Content.LoadIntoBufferAsync(options.AnswerBytes, either.Token);
            var result = answer;
            answer = null;
            return result;
        }
        catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
        {
            throw new PlatenUnreachableException(
                Server,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"no answer to {method} /{path} within {options.AttemptTimeout.TotalSeconds:0.#} s."
                ),
                "See what the server is busy with ('platen doctor'); a write may have been carried out, so read before you repeat it.",
                e
            );
        }
        catch (HttpRequestException e)
            when (answer is not null && e.HttpRequestError == HttpRequestError.ConfigurationLimitExceeded)
        {
            throw new PlatenAnswerException(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"The answer to {method} /{path} is larger than {options.AnswerBytes:N0} bytes."
                ),
                "Ask for a smaller page, or check that the address is a Platen server's.",
                e
            );
        }
        finally
        {
            answer?.Dispose();
        }
    }

    private HttpRequestMessage NewRequest(HttpMethod method, string path)
    {
        var request = new HttpRequestMessage(method, new Uri(Server, path));
        if (key is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        request.Headers.UserAgent.ParseAdd(UserAgent);
        request.Headers.Accept.ParseAdd("application/json");
        request.Headers.Accept.ParseAdd("application/problem+json");
        return request;
    }

    private static void SetCondition(HttpRequestHeaders headers, Precondition? condition)
    {
        switch (condition)
        {
            case null:
                break;
            case Precondition.Absent:
                headers.IfNoneMatch.Add(EntityTagHeaderValue.Any);
                break;
            case Precondition.Present:
                headers.IfMatch.Add(EntityTagHeaderValue.Any);
                break;
            case Precondition.OneOf some:
                foreach (var tag in some.Tags)
                    headers.IfMatch.Add(new EntityTagHeaderValue(tag));
                break;
        }
    }

    private async Task<PlatenException> RefusalAsync(HttpResponseMessage answer, int attempt, CancellationToken ct)
    {
        var status = (int)answer.StatusCode;
        if (status is >= 300 and < 400)
        {
            return new PlatenAnswerException(
                $"{Server} redirects to {answer.Headers.Location}.",
                "Use the address it redirects to as the server's address."
            );
        }
        var document = answer.Content.Headers.ContentType?.MediaType is "application/problem+json" or "application/json"
            ? await ReadProblemAsync(answer, ct)
            : null;
        document ??= new ProblemDocument(
            null,
            answer.ReasonPhrase,
            $"{answer.RequestMessage?.RequestUri} answered {status} {answer.ReasonPhrase} without saying why.",
            "Check that the address is a Platen server's, and what stands between it and you (a proxy, a gateway).",
            null,
            null
        );
        return new PlatenProblemException(answer.StatusCode, document, attempt, RetryAfterOf(answer));
    }

    private static async Task<ProblemDocument?> ReadProblemAsync(HttpResponseMessage answer, CancellationToken ct)
    {
        try
        {
            await using var body = await answer.Content.ReadAsStreamAsync(ct);
            return await JsonSerializer.DeserializeAsync(body, ClientJson.Default.ProblemDocument, ct);
        }
        catch (JsonException)
        {
            // The status alone is then the refusal: RefusalAsync says that no reason was given.
            return null;
        }
    }

    private PlatenUnreachableException Unreachable(HttpRequestException e)
    {
        var (what, advice) = e switch
        {
            { HttpRequestError: HttpRequestError.NameResolutionError } => (
                $"the name '{Server.Host}' does not resolve.",
                "Check the address (--server, PLATEN_SERVER) and the name service."
            ),
            { HttpRequestError: HttpRequestError.SecureConnectionError } => (
                "no secure connection: " + (e.InnerException?.Message ?? e.Message),
                "Check that the server speaks https there, that its certificate is for this name, and this machine's clock."
            ),
            { InnerException: SocketException { SocketErrorCode: SocketError.ConnectionRefused } } => (
                "nothing listens there (connection refused).",
                "Start the server ('platen-server', or 'dotnet run --project src/Platen.Server'), or say where it is with --server or PLATEN_SERVER."
            ),
            { InnerException: SocketException socket } => (
                "no connection: " + socket.Message + ".",
                "Check the address (--server, PLATEN_SERVER) and the network on the way to it."
            ),
            _ => (
                "the connection broke: " + (e.InnerException?.Message ?? e.Message),
                "Try again; when it goes on, look at the server's log and at what stands between it and you."
            ),
        };
        return new PlatenUnreachableException(Server, what, advice, e);
    }

    private static bool IsPassing(HttpStatusCode status) =>
        status is HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout;

    /// <summary>Whether a connection that was there broke, as when a server restarts.</summary>
    private static bool IsBroken(HttpRequestException e) =>
        e.HttpRequestError is HttpRequestError.ResponseEnded
        || (
            e.HttpRequestError is not (HttpRequestError.ConnectionError or HttpRequestError.SecureConnectionError)
            && Causes(e).Any(cause => cause is IOException or SocketException)
        )
        || Causes(e)
            .Any(cause =>
                cause
                    is SocketException
                    {
                        SocketErrorCode: SocketError.ConnectionReset
                            or SocketError.ConnectionAborted
                            or SocketError.Shutdown
                    }
            );

    private static IEnumerable<Exception> Causes(Exception e)
    {
        for (var cause = e.InnerException; cause is not null; cause = cause.InnerException)
            yield return cause;
    }

    private TimeSpan? RetryAfterOf(HttpResponseMessage answer) =>
        answer.Headers.RetryAfter switch
        {
            { Delta: { } delta } => delta,
            { Date: { } date } => date - options.Time.GetUtcNow() is var wait && wait > TimeSpan.Zero
                ? wait
                : TimeSpan.Zero,
            _ => null,
        };

    private Task PauseAsync(int attempt, TimeSpan? retryAfter, CancellationToken ct)
    {
        var growing = options.FirstPause * Math.Pow(2, Math.Min(attempt - 1, 16));
        if (growing > options.LongestPause)
            growing = options.LongestPause;
        // Half fixed, half random: many clients that failed together do not come back together.
        var jittered = growing * (0.5 + (Random.Shared.NextDouble() / 2));
        return Task.Delay(retryAfter is { } asked && asked > jittered ? asked : jittered, options.Time, ct);
    }

    private static string Segment(string text) => Uri.EscapeDataString(text);

    private static string Query(params ReadOnlySpan<(string Name, string? Value)> parts)
    {
        var query = "";
        foreach (var (name, value) in parts)
        {
            if (value is not null)
                query += (query.Length == 0 ? "?" : "&") + name + "=" + Uri.EscapeDataString(value);
        }
        return query;
    }
}
