using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Runtime.Versioning;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Platen.Delivery;
using Platen.Kernel;
using Platen.Platform;
using Platen.Platform.Blobs;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;
using Platen.Testing.Servers;

namespace Platen.Bench;

/// <summary>
/// A published page and its 304 from delivery, against a bare Kestrel app that answers the same bytes and fields, nginx with the same bytes
/// in a file, and Varnish that keeps delivery's answer. Each is a process of its own on the first processor; wrk drives them, one at a
/// time, from the second.
/// </summary>
internal static partial class DeliveryBench
{
    private const int Connections = 32;
    private const int ManyConnections = 1_000;
    private const int Seconds = 3;
    private const int RoundCount = 3;
    private const string Id = "wgt_curated_bench";
    private const string Path = "/e/" + Id;
    private const string ReferenceSetting = "PLATEN_BENCH_REFERENCE";

    public static async Task RunAsync(CancellationToken ct)
    {
        if (!OperatingSystem.IsLinux())
            throw new PlatformNotSupportedException("This bench pins its processes with taskset: run it on Linux.");
        using var http = new HttpClient();
        await using var platen = await Subject.StartAsync("delivery-platen", http, null, ct);
        await using var bare = await Subject.StartAsync("delivery-bare", http, platen.Url, ct);
        await using var nginx = await Subject.StartNginxAsync(http, platen.Url, ct);
        await using var varnish = await Subject.StartVarnishAsync(http, platen.Url, ct);

        var tag = await CheckSameAsync(http, platen, bare, ct);
        Subject[] all = [platen, bare, nginx, varnish];
        await CompareAsync("GET", all, Connections, null, 200, http, ct);
        await CompareAsync("304", all, Connections, tag, 304, http, ct);
        await CompareAsync("GET, 1,000 connections", [platen, bare], ManyConnections, null, 200, http, ct);
    }

    /// <summary>The process that serves the page through delivery, out of a real database and store.</summary>
    public static async Task ServePlatenAsync(CancellationToken ct)
    {
        var folder = Directory.CreateTempSubdirectory("platen-bench-").FullName;
        await using var runtime = await PostgresSetup.StartAsync(
            new PostgresOptions { DataFolder = folder, Durable = false },
            [PlatformModule.Sql],
            NullLogger.Instance,
            ct
        );
        var blobs = new FileBlobStore(
            System.IO.Path.Combine(folder, "blobs"),
            TimeProvider.System,
            NullLogger<FileBlobStore>.Instance
        );
        await PublishAsync(runtime.Pools, blobs, ct);
        var builder = Builder();
        builder.Services.AddSingleton(runtime.Pools);
        builder.Services.AddSingleton<IBlobStore>(blobs);
        builder.Services.AddDelivery();
        await using var app = builder.Build();
        app.UseDelivery();
        app.MapGet("/allocated", () => GC.GetTotalAllocatedBytes(precise: true));
        await app.StartAsync(ct);
        await app.WaitForShutdownAsync(ct);
        Directory.Delete(folder, recursive: true);
    }

    /// <summary>The process that serves the same bytes and fields from a minimal API.</summary>
    public static async Task ServeBareAsync(CancellationToken ct)
    {
        using var http = new HttpClient();
        using var original = await http.SendAsync(Encoded(Environment.GetEnvironmentVariable(ReferenceSetting)!), ct);
        var bytes = await original.Content.ReadAsByteArrayAsync(ct);
        var fields = Fields(original);
        var tag = original.Headers.ETag!.Tag;
        var onNotModified = fields
            .Where(f => f.Key is "ETag" or "Cache-Control" or "Vary" or "Last-Modified")
            .ToArray();
        await using var app = Builder().Build();
        app.MapGet(
            "/e/{id}",
            async (HttpContext context) =>
            {
                var response = context.Response;
                if (context.Request.Headers.IfNoneMatch == tag)
                {
                    response.StatusCode = StatusCodes.Status304NotModified;
                    foreach (var (name, value) in onNotModified)
                        response.Headers[name] = value;
                    return;
                }
                foreach (var (name, value) in fields)
                    response.Headers[name] = value;
                response.ContentLength = bytes.Length;
                await response.Body.WriteAsync(bytes);
            }
        );
        app.MapGet("/allocated", () => GC.GetTotalAllocatedBytes(precise: true));
        await app.StartAsync(ct);
        await app.WaitForShutdownAsync(ct);
    }

