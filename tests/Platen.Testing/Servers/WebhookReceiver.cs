using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Platen.Testing.Servers;

/// <summary>Somebody's server that takes the messages of webhooks, and answers each as it is told.</summary>
public sealed class WebhookReceiver : IAsyncDisposable
{
    private readonly ConcurrentQueue<ReceivedMessage> received = new();
    private readonly WebApplication app;
    private readonly Func<HttpContext, int, Task> answer;
    private int count;

    private WebhookReceiver(WebApplication app, Func<HttpContext, int, Task> answer)
    {
        this.app = app;
        this.answer = answer;
    }

    /// <summary>Where messages are taken.</summary>
    public string Url { get; private set; } = "";

    /// <summary>What has arrived, in this order.</summary>
    public IReadOnlyCollection<ReceivedMessage> Messages => received;

    /// <summary>Begins to listen on a free port of the loopback address.</summary>
    /// <param name="answer">Answers the message of that number, from 1.</param>
    public static async Task<WebhookReceiver> StartAsync(Func<HttpContext, int, Task> answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var built = builder.Build();
        var receiver = new WebhookReceiver(built, answer);
        built.Run(receiver.TakeAsync);
        await built.StartAsync();
        receiver.Url = built.Urls.Single() + "/hook";
        return receiver;
    }

    /// <summary>Answers every message with these statuses in turn, and the last one from then on.</summary>
    public static Task<WebhookReceiver> AnsweringAsync(params int[] statuses) =>
        StartAsync(
            (context, number) =>
            {
                context.Response.StatusCode = statuses[Math.Min(number, statuses.Length) - 1];
                return Task.CompletedTask;
            }
        );

    /// <summary>Waits until so many have arrived.</summary>
    public Task HasAsync(int messages, CancellationToken ct) =>
        ServerProcess.WaitUntilAsync(
            $"{messages} messages",
            TimeSpan.FromSeconds(60),
            _ => Task.FromResult(received.Count >= messages),
            ct
        );

    public async ValueTask DisposeAsync() => await app.DisposeAsync();

    private async Task TakeAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        received.Enqueue(
            new ReceivedMessage(
                context.Request.Method + " " + context.Request.Path,
                context.Request.Headers["webhook-id"].ToString(),
                context.Request.Headers["webhook-timestamp"].ToString(),
                context.Request.Headers["webhook-signature"].ToString(),
                [.. context.Request.Headers.Keys],
                body.ToArray()
            )
        );
        await answer(context, Interlocked.Increment(ref count));
    }
}

/// <summary>A message as it arrived.</summary>
public sealed record ReceivedMessage(
    string Target,
    string Id,
    string Timestamp,
    string Signature,
    IReadOnlyList<string> Fields,
    byte[] Body
)
{
    /// <summary>Its body.</summary>
    public JsonNode Json => JsonNode.Parse(Body)!;

    /// <summary>
    /// Whether one of the signatures is made with the secret, computed as the specification of Standard Webhooks says and without the
    /// product's code.
    /// </summary>
    public bool IsSignedWith(string secret)
    {
        var key = Convert.FromBase64String(secret["whsec_".Length..]);
        var signed = Encoding.UTF8.GetBytes($"{Id}.{Timestamp}.").Concat(Body).ToArray();
        var expected = "v1," + Convert.ToBase64String(HMACSHA256.HashData(key, signed));
        var age =
            TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() - long.Parse(Timestamp, CultureInfo.InvariantCulture);
        return age is >= -5 and < 120 && Signature.Split(' ').Contains(expected);
    }
}
