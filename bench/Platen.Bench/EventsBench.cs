using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Threading.Channels;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Platen.Kernel;
using Platen.Platform;
using Platen.Platform.Events;
using Platen.Platform.Postgres;
using Platen.Testing;
using Platen.Testing.Servers;
using EventLog = Platen.Platform.Events.EventLog;

namespace Platen.Bench;

/// <summary>
/// How long an event takes from the write to a subscriber of the built server, and how many deliveries a second the engine
/// makes to 1,000 subscribers of one stream, against a bare Kestrel app that pushes the same bytes to 1,000 responses. The two
/// are processes of their own on the first processor (the engine's database with it); the readers are on the second.
/// </summary>
internal static class EventsBench
{
    private const int Warmup = 400;
    private const int Appends = 300;

    // The runtime compiles what is in use a second and a third time, on the same processors, for as long as this takes.
    private const int WarmupPuts = 1_500;
    private const int Puts = 100;
    private const int Subscribers = 1_000;
    private const int Pushes = 40;
    private const int Burst = 16;
    private const int RoundCount = 9;
    private const string Type = "bench.pushed";

    // As long as the data of a file update.
    private const string Payload =
        """{"path": "src/components/Questions.tsx", "digest": "sha256:47dEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"}""";

    private static readonly StreamId Stream = new("bench/pushed");

    public static async Task RunAsync(CancellationToken ct)
    {
        if (!OperatingSystem.IsLinux())
            throw new PlatformNotSupportedException("This bench pins its processes with taskset: run it on Linux.");
        await ReportLatencyAsync(ct);
        await PinnedProcess.PinSelfAsync(ct);
        await using var platen = await PinnedProcess.StartAsync("events-platen", ct);
        await using var bare = await PinnedProcess.StartAsync("events-bare", ct);
        var appended = ReportAppend(platen);
        ReportFanOut(platen, bare, appended);
    }

    /// <summary>The process that serves a stream with the engine, over a database of its own that waits for the disk.</summary>
    public static async Task ServePlatenAsync(CancellationToken ct)
    {
        var folder = PostgresFixture.NewFolder();
        await using (
            var runtime = await PostgresSetup.StartAsync(
                new PostgresOptions { DataFolder = folder },
                [PlatformModule.Sql],
                NullLogger.Instance,
                ct
            )
        )
        {
            var builder = Builder();
            builder.Services.AddSingleton(runtime.Pools);
            builder.Services.AddEvents();
            await using var app = builder.Build();
            app.MapEventStream("/events", _ => ValueTask.FromResult((OwnerId.Platform, Stream)));
            app.MapPost(
                "/push",
                async (HttpContext http) =>
                {
                    var context = OperationContext.ForSystem(OwnerId.Platform, "bench");
                    await using var session = await runtime.Pools.OpenAsync(context, http.RequestAborted);
                    for (var i = Asked(http); i > 0; i--)
                        await EventLog.AppendAsync(session, Stream, Type, PayloadBytes, http.RequestAborted);
                    await session.CommitAsync(http.RequestAborted);
                }
            );
            await app.StartAsync(ct);
            await app.WaitForShutdownAsync(ct);
        }
        Directory.Delete(folder, recursive: true);
    }

