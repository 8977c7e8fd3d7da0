using System.Collections.Immutable;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.IO.Compression;
using System.Net.Http.Json;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Platen.Delivery;
using Platen.Kernel;
using Platen.Platform;
using Platen.Platform.Blobs;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;

namespace Platen.Bench;

/// <summary>
/// A node over a million published instances, which it cannot hold: its memory while strangers read all over the place, and how much
/// memory answers when visitors do what visitors do. The node is a process of its own; the instances are one page under many ids.
/// </summary>
internal static class ManyInstancesBench
{
    private const int MiB = 1024 * 1024;
    private const int MemoryMiB = 64;
    private const int DiskMiB = 256;
    private const int Uniform = 60_000;
    private const int Skewed = 120_000;
    private const int AtOnce = 16;
    private const string FolderSetting = "PLATEN_BENCH_FOLDER";
    private const string DatabaseSetting = "PLATEN_BENCH_DATABASE";

    public static async Task RunAsync(CancellationToken ct)
    {
        var instances = int.Parse(
            Environment.GetEnvironmentVariable("PLATEN_BENCH_INSTANCES") ?? "1000000",
            CultureInfo.InvariantCulture
        );
        var folder = Directory.CreateTempSubdirectory("platen-bench-").FullName;
        try
        {
            await using var runtime = await PostgresSetup.StartAsync(
                new PostgresOptions { DataFolder = folder, Durable = false },
                [PlatformModule.Sql],
                NullLogger.Instance,
                ct
            );
            var blobs = new FileBlobStore(
                Path.Combine(folder, "blobs"),
                TimeProvider.System,
                NullLogger<FileBlobStore>.Instance
            );
            var release = await PublishAsync(runtime.Pools, blobs, ct);
            var began = Stopwatch.GetTimestamp();
            await MultiplyAsync(runtime.AdminConnectionString, release, instances, ct);
            Report(
                "published instances",
                $"{instances}",
                string.Create(CultureInfo.InvariantCulture, $"in {Stopwatch.GetElapsedTime(began).TotalSeconds:F0} s")
            );

            Environment.SetEnvironmentVariable(FolderSetting, folder);
            Environment.SetEnvironmentVariable(DatabaseSetting, runtime.EdgeConnectionString);
            await using var node = await PinnedProcess.StartAsync("delivery-many-node", ct);
            using var http = new HttpClient { BaseAddress = new Uri($"http://{node.Address}") };
            await MeasureAsync(node, http, instances, ct);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>The node.</summary>
    public static async Task ServeAsync(CancellationToken ct)
    {
        var folder = Environment.GetEnvironmentVariable(FolderSetting)!;
        await using var pools = PostgresPools.OpenEdgeAlone(
            new PostgresOptions
            {
                DataFolder = folder,
                EdgeConnectionString = Environment.GetEnvironmentVariable(DatabaseSetting),
            }
        );
        var builder = DeliveryBench.Builder();
        builder.Services.AddSingleton(pools);
        builder.Services.AddSingleton<IBlobStore>(
            new FileBlobStore(Path.Combine(folder, "blobs"), TimeProvider.System, NullLogger<FileBlobStore>.Instance)
        );
        builder.Services.AddDelivery(options =>
        {
            options.MemoryBytes = MemoryMiB * MiB;
            options.DiskFolder = Path.Combine(folder, "cache");
            options.DiskBytes = DiskMiB * MiB;
        });
        var figures = new Dictionary<string, double>(StringComparer.Ordinal);
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                // The others report from whatever thread they happen on.
                if (instrument is { Meter.Name: "Platen.Delivery", IsObservable: true })
                    self.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<long>((i, value, _, _) => figures[i.Name] = value);
        listener.SetMeasurementEventCallback<int>((i, value, _, _) => figures[i.Name] = value);
        listener.SetMeasurementEventCallback<double>((i, value, _, _) => figures[i.Name] = value);
        listener.Start();
        await using var app = builder.Build();
        app.UseDelivery();
        app.MapGet(
            "/held",
            () =>
            {
                lock (figures)
                {
                    listener.RecordObservableInstruments();
                    return TypedResults.Json(figures);
                }
            }
        );
        app.MapGet(
            "/collect",
            () =>
            {
                GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
                return TypedResults.Ok();
            }
        );
        await app.StartAsync(ct);
        await app.WaitForShutdownAsync(ct);
    }

    private static async Task MeasureAsync(PinnedProcess node, HttpClient http, int instances, CancellationToken ct)
    {
        await AskAsync(http, [0], ct);
        await http.GetAsync("/collect", ct);
        var empty = ProcessFigures.ResidentMiB(node.ProcessId);

        var random = new Random(1);
        var anywhere = Enumerable.Range(0, Uniform).Select(_ => random.Next(instances)).ToList();
        var began = Stopwatch.GetTimestamp();
        await AskAsync(http, anywhere, ct);
        var seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        var grown = ProcessFigures.ResidentMiB(node.ProcessId);
        await http.GetAsync("/collect", ct);
        var settled = ProcessFigures.ResidentMiB(node.ProcessId);
        var held = (await http.GetFromJsonAsync<Dictionary<string, double>>("/held", ct))!;
        var keys = held["platen.delivery.keys"];
        Report("any of them as likely: misses answered", $"{Uniform / seconds:F0} req/s", "for orientation");
        Report("content in memory", $"{held["platen.delivery.memory"] / MiB:F1} MiB", $"<= {MemoryMiB} MiB");
        Report("instances in memory", $"{keys:F0}", string.Create(CultureInfo.InvariantCulture, $"of {instances}"));
        Report("held for each of them", $"{(settled - empty) * MiB / keys:F0} B", "for orientation");
        Report(
            "entries on disk",
            $"{held["platen.delivery.disk.entries"]:F0}",
            $"{held["platen.delivery.disk"] / MiB:F0} MiB <= {DiskMiB} MiB"
        );
        Report("resident, empty", $"{empty:F0} MiB", "for orientation");
        Report("resident, after them", $"{grown:F0} MiB ({settled:F0} collected)", "grows by < 256 MiB");

        // Popularity falls with rank, as on the web (Breslau and others, 1999: Zipf with an exponent below 1).
        var before = held["platen.delivery.hit_ratio"];
        var skewed = Enumerable
            .Range(0, Skewed)
            .Select(_ => (int)Math.Min(instances - 1, Math.Pow(instances, random.NextDouble()) - 1))
            .ToList();
        began = Stopwatch.GetTimestamp();
        await AskAsync(http, skewed, ct);
        seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        held = (await http.GetFromJsonAsync<Dictionary<string, double>>("/held", ct))!;
        var all = Uniform + Skewed + 1;
        var hits = (held["platen.delivery.hit_ratio"] * all - before * (Uniform + 1)) / Skewed;
        Report("few asked for most: answered", $"{Skewed / seconds:F0} req/s", "for orientation");
        Report("few asked for most: out of memory", $"{hits:P0}", "for orientation");
        Report("content in memory", $"{held["platen.delivery.memory"] / MiB:F1} MiB", $"<= {MemoryMiB} MiB");
    }

    private static Task AskAsync(HttpClient http, IReadOnlyList<int> numbers, CancellationToken ct) =>
        Parallel.ForEachAsync(
            numbers,
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = ct },
            async (number, token) =>
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, $"/e/wgt_curated_n{number}");
                request.Headers.TryAddWithoutValidation("Accept-Encoding", "br");
                using var response = await http.SendAsync(request, token);
                response.EnsureSuccessStatusCode();
            }
        );

    private static async Task MultiplyAsync(string admin, Digest release, int instances, CancellationToken ct)
    {
        const int batch = 100_000;
        await using var connection = new NpgsqlConnection(admin + ";Command Timeout=600");
        await connection.OpenAsync(ct);
        for (var first = 0; first < instances; first += batch)
        {
            await using var copy = new NpgsqlCommand(
                """
                insert into platform.release (owner, subject, digest, artifact_type, manifest, created_by, created_by_name)
                select r.owner, 'curated/wgt_curated_n' || n, r.digest, r.artifact_type, r.manifest, r.created_by, r.created_by_name
                from platform.release r, generate_series($1, $2) n
                where r.digest = $3 and r.subject = 'curated/wgt_curated_bench';
                """,
                connection
            );
            copy.Parameters.Add(new NpgsqlParameter<int> { TypedValue = first });
            copy.Parameters.Add(new NpgsqlParameter<int> { TypedValue = Math.Min(first + batch, instances) - 1 });
            copy.Parameters.Add(new NpgsqlParameter<string> { TypedValue = release.ToString() });
            await copy.ExecuteNonQueryAsync(ct);
            await using var point = new NpgsqlCommand(
                """
                insert into platform.channel (owner, subject, name, release_digest, revision)
                select $4, 'curated/wgt_curated_n' || n, 'live', $3, 1 from generate_series($1, $2) n
                """,
                connection
            );
            foreach (NpgsqlParameter parameter in copy.Parameters)
                point.Parameters.Add(parameter.Clone());
            point.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = OwnerId.Platform.Value });
            await point.ExecuteNonQueryAsync(ct);
        }
        await using var analyze = new NpgsqlCommand("analyze platform.channel, platform.release", connection);
        await analyze.ExecuteNonQueryAsync(ct);
    }

    private static void Report(string name, FormattableString value, string target) =>
        Rounds.Report(name, value.ToString(CultureInfo.InvariantCulture), target);

    /// <summary>Publishes the page and returns its release.</summary>
    private static async Task<Digest> PublishAsync(PostgresPools pools, FileBlobStore blobs, CancellationToken ct)
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
            "curated/wgt_curated_bench",
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
}
