using System.Diagnostics;
using System.Text.Json;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Platen.Kernel;
using Platen.Kernel.Schemas;
using Platen.Platform.Blobs;
using Platen.Platform.Events;
using Platen.Platform.Jobs;
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
/// <param name="Status"><c>ready</c>; <c>degraded</c> when it does its work without something that does not answer; <c>notReady</c>.</param>
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

/// <summary>A part that readiness looks at.</summary>
/// <param name="Name">Such as <c>database</c>.</param>
/// <param name="Look">Says what was found, or throws.</param>
/// <param name="IsNeeded">Whether the process cannot do its work without it.</param>
internal sealed record ReadinessPart(string Name, Func<CancellationToken, Task<string>> Look, bool IsNeeded = true);

/// <summary>Looks at each part for real, at most once a second however often it is asked.</summary>
internal sealed class Readiness(
    IReadOnlyList<ReadinessPart> parts,
    ServerSettings settings,
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
            var checks = await Task.WhenAll(parts.Select(part => CheckAsync(part.Name, part.Look, ct)));
            var failed = parts.Where(part => checks.Any(check => check.Name == part.Name && !check.Ok)).ToList();
            last = new ReadinessReport(
                failed.Any(part => part.IsNeeded) ? "notReady"
                    : failed.Count > 0 ? "degraded"
                    : "ready",
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
}

/// <summary>What there is to look at in a process, by what it is.</summary>
internal static class ReadinessParts
{
    /// <summary>
    /// Of a process that is more than delivery. It does without notifications, later and with more queries; and without jobs, unless
    /// they are all that it is for.
    /// </summary>
    public static IReadOnlyList<ReadinessPart> Of(IServiceProvider services)
    {
        var pools = services.GetRequiredService<PostgresPools>();
        var blobs = services.GetRequiredService<IBlobStore>();
        var registry = services.GetRequiredService<WidgetRegistry>();
        var health = services.GetRequiredService<HealthCheckService>();
        List<ReadinessPart> parts =
        [
            new("database", ct => DatabaseAsync(pools, ct)),
            new("blobs", ct => BlobsAsync(blobs, ct)),
            new("schema-validator", ValidatorAsync),
            new("widget-types", _ => WidgetTypesAsync(registry)),
            new("events", _ => ListeningAsync(services.GetRequiredService<NotificationListener>()), IsNeeded: false),
        ];
        var roles = services.GetRequiredService<ServerSettings>().Roles;
        if (roles.HasFlag(ServerRoles.Worker))
        {
            var runner = services.GetRequiredService<JobRunner>();
            parts.Add(new("jobs", _ => LookingAsync(runner), IsNeeded: roles == ServerRoles.Worker));
        }
        if (roles.HasFlag(ServerRoles.Delivery))
            parts.Add(new("delivery", ct => DeliveryAsync(health, ct)));
        return parts;
    }

    /// <summary>Of a process that is delivery alone: it needs nothing as long as it has something to serve.</summary>
    public static IReadOnlyList<ReadinessPart> OfDelivery(IServiceProvider services)
    {
        var relay = services.GetRequiredService<ApiRelay>();
        var pools = services.GetRequiredService<PostgresPools>();
        var blobs = services.GetRequiredService<IBlobStore>();
        var health = services.GetRequiredService<HealthCheckService>();
        return
        [
            new("database", ct => EdgeAsync(pools, ct), IsNeeded: false),
            new("blobs", ct => ReadableAsync(blobs, ct), IsNeeded: false),
            .. relay.IsOn ? new ReadinessPart[] { new("api", relay.LookAsync, IsNeeded: false) } : [],
            new("delivery", ct => DeliveryAsync(health, ct)),
        ];
    }

    private static async Task<string> DatabaseAsync(PostgresPools pools, CancellationToken ct)
    {
        await using var session = await pools.OpenWorkerAsync("readiness", ct);
        var version = await session.FirstAsync("select current_setting('server_version')", row => row.GetString(0), ct);
        await EdgeAsync(pools, ct);
        return $"PostgreSQL {version}";
    }

    private static async Task<string> EdgeAsync(PostgresPools pools, CancellationToken ct)
    {
        await using var edge = await pools.OpenEdgeAsync(ct);
        var version = await edge.FirstAsync("select current_setting('server_version')", row => row.GetString(0), ct);
        return $"PostgreSQL {version}";
    }

    private static async Task<string> BlobsAsync(IBlobStore blobs, CancellationToken ct)
    {
        await blobs.CheckAsync(ct);
        return "wrote, read and removed a probe";
    }

    // Its credentials may allow reading alone, so no probe is written; whether this blob is there makes no difference.
    private static async Task<string> ReadableAsync(IBlobStore blobs, CancellationToken ct)
    {
        await blobs.StatAsync(OwnerId.Platform, Digest.Of("{}"u8), ct);
        return "answers";
    }

    /// <summary>
    /// A validator that accepted everything would be worse than none, so this validates a document that must be refused.
    /// </summary>
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

    /// <summary>Delivery that serves what it has is degraded, and says so; it still serves.</summary>
    private static async Task<string> DeliveryAsync(HealthCheckService health, CancellationToken ct)
    {
        var report = await health.CheckHealthAsync(ct);
        return report.Status switch
        {
            HealthStatus.Healthy => "serves what is live",
            HealthStatus.Degraded => "serves what it has, in memory and on its disk, and may not know the latest",
            _ => throw new InvalidOperationException("Delivery cannot serve."),
        };
    }

    private static Task<string> ListeningAsync(NotificationListener listener) =>
        listener.IsListening
            ? Task.FromResult("hears what is committed")
            : throw new InvalidOperationException("The connection that listens is lost.");

    private static Task<string> LookingAsync(JobRunner runner) =>
        runner.IsLooking
            ? Task.FromResult("takes what is due")
            : throw new InvalidOperationException("The queue has not been looked at for too long.");

    private static Task<string> WidgetTypesAsync(WidgetRegistry registry) =>
        registry.Packages.Count > 0
            ? Task.FromResult($"{registry.Packages.Count} types")
            : throw new InvalidOperationException("There are no widget packages.");
}
