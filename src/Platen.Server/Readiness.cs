using System.Diagnostics;
using System.Text.Json;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Platen.Kernel.Schemas;
using Platen.Platform.Blobs;
using Platen.Platform.Postgres;
using Platen.Widgets.Packages;

namespace Platen.Server;

/// <summary>One thing the server needs to do its work.</summary>
/// <param name="Name">Such as <c>database</c>.</param>
/// <param name="Ok">Whether it works.</param>
/// <param name="Detail">What was found; on failure what to do. Nothing secret: the answer is public.</param>
/// <param name="DurationMs">How long the look took, in milliseconds.</param>
public sealed record ReadinessCheck(string Name, bool Ok, string Detail, double DurationMs);

/// <summary>Whether the server can take requests: <c>/readyz</c>.</summary>
/// <param name="Status"><c>ready</c> or <c>notReady</c>.</param>
/// <param name="Version">Of the server.</param>
/// <param name="Profile">Which stage it is.</param>
/// <param name="Roles">Which parts this process is.</param>
/// <param name="Time">The server's clock.</param>
/// <param name="Checks">Each part.</param>
public sealed record ReadinessReport(
    string Status,
    string Version,
    string Profile,
    string Roles,
    DateTimeOffset Time,
    IReadOnlyList<ReadinessCheck> Checks
);

/// <summary>
/// Looks at each part for real, at most once a second however often it is asked. A validator that accepted everything would be
/// worse than none, so the schema check validates a document that must be refused.
/// </summary>
internal sealed class Readiness(
    PostgresPools pools,
    IBlobStore blobs,
    WidgetRegistry registry,
    ServerSettings settings,
    HealthCheckService health,
    TimeProvider clock,
    ILogger<Readiness> logger
) : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);
    private readonly SemaphoreSlim one = new(1, 1);
    private ReadinessReport? last;

    public async Task<ReadinessReport> LookAsync(CancellationToken ct)
    {
        await one.WaitAsync(ct);
        try
        {
            if (last is { } report && clock.GetUtcNow() - report.Time is var age && age >= TimeSpan.Zero && age < Fresh)
                return report;
            List<Task<ReadinessCheck>> looks =
            [
                CheckAsync("database", DatabaseAsync, ct),
                CheckAsync("blobs", BlobsAsync, ct),
                CheckAsync("schema-validator", ValidatorAsync, ct),
                CheckAsync("widget-types", WidgetTypesAsync, ct),
            ];
            if (settings.Roles.HasFlag(ServerRoles.Delivery))
                looks.Add(CheckAsync("delivery", DeliveryAsync, ct));
            var checks = await Task.WhenAll(looks);
            last = new ReadinessReport(
                checks.All(c => c.Ok) ? "ready" : "notReady",
                ServerProcess.Version,
                settings.Profile,
                settings.Roles.ToString().ToLowerInvariant(),
                clock.GetUtcNow(),
                checks
            );
            return last;
        }
        finally
        {
            one.Release();
        }
    }

    public void Dispose() => one.Dispose();

    private async Task<ReadinessCheck> CheckAsync(
        string name,
        Func<CancellationToken, Task<string>> look,
        CancellationToken ct
    )
    {
        var started = Stopwatch.GetTimestamp();
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
        patience.CancelAfter(Patience);
        try
        {
            var detail = await look(patience.Token);
            return new ReadinessCheck(name, true, detail, Elapsed());
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return new ReadinessCheck(name, false, $"No answer within {Patience.TotalSeconds} s.", Elapsed());
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // The kind of failure and not its message: messages name hosts and paths, and this answer is public.
            Log.CheckFailed(logger, name, e);
            return new ReadinessCheck(name, false, $"{e.GetType().Name}; the log has the rest.", Elapsed());
        }

        double Elapsed() => Math.Round(Stopwatch.GetElapsedTime(started).TotalMilliseconds, 2);
    }

    private async Task<string> DatabaseAsync(CancellationToken ct)
    {
        await using var session = await pools.OpenWorkerAsync("readiness", ct);
        var version = await session.FirstAsync("select current_setting('server_version')", row => row.GetString(0), ct);
        await using var edge = await pools.OpenEdgeAsync(ct);
        return $"PostgreSQL {version}";
    }

    private async Task<string> BlobsAsync(CancellationToken ct)
    {
        await blobs.CheckAsync(ct);
        return "wrote, read and removed a probe";
    }

    private static Task<string> ValidatorAsync(CancellationToken ct)
    {
        var schema = JsonSchema.Compile(
            """{"type":"object","required":["a"],"properties":{"a":{"minimum":2}}}"""u8.ToArray()
        );
        var refuses = !schema.Validate(JsonElement.Parse("""{"a":1}""")).IsValid;
        var accepts = schema.Validate(JsonElement.Parse("""{"a":2}""")).IsValid;
        return refuses && accepts
            ? Task.FromResult("refuses what it must")
            : throw new InvalidOperationException("The schema validator does not tell valid from invalid.");
    }

    /// <summary>Delivery that serves from memory what it has is degraded, and says so; it still serves.</summary>
    private async Task<string> DeliveryAsync(CancellationToken ct)
    {
        var report = await health.CheckHealthAsync(ct);
        return report.Status switch
        {
            HealthStatus.Healthy => "serves what is live",
            HealthStatus.Degraded => "serves from memory what it has, and may not know the latest",
            _ => throw new InvalidOperationException("Delivery cannot serve."),
        };
    }

    private Task<string> WidgetTypesAsync(CancellationToken ct) =>
        registry.Packages.Count > 0
            ? Task.FromResult($"{registry.Packages.Count} types")
            : throw new InvalidOperationException("There are no widget packages.");
}