    /// <summary>The process that writes the same bytes to every open response as soon as it is told to.</summary>
    public static async Task ServeBareAsync(CancellationToken ct)
    {
        var responses = new List<HttpContext>();
        var revision = 0L;
        await using var app = Builder().Build();
        app.MapGet(
            "/events",
            async (HttpContext http) =>
            {
                http.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
                http.Response.ContentType = "text/event-stream";
                http.Response.Headers.CacheControl = "no-store";
                await http.Response.BodyWriter.WriteAsync("retry: 1000\n\n"u8.ToArray(), http.RequestAborted);
                var left = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                await using var aborted = http.RequestAborted.Register(left.SetResult);
                lock (responses)
                    responses.Add(http);
                await left.Task;
                lock (responses)
                    responses.Remove(http);
            }
        );
        app.MapPost(
            "/push",
            async (HttpContext http) =>
            {
                var text = new StringBuilder();
                for (var i = Asked(http); i > 0; i--)
                    text.Append(CultureInfo.InvariantCulture, $"id: {++revision}\nevent: {Type}\ndata: {Payload}\n\n");
                var frames = Encoding.UTF8.GetBytes(text.ToString());
                HttpContext[] open;
                lock (responses)
                    open = [.. responses];
                var writes = new List<Task>();
                foreach (var response in open)
                {
                    var write = response.Response.BodyWriter.WriteAsync(frames, response.RequestAborted);
                    if (!write.IsCompletedSuccessfully)
                        writes.Add(write.AsTask());
                }
                await Task.WhenAll(writes);
            }
        );
        await app.StartAsync(ct);
        await app.WaitForShutdownAsync(ct);
    }

    private static byte[] PayloadBytes { get; } = Encoding.UTF8.GetBytes(Payload);

    private static int Asked(HttpContext http) =>
        int.Parse(http.Request.Query["events"]!, CultureInfo.InvariantCulture);

