using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Platen.Kernel;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Bench;

/// <summary>
/// A resolve and its 304 over HTTP from the built server, against a bare Kestrel app with the same bytes and fields. Each is a process of
/// its own on the first processor; wrk drives them, one at a time, from the second. The server checks the key, counts the request against
/// its limits and says so in fields that the bare app need not write.
/// </summary>
internal static partial class ResolveHttpBench
{
    public const string Bare = "resolve-bare";
    private const int Connections = 32;
    private const int Seconds = 2;
    private const int RoundCount = 5;
    private const int MostWarmups = 30;
    private const string Name = "bench";
    private const string Path = $"/v1/templates/{Name}/resolve?kind=master_prompt&locale=fr-CA";
    private const string TrialPath = $"{Path}&key=user-1";
    private const string ReferenceSetting = "PLATEN_BENCH_REFERENCE";
    private const string KeySetting = "PLATEN_BENCH_KEY";
    private static readonly string[] PerRequest =
    [
        "Date",
        "Server",
        "Content-Length",
        "traceparent",
        "RateLimit",
        "RateLimit-Policy",
        "Server-Timing",
    ];

    public static async Task RunAsync(CancellationToken ct)
    {
        if (!OperatingSystem.IsLinux())
            throw new PlatformNotSupportedException("This bench pins its processes with taskset: run it on Linux.");
        var folder = PostgresFixture.NewFolder();
        try
        {
            // Counted against a quota that no client reaches: the counting is part of the figure.
            await using var platen = await PlatenServer.StartAsync(
                folder,
                ct,
                ("PLATEN_SAMPLES", "off"),
                ("PLATEN_LIMITS", "key=1000000/1"),
                // As the bare app, which starts on its one processor; this one is moved there when it runs.
                ("DOTNET_PROCESSOR_COUNT", "1")
            );
            await ProcessFigures.PinAsync(platen.ProcessId, "0", ct);
            using var http = platen.OpenClient();
            await PushAsync(http, "1.0.0", ct);
            await PushAsync(http, "1.1.0", ct);
            Environment.SetEnvironmentVariable(ReferenceSetting, new Uri(platen.Address, Path).ToString());
            Environment.SetEnvironmentVariable(KeySetting, platen.OwnerKey);
            await using var bare = await PinnedProcess.StartAsync(Bare, ct);
            var bareAddress = new Uri($"http://{bare.Address}");

            var (bytes, tag) = await CheckSameAsync(http, platen.Address, bareAddress, ct);
            Rounds.Report(
                "resolve over HTTP",
                string.Create(CultureInfo.InvariantCulture, $"{bytes} B"),
                "same in both"
            );
            var ours = new Subject(new Uri(platen.Address, Path), platen.OwnerKey, platen.ProcessId);
            var theirs = new Subject(new Uri(bareAddress, Path), platen.OwnerKey, bare.ProcessId);
            await CompareAsync("  200", ours, theirs, null, http, ct);
            await CompareAsync("  304", ours, theirs, tag, http, ct);
            await PutAsync(
                http,
                $"/v1/templates/{Name}/channels/default",
                """{"version":"1.0.0","candidate":{"version":"1.1.0","percentage":50}}""",
                ct
            );
            var keyed = new Subject(new Uri(platen.Address, TrialPath), platen.OwnerKey, platen.ProcessId);
            await CompareAsync("  200 with a key in a trial", keyed, theirs, null, http, ct);
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
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue(
            "Bearer",
            Environment.GetEnvironmentVariable(KeySetting)
        );
        using var original = await http.GetAsync(Environment.GetEnvironmentVariable(ReferenceSetting), ct);
        var bytes = await original.Content.ReadAsByteArrayAsync(ct);
        var fields = Fields(original);
        var tag = original.Headers.ETag!.Tag;
        var onNotModified = fields.Where(f => f.Key is not "Content-Type").ToArray();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:" + Environment.GetEnvironmentVariable(PinnedProcess.PortSetting));
        await using var app = builder.Build();
        app.MapGet(
            "/v1/templates/{name}/resolve",
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
        await app.StartAsync(ct);
        await app.WaitForShutdownAsync(ct);
    }

    private static async Task<(int Bytes, string Tag)> CheckSameAsync(
        HttpClient http,
        Uri a,
        Uri b,
        CancellationToken ct
    )
    {
        using var first = await http.GetAsync(new Uri(a, Path), ct);
        using var second = await http.GetAsync(new Uri(b, Path), ct);
        var bytes = await first.Content.ReadAsByteArrayAsync(ct);
        var others = await second.Content.ReadAsByteArrayAsync(ct);
        if (!bytes.AsSpan().SequenceEqual(others))
            throw new InvalidOperationException("The two subjects answer different bytes.");
        if (!Fields(first).SequenceEqual(Fields(second)))
            throw new InvalidOperationException("The two subjects answer different fields.");
        return (bytes.Length, first.Headers.ETag!.Tag);
    }

    private static async Task CompareAsync(
        string name,
        Subject ours,
        Subject theirs,
        string? tag,
        HttpClient http,
        CancellationToken ct
    )
    {
        await WarmAsync(ours, tag, ct);
        await WarmAsync(theirs, tag, ct);
        List<double> ratios = [],
            work = [],
            our = [],
            their = [],
            allocated = [];
        for (var round = 0; round < RoundCount; round++)
        {
            var before = await ProcessFigures.AllocatedAsync(http, ours.Url, ct);
            var a1 = await LoadAsync(ours, tag, ct);
            allocated.Add((await ProcessFigures.AllocatedAsync(http, ours.Url, ct) - before) / a1.Requests);
            var b1 = await LoadAsync(theirs, tag, ct);
            var b2 = await LoadAsync(theirs, tag, ct);
            var a2 = await LoadAsync(ours, tag, ct);
            ratios.Add((a1.PerSecond + a2.PerSecond) / (b1.PerSecond + b2.PerSecond));
            work.Add((b1.CpuMicroseconds + b2.CpuMicroseconds) / (a1.CpuMicroseconds + a2.CpuMicroseconds));
            our.AddRange([a1.PerSecond, a2.PerSecond]);
            their.AddRange([b1.PerSecond, b2.PerSecond]);
        }
        Rounds.Report(name + ": Platen", Number(Rounds.Median(our), "req/s"), "");
        Rounds.Report(name + ": bare Kestrel", Number(Rounds.Median(their), "req/s"), "");
        Rounds.Report(
            name + ": Platen / bare Kestrel",
            string.Create(
                CultureInfo.InvariantCulture,
                $"{Rounds.Median(ratios):F2} x ({ratios.Min():F2}-{ratios.Max():F2})"
            ),
            ">= 0.8 x"
        );
        // What a busy neighbour on the processor takes, it takes from both; this figure it leaves alone.
        Rounds.Report(
            name + ": the same by processor time a request",
            string.Create(
                CultureInfo.InvariantCulture,
                $"{Rounds.Median(work):F2} x ({work.Min():F2}-{work.Max():F2})"
            ),
            ">= 0.8 x"
        );
        Rounds.Report(name + ": allocated a request", Number(Rounds.Median(allocated), "B"), "told");
    }

    /// <summary>
    /// Until a request costs what it cost before: on a busy processor the runtime takes a hundred thousand requests to compile well what
    /// answers them, and the subject with more code takes longer.
    /// </summary>
    private static async Task WarmAsync(Subject subject, string? tag, CancellationToken ct)
    {
        var (before, steady) = (double.MaxValue, 0);
        for (var load = 0; load < MostWarmups && steady < 2; load++)
        {
            var now = (await LoadAsync(subject, tag, ct)).CpuMicroseconds;
            steady = now > before * 0.95 ? steady + 1 : 0;
            before = Math.Min(before, now);
        }
    }

    private static async Task<Load> LoadAsync(Subject subject, string? tag, CancellationToken ct)
    {
        List<string> arguments =
        [
            "-c",
            "1",
            "wrk",
            "-t1",
            string.Create(CultureInfo.InvariantCulture, $"-c{Connections}"),
            string.Create(CultureInfo.InvariantCulture, $"-d{Seconds}s"),
            "-H",
            "Authorization: Bearer " + subject.Key,
        ];
        if (tag is not null)
            arguments.AddRange(["-H", "If-None-Match: " + tag]);
        arguments.Add(subject.Url.ToString());
        var cpu = ProcessFigures.CpuSeconds(subject.ProcessId);
        var output = await ServerProcess.RunAsync("taskset", arguments, ct);
        cpu = ProcessFigures.CpuSeconds(subject.ProcessId) - cpu;
        if (output.Contains("Non-2xx", StringComparison.Ordinal) && tag is null)
            throw new InvalidOperationException(output);
        var requests = double.Parse(RequestCount().Match(output).Groups["value"].Value, CultureInfo.InvariantCulture);
        return new Load(
            double.Parse(RequestRate().Match(output).Groups["value"].Value, CultureInfo.InvariantCulture),
            requests,
            cpu * 1e6 / requests
        );
    }

    private static async Task PushAsync(HttpClient http, string version, CancellationToken ct)
    {
        var artifacts = new JsonArray();
        foreach (var locale in (string[])["fr", "en", "de"])
        {
            var bytes = Encoding.UTF8.GetBytes($"{version} {locale}".PadRight(4 * 1024, 'x'));
            var digest = Digest.Of(bytes);
            using var content = new ByteArrayContent(bytes);
            using var put = await http.PutAsync($"/v1/templates/{Name}/blobs/{digest}", content, ct);
            put.EnsureSuccessStatusCode();
            artifacts.Add(
                new JsonObject
                {
                    ["kind"] = "master_prompt",
                    ["path"] = locale + ".md",
                    ["role"] = "system",
                    ["locale"] = locale,
                    ["digest"] = digest.ToString(),
                    ["sizeBytes"] = bytes.Length,
                }
            );
        }
        var body = new JsonObject { ["manifest"] = new JsonObject { ["artifacts"] = artifacts } };
        await PutAsync(http, $"/v1/templates/{Name}/versions/{version}", body.ToJsonString(), ct);
    }

    private static async Task PutAsync(HttpClient http, string path, string json, CancellationToken ct)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, path);
        request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        request.Headers.TryAddWithoutValidation("If-None-Match", "*");
        using var response = await http.SendAsync(request, ct);
        if (!response.IsSuccessStatusCode)
            throw new InvalidOperationException($"PUT {path}: {await response.Content.ReadAsStringAsync(ct)}");
    }

    private static List<KeyValuePair<string, string>> Fields(HttpResponseMessage response) =>
        [
            .. response
                .Headers.NonValidated.Concat(response.Content.Headers.NonValidated)
                .Where(f => !PerRequest.Contains(f.Key, StringComparer.OrdinalIgnoreCase))
                .Select(f => KeyValuePair.Create(f.Key, f.Value.ToString()))
                .OrderBy(f => f.Key, StringComparer.Ordinal),
        ];

    private static string Number(double value, string unit) =>
        string.Create(CultureInfo.InvariantCulture, $"{value:F0} {unit}");

    [GeneratedRegex(@"(?<value>\d+) requests in", RegexOptions.None, 1_000)]
    private static partial Regex RequestCount();

    [GeneratedRegex(@"Requests/sec:\s+(?<value>[\d.]+)", RegexOptions.None, 1_000)]
    private static partial Regex RequestRate();

    private sealed record Subject(Uri Url, string Key, int ProcessId);

    private sealed record Load(double PerSecond, double Requests, double CpuMicroseconds);
}
