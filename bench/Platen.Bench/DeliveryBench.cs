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

namespace Platen.Bench;

/// <summary>
/// A published page and its 304 from delivery, against a bare Kestrel app that answers the same bytes and fields, with nginx
/// beside them. Each is a process of its own on the first processor; wrk drives them, one at a time, from the second.
/// </summary>
internal static partial class DeliveryBench
{
    private const int Connections = 32;
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

        var tag = await CheckSameAsync(http, platen, bare, ct);
        await CompareAsync("GET", platen, bare, nginx, null, 200, http, ct);
        await CompareAsync("304", platen, bare, nginx, tag, 304, http, ct);
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

    private static WebApplicationBuilder Builder()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:" + Environment.GetEnvironmentVariable(PinnedProcess.PortSetting));
        return builder;
    }

    private static async Task PublishAsync(PostgresPools pools, FileBlobStore blobs, CancellationToken ct)
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
        Subject platen,
        Subject bare,
        Subject nginx,
        string? tag,
        int status,
        HttpClient http,
        CancellationToken ct
    )
    {
        foreach (var subject in new[] { platen, bare })
        {
            using var request = Encoded(subject.Url);
            if (tag is not null)
                request.Headers.TryAddWithoutValidation("If-None-Match", tag);
            using var response = await http.SendAsync(request, ct);
            if ((int)response.StatusCode != status)
                throw new InvalidOperationException($"{subject.Name} answers {response.StatusCode}.");
            await LoadAsync(subject, tag, http, ct);
        }
        var ratios = new List<double>();
        List<Load> ours = [],
            theirs = [];
        for (var round = 0; round < RoundCount; round++)
        {
            var a1 = await LoadAsync(platen, tag, http, ct);
            var b1 = await LoadAsync(bare, tag, http, ct);
            var b2 = await LoadAsync(bare, tag, http, ct);
            var a2 = await LoadAsync(platen, tag, http, ct);
            ratios.Add((a1.PerSecond + a2.PerSecond) / (b1.PerSecond + b2.PerSecond));
            ours.AddRange([a1, a2]);
            theirs.AddRange([b1, b2]);
        }
        Report(name + " delivery", ours);
        Report(name + " bare Kestrel", theirs);
        if (tag is null)
            Report(name + " nginx (identity bytes of the same coding)", [await LoadAsync(nginx, tag, http, ct)]);
        Rounds.Report(
            name + " delivery / bare Kestrel",
            string.Create(
                CultureInfo.InvariantCulture,
                $"{Rounds.Median(ratios):F2} x ({ratios.Min():F2}-{ratios.Max():F2})"
            ),
            ">= 0.9 x"
        );
        Rounds.Report(
            name + " delivery, allocated per request",
            string.Create(
                CultureInfo.InvariantCulture,
                $"{Rounds.Median([.. ours.Select(o => o.AllocatedBytes)]):F0} B"
            ),
            "<= 1024 B"
        );
    }

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

    private static async Task<Load> LoadAsync(Subject subject, string? tag, HttpClient http, CancellationToken ct)
    {
        var allocatedBefore = await subject.AllocatedAsync(http, ct);
        var cpuBefore = subject.CpuSeconds();
        List<string> arguments =
        [
            "-c",
            "1",
            "wrk",
            "-t1",
            string.Create(CultureInfo.InvariantCulture, $"-c{Connections}"),
            string.Create(CultureInfo.InvariantCulture, $"-d{Seconds}s"),
            "-H",
            "Accept-Encoding: br",
        ];
        if (tag is not null)
            arguments.AddRange(["-H", "If-None-Match: " + tag]);
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
        return new Load(rate, (subject.CpuSeconds() - cpuBefore) * 1e6 / requests, allocated / requests);
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

    private sealed record Load(double PerSecond, double CpuMicroseconds, double AllocatedBytes);

    private sealed class Subject(string name, string url, Process process, Func<int> worker) : IAsyncDisposable
    {
        public string Name => name;
        public string Url => url;

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
            var subject = new Subject(name, $"http://127.0.0.1:{port}{Path}", process, () => process.Id);
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
            return subject;
        }

        public double CpuSeconds() => ProcessFigures.CpuSeconds(worker());

        public async Task<double> AllocatedAsync(HttpClient http, CancellationToken ct) =>
            name == "nginx"
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
