using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Runtime.Versioning;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Bench;

/// <summary>
/// The page of a sample and its 304 from the built server with everything in it, limits counted, against a bare Kestrel app that answers the
/// same bytes and fields, nginx with the same bytes in a file, and Varnish that keeps the server's answer. Each is a process of its own on the
/// first processor; wrk drives them, one at a time, from the second.
/// </summary>
internal static partial class DeliveryBench
{
    private const int Connections = 32;
    private const int ManyConnections = 1_000;
    private const int Seconds = 3;
    private const int RoundCount = 3;
    private const int Warming = 3;
    private const string Path = "/e/wgt_main_content.faq";
    private const string ReferenceSetting = "PLATEN_BENCH_REFERENCE";

    public static async Task RunAsync(CancellationToken ct)
    {
        if (!OperatingSystem.IsLinux())
            throw new PlatformNotSupportedException("This bench pins its processes with taskset: run it on Linux.");
        using var http = new HttpClient();
        var folder = PostgresFixture.NewFolder();
        try
        {
            await using var server = await PlatenServer.StartWithSamplesAsync(
                folder,
                ct,
                // Counted against a quota that no visitor reaches: the counting is part of the figure.
                ("PLATEN_LIMITS", "visitor=1000000/1"),
                ("PLATEN_DEMO_URL", "off"),
                // As the bare app, which starts on its one processor; this one is moved there when it runs.
                ("DOTNET_PROCESSOR_COUNT", "1")
            );
            await ProcessFigures.PinAsync(server.ProcessId, "0", ct);
            var platen = await Subject.OfServerAsync(server, http, ct);
            await using var bare = await Subject.StartBareAsync(http, platen.Url, ct);
            await using var nginx = await Subject.StartNginxAsync(http, platen.Url, ct);
            await using var varnish = await Subject.StartVarnishAsync(http, platen.Url, ct);

            var tag = await CheckSameAsync(http, platen, bare, ct);
            Subject[] all = [platen, bare, nginx, varnish];
            await CompareAsync("GET", all, Connections, null, 200, http, ct);
            await CompareAsync("304", all, Connections, tag, 304, http, ct);
            await CompareAsync("GET, 1,000 connections", [platen, bare], ManyConnections, null, 200, http, ct);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
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
            // Until the compiler has had its last say: what is compared is how they serve, not how they start.
            for (var warming = 0; warming < Warming; warming++)
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
            var least = subject.Name switch
            {
                "bare Kestrel" => 0.9,
                "Varnish" => 1.0,
                _ => 0,
            };
            Rounds.Report(
                $"{name} the server / {subject.Name}",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{Rounds.Median(ratios):F2} x ({ratios.Min():F2}-{ratios.Max():F2})"
                ),
                least > 0 ? string.Create(CultureInfo.InvariantCulture, $">= {least:F1} x") : "for orientation",
                Rounds.Median(ratios) >= least
            );
        }
        if (connections == ManyConnections)
        {
            var (own, theirs) = (P99(ours), P99(loads[subjects[1]]));
            Rounds.Report(
                name + ", p99 of the server / bare Kestrel",
                string.Create(CultureInfo.InvariantCulture, $"{own:F1} ms / {theirs:F1} ms = {own / theirs:F2} x"),
                "<= 3 x",
                own <= 3 * theirs
            );
        }
        var allocated = Rounds.Median([.. ours.Select(o => o.AllocatedBytes)]);
        Rounds.Report(
            name + " the server, allocated per request",
            string.Create(CultureInfo.InvariantCulture, $"{allocated:F0} B"),
            "<= 1024 B",
            allocated <= 1024
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

    private sealed class Subject(string name, string url, Process? process, Func<int> worker) : IAsyncDisposable
    {
        public string Name => name;
        public string Url => url;

        /// <summary>What it calls the page, where that is not what delivery calls it.</summary>
        public string? Tag { get; private set; }

        /// <summary>The built server, which somebody else ends.</summary>
        public static async Task<Subject> OfServerAsync(PlatenServer server, HttpClient http, CancellationToken ct)
        {
            var subject = new Subject(
                "the server",
                new Uri(server.Address, Path).ToString(),
                null,
                () => server.ProcessId
            );
            await subject.ReadyAsync(http, ct);
            return subject;
        }

        public static async Task<Subject> StartBareAsync(HttpClient http, string reference, CancellationToken ct)
        {
            var port = FreePort();
            var start = new ProcessStartInfo("taskset", ["-c", "0", Environment.ProcessPath!, "delivery-bare"]);
            start.Environment[PinnedProcess.PortSetting] = port.ToString(CultureInfo.InvariantCulture);
            start.Environment[ReferenceSetting] = reference;
            var process = Process.Start(start)!;
            // taskset becomes the command it runs: the id is the server's.
            var subject = new Subject("bare Kestrel", $"http://127.0.0.1:{port}{Path}", process, () => process.Id);
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
            name switch
            {
                "nginx" or "Varnish" => 0,
                "the server" => await ProcessFigures.AllocatedAsync(http, new Uri(url), ct),
                _ => await http.GetFromJsonAsync<long>(url.Replace(Path, "/allocated", StringComparison.Ordinal), ct),
            };

        public async ValueTask DisposeAsync()
        {
            if (process is null)
                return;
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
                if (process is { HasExited: true } || Stopwatch.GetElapsedTime(started) > TimeSpan.FromSeconds(60))
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
