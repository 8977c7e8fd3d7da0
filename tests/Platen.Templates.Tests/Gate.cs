using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Platen.Templates.Tests;

/// <summary>What a <see cref="Gate"/> does with what passes.</summary>
internal enum GateState
{
    Open,

    /// <summary>Nobody answers: every connection is cut.</summary>
    Cut,

    /// <summary>The server answers that a part of it is away.</summary>
    Unavailable,

    /// <summary>Files arrive with one bit flipped.</summary>
    FlipsFiles,

    /// <summary>Answers about versions arrive with one bit flipped: see <see cref="Gate.FlipAt"/>.</summary>
    FlipsAnswers,

    /// <summary>Answers about versions pass; files do not.</summary>
    NoFiles,
}

/// <summary>Stands between a client and the real server, and can cut, refuse or damage what passes.</summary>
internal sealed class Gate : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly HttpClient http;
    private int passed;
    private int files;
    private int uploads;
    private readonly TaskCompletionSource met = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private Gate(WebApplication app, HttpClient http)
    {
        this.app = app;
        this.http = http;
    }

    public GateState State { get; set; }

    /// <summary>Which byte of an answer has its bit flipped; null for the first of a version, which makes it another.</summary>
    public int? FlipAt { get; set; }

    /// <summary>How many uploads wait for each other before the first passes.</summary>
    public int UploadsTogether { get; set; }

    public Uri Address { get; private set; } = null!;

    /// <summary>Questions that reached the gate, whatever became of them.</summary>
    public int Passed => Volatile.Read(ref passed);

    /// <summary>Files among them.</summary>
    public int Files => Volatile.Read(ref files);

    public static async Task<Gate> BeforeAsync(Uri server)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var gate = new Gate(builder.Build(), new HttpClient { BaseAddress = server });
        gate.app.Run(gate.PassAsync);
        await gate.app.StartAsync(TestContext.Current.CancellationToken);
        gate.Address = new Uri(
            gate.app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single()
        );
        return gate;
    }

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        await app.StopAsync(now.Token);
        await app.DisposeAsync();
        http.Dispose();
    }

    private async Task PassAsync(HttpContext context)
    {
        var isFile = context.Request.Path.Value!.Contains("/blobs/", StringComparison.Ordinal);
        Interlocked.Increment(ref passed);
        if (isFile)
            Interlocked.Increment(ref files);
        if (isFile && HttpMethods.IsPut(context.Request.Method))
            await MeetAsync(context.RequestAborted);
        switch (State)
        {
            case GateState.Cut:
            case GateState.NoFiles when isFile:
                context.Abort();
                return;
            case GateState.Unavailable:
                context.Response.StatusCode = 503;
                return;
            default:
                await ForwardAsync(context, State == (isFile ? GateState.FlipsFiles : GateState.FlipsAnswers));
                return;
        }
    }

    /// <summary>Keeps uploads until so many are here at once: of those that come one after the other, none ever arrives.</summary>
    private Task MeetAsync(CancellationToken ct)
    {
        if (Interlocked.Increment(ref uploads) >= UploadsTogether)
            met.TrySetResult();
        return met.Task.WaitAsync(ct);
    }

    private async Task ForwardAsync(HttpContext context, bool flips)
    {
        using var request = new HttpRequestMessage(
            new HttpMethod(context.Request.Method),
            context.Request.Path + context.Request.QueryString.Value
        );
        if (context.Request.ContentLength is not null || context.Request.Headers.TransferEncoding.Count > 0)
        {
            request.Content = new StreamContent(context.Request.Body);
            if (context.Request.ContentType is { } type)
                request.Content.Headers.TryAddWithoutValidation("Content-Type", type);
            request.Content.Headers.ContentLength = context.Request.ContentLength;
        }
        foreach (var name in (string[])["Authorization", "If-Match", "If-None-Match", "Accept", "Last-Event-ID"])
        {
            if (context.Request.Headers.TryGetValue(name, out var value))
                request.Headers.TryAddWithoutValidation(name, value.ToString());
        }
        using var answer = await http.SendAsync(
            request,
            HttpCompletionOption.ResponseHeadersRead,
            context.RequestAborted
        );
        context.Response.StatusCode = (int)answer.StatusCode;
        foreach (var (name, values) in answer.Headers.Concat(answer.Content.Headers))
        {
            if (name is not ("Transfer-Encoding" or "Content-Length"))
                context.Response.Headers[name] = values.ToArray();
        }
        if (answer.StatusCode == HttpStatusCode.NotModified)
            return;
        if (flips)
        {
            var bytes = await answer.Content.ReadAsByteArrayAsync(context.RequestAborted);
            bytes[State == GateState.FlipsFiles ? ^1 : FlipAt ?? bytes.AsSpan().IndexOf("\"1."u8) + 1] ^= 1;
            await context.Response.Body.WriteAsync(bytes, context.RequestAborted);
            return;
        }
        await using var body = await answer.Content.ReadAsStreamAsync(context.RequestAborted);
        var buffer = new byte[16 * 1024];
        while (await body.ReadAsync(buffer, context.RequestAborted) is > 0 and var read)
        {
            await context.Response.Body.WriteAsync(buffer.AsMemory(0, read), context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
        }
    }
}