    internal static WebApplicationBuilder Builder()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:" + Environment.GetEnvironmentVariable(PinnedProcess.PortSetting));
        return builder;
    }

    /// <summary>Publishes the page and returns its release.</summary>
    internal static async Task<Digest> PublishAsync(PostgresPools pools, FileBlobStore blobs, CancellationToken ct)
    {
        var page = QuestionsPage();
        using var packed = new MemoryStream();
        await using (var brotli = new BrotliStream(packed, CompressionLevel.SmallestSize, leaveOpen: true))
            await brotli.WriteAsync(page, ct);
        var empty = ImmutableSortedDictionary<string, string>.Empty.WithComparers(StringComparer.Ordinal);
        var common = empty
            .Add("dev.platen.kind", "page")
            .Add("dev.platen.locale", "en")
            .Add("dev.platen.theme", "auto")
            .Add(
                "dev.platen.csp",
                "default-src 'none'; style-src 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
            );
        var draft = new ReleaseDraft(
            "curated/" + Id,
            "application/vnd.platen.widget.v1",
            [
                new DraftFile("html/en/auto.html", "text/html; charset=utf-8", page, common),
                new DraftFile(
                    "html/en/auto.html.br",
                    "text/html; charset=utf-8",
                    packed.ToArray(),
                    common.Add("dev.platen.encoding", "br")
                ),
            ],
            empty.Add("dev.platen.widget-type", "content.faq").Add("dev.platen.base-locale", "en")
        );
        await ReleaseStore.StoreBytesAsync(blobs, OwnerId.Platform, draft, ct);
        await using var session = await pools.OpenAsync(OperationContext.ForSystem(OwnerId.Platform, "bench"), ct);
        await ReleaseStore.RecordAsync(session, draft, ct);
        await session.ExecuteAsync(
            "insert into platform.channel (owner, subject, name, release_digest, revision) values ($1, $2, 'live', $3, 1)",
            ct,
            Sql.Owner(OwnerId.Platform),
            Sql.Text(draft.Subject),
            Sql.Digest(draft.Digest)
        );
        await session.CommitAsync(ct);
        return draft.Digest;
    }

    // As large as a page of two dozen questions, and about as repetitive.
    private static byte[] QuestionsPage()
    {
        var text = new StringBuilder("<!doctype html><html lang=\"en\"><title>Questions</title><main>");
        for (byte i = 0; i < 24; i++)
        {
            text.Append(
                CultureInfo.InvariantCulture,
                $"<details><summary>Question {i}: how does release {Digest.Of([i]).Hex} reach a visitor?</summary>"
            );
            text.Append(
                CultureInfo.InvariantCulture,
                $"<p>It is frozen, stored by its digest, and the channel moves to it: {Digest.Of([i, 1]).Hex}.</p></details>"
            );
        }
        return Encoding.UTF8.GetBytes(text.Append("</main></html>").ToString());
    }

    private static async Task<string> CheckSameAsync(HttpClient http, Subject a, Subject b, CancellationToken ct)
    {
        using var first = await http.SendAsync(Encoded(a.Url), ct);
        using var second = await http.SendAsync(Encoded(b.Url), ct);
        var bytes = await first.Content.ReadAsByteArrayAsync(ct);
        var others = await second.Content.ReadAsByteArrayAsync(ct);
        if (!bytes.AsSpan().SequenceEqual(others))
            throw new InvalidOperationException("The two subjects answer different bytes.");
        if (!Fields(first).SequenceEqual(Fields(second)))
            throw new InvalidOperationException("The two subjects answer different fields.");
        Rounds.Report("page, br", string.Create(CultureInfo.InvariantCulture, $"{bytes.Length} B"), "same in both");
        return first.Headers.ETag!.Tag;
    }

    private static async Task CompareAsync(
        string name,
        Subject[] subjects,
        int connections,
        string? tag,
        int status,
        HttpClient http,
        CancellationToken ct
    )
    {
        var loads = subjects.ToDictionary(subject => subject, _ => new List<Load>());
        foreach (var subject in subjects)
        {
            using var request = Encoded(subject.Url);
            if (tag is not null)
                request.Headers.TryAddWithoutValidation("If-None-Match", subject.Name == "nginx" ? subject.Tag : tag);
            using var response = await http.SendAsync(request, ct);
            if ((int)response.StatusCode != status)
                throw new InvalidOperationException($"{subject.Name} answers {response.StatusCode}.");
            await LoadAsync(subject, connections, tag, http, ct);
        }
        for (var round = 0; round < RoundCount; round++)
        {
            foreach (var subject in subjects.Concat(subjects.Reverse()))
                loads[subject].Add(await LoadAsync(subject, connections, tag, http, ct));
        }
        foreach (var subject in subjects)
            Report($"{name} {subject.Name}", loads[subject]);
        var ours = loads[subjects[0]];
        foreach (var subject in subjects[1..])
        {
            // Two of each in a round.
            var ratios = ours.Chunk(2)
                .Zip(loads[subject].Chunk(2), (a, b) => a.Sum(load => load.PerSecond) / b.Sum(load => load.PerSecond))
                .ToList();
            Rounds.Report(
                $"{name} delivery / {subject.Name}",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{Rounds.Median(ratios):F2} x ({ratios.Min():F2}-{ratios.Max():F2})"
                ),
                subject.Name switch
                {
                    "bare Kestrel" => ">= 0.9 x",
                    "Varnish" => ">= 1.0 x",
                    _ => "for orientation",
                }
            );
        }
        if (connections == ManyConnections)
        {
            var (own, theirs) = (P99(ours), P99(loads[subjects[1]]));
            Rounds.Report(
                name + ", p99 of delivery / bare Kestrel",
                string.Create(CultureInfo.InvariantCulture, $"{own:F1} ms / {theirs:F1} ms = {own / theirs:F2} x"),
                "<= 3 x"
            );
        }
        Rounds.Report(
            name + " delivery, allocated per request",
            string.Create(
                CultureInfo.InvariantCulture,
                $"{Rounds.Median([.. ours.Select(o => o.AllocatedBytes)]):F0} B"
            ),
            "<= 1024 B"
        );
    }

    private static double P99(List<Load> loads) => Rounds.Median([.. loads.Select(load => load.P99Milliseconds)]);

    private static void Report(string name, List<Load> loads) =>
        Rounds.Report(
            name,
            string.Create(
                CultureInfo.InvariantCulture,
                $"{Rounds.Median([.. loads.Select(l => l.PerSecond)]):F0} req/s"
            ),
            string.Create(
                CultureInfo.InvariantCulture,
                $"{Rounds.Median([.. loads.Select(l => l.CpuMicroseconds)]):F1} us CPU/request"
            )
        );

    private static async Task<Load> LoadAsync(
        Subject subject,
        int connections,
        string? tag,
        HttpClient http,
        CancellationToken ct
    )
    {
        var allocatedBefore = await subject.AllocatedAsync(http, ct);
        var cpuBefore = subject.CpuSeconds();
        List<string> arguments =
        [
            "-c",
            "1",
            "wrk",
            "-t1",
            string.Create(CultureInfo.InvariantCulture, $"-c{connections}"),
            "--latency",
            string.Create(CultureInfo.InvariantCulture, $"-d{Seconds}s"),
            "-H",
            "Accept-Encoding: br",
        ];
        if (tag is not null)
            arguments.AddRange(["-H", "If-None-Match: " + (subject.Name == "nginx" ? subject.Tag : tag)]);
        arguments.Add(subject.Url);
        var start = new ProcessStartInfo("taskset", arguments)
        {
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        using var wrk = Process.Start(start)!;
        var output = await wrk.StandardOutput.ReadToEndAsync(ct);
        await wrk.WaitForExitAsync(ct);
        if (output.Contains("Non-2xx", StringComparison.Ordinal) && tag is null)
            throw new InvalidOperationException(output);
        var requests = double.Parse(RequestCount().Match(output).Groups["value"].Value, CultureInfo.InvariantCulture);
        var rate = double.Parse(RequestRate().Match(output).Groups["value"].Value, CultureInfo.InvariantCulture);
        var allocated = await subject.AllocatedAsync(http, ct) - allocatedBefore;
        var tail = Tail().Match(output);
        var p99 =
            double.Parse(tail.Groups["value"].Value, CultureInfo.InvariantCulture)
            * tail.Groups["unit"].Value switch
            {
                "us" => 0.001,
                "ms" => 1,
                _ => 1_000,
            };
        return new Load(rate, (subject.CpuSeconds() - cpuBefore) * 1e6 / requests, allocated / requests, p99);
    }

    private static HttpRequestMessage Encoded(string url)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, url);
        request.Headers.TryAddWithoutValidation("Accept-Encoding", "br");
        return request;
    }

    private static List<KeyValuePair<string, string>> Fields(HttpResponseMessage response) =>
        [
            .. response
                .Headers.NonValidated.Concat(response.Content.Headers.NonValidated)
                .Where(f => f.Key is not ("Date" or "Server" or "Content-Length"))
                .Select(f => KeyValuePair.Create(f.Key, f.Value.ToString()))
                .OrderBy(f => f.Key, StringComparer.Ordinal),
        ];

    [GeneratedRegex(@"(?<value>\d+) requests in", RegexOptions.None, 1_000)]
    private static partial Regex RequestCount();

    [GeneratedRegex(@"Requests/sec:\s+(?<value>[\d.]+)", RegexOptions.None, 1_000)]
    private static partial Regex RequestRate();

    [GeneratedRegex(@"99%\s+(?<value>[\d.]+)(?<unit>us|ms|s)", RegexOptions.None, 1_000)]
    private static partial Regex Tail();

    private sealed record Load(double PerSecond, double CpuMicroseconds, double AllocatedBytes, double P99Milliseconds);

    private sealed class Subject(string name, string url, Process process, Func<int> worker) : IAsyncDisposable
    {
        public string Name => name;
        public string Url => url;

        /// <summary>What it calls the page, where that is not what delivery calls it.</summary>
        public string? Tag { get; private set; }

        public static async Task<Subject> StartAsync(
            string name,
            HttpClient http,
            string? reference,
            CancellationToken ct
        )
        {
            var port = FreePort();
            var start = new ProcessStartInfo("taskset", ["-c", "0", Environment.ProcessPath!, name]);
            start.Environment[PinnedProcess.PortSetting] = port.ToString(CultureInfo.InvariantCulture);
            start.Environment[ReferenceSetting] = reference;
            var process = Process.Start(start)!;
            // taskset becomes the command it runs: the id is the server's.
            var subject = new Subject(
                name == "delivery-platen" ? "delivery" : "bare Kestrel",
                $"http://127.0.0.1:{port}{Path}",
                process,
                () => process.Id
            );
            await subject.ReadyAsync(http, ct);
            return subject;
        }

        [SupportedOSPlatform("linux")]
        public static async Task<Subject> StartNginxAsync(HttpClient http, string reference, CancellationToken ct)
        {
            using var original = await http.SendAsync(Encoded(reference), ct);
            var folder = Directory.CreateTempSubdirectory("platen-nginx-").FullName;
            Directory.CreateDirectory(folder + "/e");
            await File.WriteAllBytesAsync($"{folder}{Path}", await original.Content.ReadAsByteArrayAsync(ct), ct);
            File.SetUnixFileMode(folder, (UnixFileMode)0b111_101_101);
            var fields = string.Concat(
                Fields(original)
                    .Where(f => f.Key is not ("ETag" or "Last-Modified" or "Content-Type"))
                    .Select(f => $"add_header {f.Key} \"{f.Value}\";")
            );
            var port = FreePort();
            await File.WriteAllTextAsync(
                folder + "/nginx.conf",
                $"worker_processes 1; pid {folder}/pid; error_log {folder}/error.log; daemon off; events {{}} http {{ access_log off; "
                    + $"open_file_cache max=10; keepalive_requests 1000000000; default_type text/html; server {{ listen 127.0.0.1:{port}; root {folder}; {fields} }} }}",
                ct
            );
            var process = Process.Start("taskset", ["-c", "0", "nginx", "-p", folder, "-c", folder + "/nginx.conf"]);
            var subject = new Subject("nginx", $"http://127.0.0.1:{port}{Path}", process, () => ChildOf(process.Id));
            await subject.ReadyAsync(http, ct);
            using var served = await http.SendAsync(Encoded(subject.Url), ct);
            subject.Tag = served.Headers.ETag?.ToString();
            return subject;
        }

        public static async Task<Subject> StartVarnishAsync(HttpClient http, string reference, CancellationToken ct)
        {
            await AptPackages.EnsureAsync("varnishd", ct, "varnish");
            var folder = Directory.CreateTempSubdirectory("platen-varnish-").FullName;
            var behind = new Uri(reference);
            // Kept for an hour: what is measured is an answer out of its memory.
            await File.WriteAllTextAsync(
                folder + "/default.vcl",
                $$"""
                vcl 4.1;
                backend default { .host = "127.0.0.1"; .port = "{{behind.Port}}"; }
                sub vcl_backend_response { set beresp.ttl = 1h; return (deliver); }
                """,
                ct
            );
            var port = FreePort();
            var process = Process.Start(
                "taskset",
                [
                    "-c",
                    "0",
                    "varnishd",
                    "-F",
                    "-n",
                    folder + "/work",
                    "-a",
                    string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{port}"),
                    "-f",
                    folder + "/default.vcl",
                    "-s",
                    "malloc,64m",
                    "-p",
                    "http_gzip_support=off",
                    "-j",
                    "none",
                ]
            );
            var subject = new Subject("Varnish", $"http://127.0.0.1:{port}{Path}", process, () => ChildOf(process.Id));
            await subject.ReadyAsync(http, ct);
            return subject;
        }

        public double CpuSeconds() => ProcessFigures.CpuSeconds(worker());

        public async Task<double> AllocatedAsync(HttpClient http, CancellationToken ct) =>
            name is "nginx" or "Varnish"
                ? 0
                : await http.GetFromJsonAsync<long>(url.Replace(Path, "/allocated", StringComparison.Ordinal), ct);

        public async ValueTask DisposeAsync()
        {
            using (var kill = Process.Start("kill", ["-TERM", process.Id.ToString(CultureInfo.InvariantCulture)]))
                await kill.WaitForExitAsync();
            await process.WaitForExitAsync();
            process.Dispose();
        }

        private async Task ReadyAsync(HttpClient http, CancellationToken ct)
        {
            var started = Stopwatch.GetTimestamp();
            using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
            while (await pause.WaitForNextTickAsync(ct))
            {
                if (process.HasExited || Stopwatch.GetElapsedTime(started) > TimeSpan.FromSeconds(60))
                    throw new InvalidOperationException($"{name} did not start.");
                try
                {
                    using var response = await http.SendAsync(Encoded(url), ct);
                    if (response.StatusCode == HttpStatusCode.OK && response.Content.Headers.LastModified is not null)
                        return;
                }
                catch (HttpRequestException e) when (e.InnerException is SocketException)
                {
                    continue;
                }
            }
        }

        private static int ChildOf(int parent) =>
            int.Parse(
                File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{parent}/task/{parent}/children"))
                    .Split(' ')[0],
                CultureInfo.InvariantCulture
            );

        private static int FreePort()
        {
            using var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            return ((IPEndPoint)listener.LocalEndpoint).Port;
        }
    }
}
