using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Security.Authentication;

namespace Platen.Platform.Webhooks;

/// <summary>A message, ready to be sent.</summary>
/// <param name="Id">The same at every attempt.</param>
/// <param name="Url">Where to.</param>
/// <param name="Body">The bytes.</param>
/// <param name="Secrets">What it is signed with, the newest first.</param>
internal sealed record WebhookMessage(
    WebhookDeliveryId Id,
    Uri Url,
    ReadOnlyMemory<byte> Body,
    IReadOnlyList<WebhookSecret> Secrets
);

/// <summary>How a receiver took a message.</summary>
/// <param name="Code">The status it answered; null when it did not.</param>
/// <param name="Error">Why it counts as not delivered; null when it does.</param>
/// <param name="RetryAfter">How long it asked to be left alone.</param>
internal sealed record WebhookAnswer(int? Code, string? Error, TimeSpan? RetryAfter)
{
    public bool IsDelivered => Error is null;
}

/// <summary>
/// Sends messages as Standard Webhooks has it, to addresses that are public or listed by the operator. The name is looked up once for each
/// connection, and what is connected to is the address that was looked at. Redirects are not followed, proxies not asked, cookies not kept,
/// and of the answer nothing but status and fields is read. Thread-safe.
/// </summary>
internal sealed class WebhookSender : IDisposable
{
    private static readonly TimeSpan MostRetryAfter = TimeSpan.FromHours(24);
    private readonly WebhookOptions options;
    private readonly TimeProvider time;
    private readonly HttpClient client;

    public WebhookSender(WebhookOptions options, TimeProvider time)
    {
        this.options = options;
        this.time = time;
        client = new HttpClient(
            new SocketsHttpHandler
            {
                AllowAutoRedirect = false,
                UseProxy = false,
                UseCookies = false,
                AutomaticDecompression = DecompressionMethods.None,
                ActivityHeadersPropagator = null,
                MaxResponseHeadersLength = 16,
                // What a receiver says beyond its fields is not waited for.
                MaxResponseDrainSize = 0,
                // Many owners have receivers on one host: who waits for whom is decided before, by owner and webhook.
                MaxConnectionsPerServer = WebhookLimits.AtOnceOfAll,
                PooledConnectionLifetime = TimeSpan.FromMinutes(1),
                PooledConnectionIdleTimeout = TimeSpan.FromSeconds(10),
                ConnectCallback = ConnectAsync,
            }
        )
        {
            // The patience of an attempt is its own token.
            Timeout = System.Threading.Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>Sends it once.</summary>
    /// <param name="message">What.</param>
    /// <param name="ct">Cancels; the receiver may have it all the same.</param>
    public async Task<WebhookAnswer> SendAsync(WebhookMessage message, CancellationToken ct)
    {
        using var patience = new CancellationTokenSource(options.Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, patience.Token);
        var now = time.GetUtcNow().ToUnixTimeSeconds();
        using var request = new HttpRequestMessage(HttpMethod.Post, message.Url)
        {
            Content = new ReadOnlyMemoryContent(message.Body)
            {
                Headers = { ContentType = new MediaTypeHeaderValue("application/json") },
            },
        };
        request.Headers.UserAgent.Add(new ProductInfoHeaderValue("Platen-Webhooks", "1"));
        request.Headers.Add("webhook-id", message.Id.Field);
        request.Headers.Add("webhook-timestamp", now.ToString(CultureInfo.InvariantCulture));
        request.Headers.Add(
            "webhook-signature",
            string.Join(' ', message.Secrets.Select(secret => secret.Sign(message.Id.Field, now, message.Body.Span)))
        );
        try
        {
            using var response = await client.SendAsync(
                request,
                HttpCompletionOption.ResponseHeadersRead,
                either.Token
            );
            var code = (int)response.StatusCode;
            return code switch
            {
                >= 200 and < 300 => new WebhookAnswer(code, null, null),
                >= 300 and < 400 => new WebhookAnswer(code, $"It answered {code}: redirects are not followed.", null),
                _ => new WebhookAnswer(code, $"It answered {code}.", RetryAfter(response)),
            };
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return new WebhookAnswer(
                null,
                string.Create(CultureInfo.InvariantCulture, $"No answer within {options.Patience.TotalSeconds:0.#} s."),
                null
            );
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return new WebhookAnswer(null, Reason(e), null);
        }
    }

    public void Dispose() => client.Dispose();

    private TimeSpan? RetryAfter(HttpResponseMessage response)
    {
        var asked = response.Headers.RetryAfter switch
        {
            { Delta: { } delta } => delta,
            { Date: { } date } => date - time.GetUtcNow(),
            _ => (TimeSpan?)null,
        };
        return asked > MostRetryAfter ? MostRetryAfter : asked;
    }

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken ct)
    {
        var host = context.DnsEndPoint.Host;
        var found = IPAddress.TryParse(host, out var numbers) ? [numbers] : await Dns.GetHostAddressesAsync(host, ct);
        var isPlain = context.InitialRequestMessage.RequestUri!.Scheme == Uri.UriSchemeHttp;
        var permitted = found.Where(isPlain ? options.IsOwn : options.Permits).ToArray();
        if (permitted.Length == 0)
        {
            throw new ForbiddenReceiverException(
                isPlain && found.Any(options.Permits)
                    ? "The receiver is asked without TLS, which only addresses that the operator lists are."
                    : "The receiver's address is not on the public internet, and the operator has not listed it."
            );
        }
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(permitted, context.DnsEndPoint.Port, ct);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    // In words of our own: what the system says can name what is behind the address.
    private static string Reason(Exception e)
    {
        for (var at = e; at is not null; at = at.InnerException)
        {
            switch (at)
            {
                case ForbiddenReceiverException forbidden:
                    return forbidden.Message;
                case AuthenticationException:
                    return "Its certificate is not trusted, or no protocol was agreed on.";
                case SocketException
                {
                    SocketErrorCode: SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain
                }:
                    return "Its name is not known.";
                case SocketException { SocketErrorCode: SocketError.ConnectionRefused }:
                    return "It refuses connections.";
                case HttpRequestException { HttpRequestError: HttpRequestError.ConfigurationLimitExceeded }:
                    return "Its answer has too many fields.";
            }
        }
        return "The connection failed.";
    }

    private sealed class ForbiddenReceiverException(string message) : IOException(message);
}