    private static WebApplicationBuilder Builder()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:" + Environment.GetEnvironmentVariable(PinnedProcess.PortSetting));
        return builder;
    }

    /// <summary>From the moment a PUT of a whole FAQ is sent until its event is read from the stream.</summary>
    private static async Task ReportLatencyAsync(CancellationToken ct)
    {
        var folder = PostgresFixture.NewFolder();
        await using (var server = await PlatenServer.StartAsync(folder, ct, ("PLATEN_SAMPLES", "off")))
        {
            using var author = new Author(server.OpenClient(), "wgt_curated_bench");
            await author.CreateAsync(translated: false, ct);
            using var reader = server.OpenClient();
            var arrivals = Channel.CreateUnbounded<long>();
            using var stream = await reader.GetStreamAsync("/v1/events/widget/wgt_curated_bench", ct).WaitAsync(ct);
            using var reading = CancellationTokenSource.CreateLinkedTokenSource(ct);
            var listening = ListenAsync(stream, arrivals.Writer, reading.Token);
            await arrivals.Reader.ReadAsync(ct);

            var saved = new List<double>();
            var heard = new List<double>();
            for (var i = 0; i < WarmupPuts + RoundCount * Puts; i++)
            {
                var faq = author.Write($"Questions, version {i}");
                var sent = Stopwatch.GetTimestamp();
                await author.SaveAsync(faq, ct);
                var answered = Stopwatch.GetTimestamp();
                var arrived = await arrivals.Reader.ReadAsync(ct);
                if (i < WarmupPuts)
                    continue;
                saved.Add(Stopwatch.GetElapsedTime(sent, answered).TotalMilliseconds);
                heard.Add(Stopwatch.GetElapsedTime(sent, arrived).TotalMilliseconds);
            }
            await reading.CancelAsync();
            await listening;
            Rounds.Report("PUT of a FAQ until it is answered", Rounds.MedianAndTail(saved), "for orientation");
            Rounds.Report(
                "PUT of a FAQ until a subscriber has its event",
                Rounds.MedianAndTail(heard),
                "p50 <= 5 ms",
                Rounds.Median(heard) <= 5
            );
            var rounds = heard.Chunk(Puts).Select(Rounds.Median).ToList();
            Rounds.Report(
                $"the same, p50 of {Puts} in a row",
                string.Create(CultureInfo.InvariantCulture, $"{rounds.Min():F1}-{rounds.Max():F1} ms"),
                "how much this machine's speed differs"
            );
        }
        Directory.Delete(folder, recursive: true);
    }

    private static async Task ListenAsync(Stream stream, ChannelWriter<long> arrivals, CancellationToken ct)
    {
        using var lines = new StreamReader(stream, bufferSize: 1024);
        try
        {
            while (await lines.ReadLineAsync(ct) is { } line)
            {
                if (line.StartsWith("data: ", StringComparison.Ordinal))
                    arrivals.TryWrite(Stopwatch.GetTimestamp());
            }
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            // Measured enough.
        }
    }

    private static int ReportAppend(PinnedProcess platen)
    {
        using var one = EventReaders.Connect(platen.Address, 1);
        for (var i = 0; i < Warmup; i++)
            one.Push(1);
        var times = Enumerable.Range(0, Appends).Select(_ => one.Push(1).TotalMilliseconds).ToList();
        Rounds.Report(
            "append and commit until a subscriber has it",
            Rounds.MedianAndTail(times),
            "p50 <= 5 ms",
            Rounds.Median(times) <= 5
        );
        return one.Received;
    }

    private static void ReportFanOut(PinnedProcess platen, PinnedProcess bare, int appended)
    {
        using var ours = EventReaders.Connect(platen.Address, Subscribers, appended);
        using var theirs = EventReaders.Connect(bare.Address, Subscribers);
        Compare("one event a time", platen, ours, bare, theirs, 1, least: 0.7);
        Compare($"{Burst} events a time", platen, ours, bare, theirs, Burst, least: null);
    }

    private static void Compare(
        string name,
        PinnedProcess platen,
        EventReaders ours,
        PinnedProcess bare,
        EventReaders theirs,
        int events,
        double? least
    )
    {
        Measure(platen, ours, events);
        Measure(bare, theirs, events);
        List<Load> a = [],
            b = [];
        var ratios = new List<double>();
        for (var round = 0; round < RoundCount; round++)
        {
            var a1 = Measure(platen, ours, events);
            var b1 = Measure(bare, theirs, events);
            var b2 = Measure(bare, theirs, events);
            var a2 = Measure(platen, ours, events);
            ratios.Add((a1.PerSecond + a2.PerSecond) / (b1.PerSecond + b2.PerSecond));
            a.AddRange([a1, a2]);
            b.AddRange([b1, b2]);
        }
        Report($"{Subscribers} subscribers, {name}: engine", a);
        Report($"{Subscribers} subscribers, {name}: bare Kestrel", b);
        Rounds.Report(
            $"{Subscribers} subscribers, {name}: engine / bare",
            string.Create(
                CultureInfo.InvariantCulture,
                $"{Rounds.Median(ratios):F2} x ({ratios.Min():F2}-{ratios.Max():F2})"
            ),
            least is null ? "for orientation" : string.Create(CultureInfo.InvariantCulture, $">= {least} x"),
            isMet: least is null || Rounds.Median(ratios) >= least
        );
    }

    private static Load Measure(PinnedProcess server, EventReaders readers, int events)
    {
        var cpu = ProcessFigures.CpuSeconds(server.ProcessId);
        var bytes = readers.ReceivedBytes;
        var elapsed = TimeSpan.Zero;
        for (var i = 0; i < Pushes; i++)
            elapsed += readers.Push(events);
        const double pushed = Pushes * (double)Subscribers;
        return new Load(
            pushed * events / elapsed.TotalSeconds,
            (ProcessFigures.CpuSeconds(server.ProcessId) - cpu) * 1e6 / (pushed * events),
            (readers.ReceivedBytes - bytes) / (pushed * events)
        );
    }

    private static void Report(string name, List<Load> loads) =>
        Rounds.Report(
            name,
            string.Create(CultureInfo.InvariantCulture, $"{Rounds.Median([.. loads.Select(l => l.PerSecond)]):F0} /s"),
            string.Create(
                CultureInfo.InvariantCulture,
                $"{Rounds.Median([.. loads.Select(l => l.CpuMicroseconds)]):F1} us CPU, {Rounds.Median([.. loads.Select(l => l.Bytes)]):F0} B a delivery"
            )
        );

    private sealed record Load(double PerSecond, double CpuMicroseconds, double Bytes);
}
