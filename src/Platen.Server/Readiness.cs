using System.Diagnostics;
using System.Text.Json;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Platen.Kernel;
using Platen.Kernel.Schemas;
using Platen.Platform.Blobs;
using Platen.Platform.Events;
using Platen.Platform.Http.RateLimits;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;
using Platen.Widgets.Packages;

namespace Platen.Server;

/// <summary>One thing the server needs to do its work.</summary>
/// <param name="Name">Such as <c>database</c>.</param>
/// <param name="Ok">Whether it works.</param>
/// <param name="Detail">What was found. Nothing secret: the answer is public.</param>
/// <param name="Advice">On failure what to do; null when it works.</param>
/// <param name="DurationMs">How long the look took, in milliseconds.</param>
public sealed record ReadinessCheck(string Name, bool Ok, string Detail, string? Advice, double DurationMs);

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
/// <param name="Look">Says what was found, or throws: <see cref="ReadinessException"/> in words for everybody.</param>
/// <param name="Advice">What to do when it fails.</param>
/// <param name="IsNeeded">Whether the process cannot do its work without it.</param>
internal sealed record ReadinessPart(
    string Name,
    Func<CancellationToken, Task<string>> Look,
    string Advice,
    bool IsNeeded = true
);

/// <summary>A part is not as it should be.</summary>
/// <param name="finding">What is wrong, in a sentence that holds nothing secret: it is shown to everybody.</param>
/// <param name="works">Whether the part does its work all the same, worse than it should.</param>
internal sealed class ReadinessException(string finding, bool works = false) : Exception(finding)
{
    public bool Works { get; } = works;
}

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
            var looks = await Task.WhenAll(parts.Select(part => CheckAsync(part, ct)));
            last = new ReadinessReport(
                looks.Any(look => look.Stops) ? "notReady"
                    : looks.Any(look => !look.Check.Ok) ? "degraded"
                    : "ready",
                ServerProcess.Version,
                settings.Profile,
                settings.Roles.ToString().ToLowerInvariant(),
                clock.GetUtcNow(),
                [.. looks.Select(look => look.Check)]
            );
            return last;
        }
        finally
        {
            one.Release();
        }
    }

    public void Dispose() => one.Dispose();

    private async Task<(ReadinessCheck Check, bool Stops)> CheckAsync(ReadinessPart part, CancellationToken ct)
    {
        var started = Stopwatch.GetTimestamp();
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
        patience.CancelAfter(Patience);
        try
        {
            var detail = await part.Look(patience.Token);
            return (new ReadinessCheck(part.Name, true, detail, null, Elapsed()), false);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return Failed($"No answer within {Patience.TotalSeconds} s.");
        }
        catch (ReadinessException e)
        {
            Log.CheckFailed(logger, part.Name, e);
            return Failed(e.Message, e.Works);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // The kind of failure and not its message: messages name hosts and paths, and this answer is public.
            Log.CheckFailed(logger, part.Name, e);
            return Failed($"{e.GetType().Name}; the log has the rest.");
        }

        (ReadinessCheck, bool) Failed(string finding, bool works = false) =>
            (new ReadinessCheck(part.Name, false, finding, part.Advice, Elapsed()), part.IsNeeded && !works);

        double Elapsed() => Math.Round(Stopwatch.GetElapsedTime(started).TotalMilliseconds, 2);
    }
}

/// <summary>What there is to look at in a process, by what it is.</summary>
internal static class ReadinessParts
{
    private const string MendDatabase =
        "See that PostgreSQL runs and takes this server's login; one that came with the server is started again by itself.";

    private const string MendDelivery =
        "See that the database answers and that the blob store has what was published; the log says what fails. It catches up by itself.";

    /// <summary>
    /// Of a process that is more than delivery. It does without notifications, later and with more queries; and without jobs, unless
    /// they are all that it is for.
    /// </summary>
    public static IReadOnlyList<ReadinessPart> Of(IServiceProvider services)
    {
        var pools = services.GetRequiredService<PostgresPools>();
        var blobs = services.GetRequiredService<IBlobStore>();
        var registry = services.GetRequiredService<WidgetRegistry>();
        var settings = services.GetRequiredService<ServerSettings>();
        var health = services.GetRequiredService<HealthCheckService>();
        List<ReadinessPart> parts =
        [
            new("database", ct => DatabaseAsync(pools, ct), MendDatabase),
            new(
                "blobs",
                ct => BlobsAsync(blobs, ct),
                "See that what PLATEN_BLOBS names can be reached, takes writes and has room."
            ),
            new("schema-validator", ValidatorAsync, "Install the server anew: its program is broken."),
            new(
                "widget-types",
                _ => WidgetTypesAsync(registry),
                "Put the widget packages (the folder widgets/ of the project) into the folder that PLATEN_WIDGETS names, and start again."
            ),
            new(
                "events",
                _ => ListeningAsync(services.GetRequiredService<NotificationListener>()),
                "It is made again by itself once the database answers. A transaction pooler hands on no notifications: name a way around it in ConnectionStrings__PlatenDirect.",
                IsNeeded: false
            ),
            .. Counting(services, settings),
        ];
        var roles = settings.Roles;
        if (roles.HasFlag(ServerRoles.Worker))
        {
            var runner = services.GetRequiredService<JobRunner>();
            parts.Add(
                new(
                    "jobs",
                    _ => LookingAsync(runner),
                    "See that the database answers. If it does, start this process again: jobs go on where they were.",
                    IsNeeded: roles == ServerRoles.Worker
                )
            );
        }
        if (roles.HasFlag(ServerRoles.Delivery))
            parts.Add(new("delivery", ct => DeliveryAsync(health, ct), MendDelivery));
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
            new("database", ct => EdgeAsync(pools, ct), MendDatabase, IsNeeded: false),
            new(
                "blobs",
                ct => ReadableAsync(blobs, ct),
                "See that what PLATEN_BLOBS names can be reached and read from here.",
                IsNeeded: false
            ),
            .. relay.IsOn
                ? new ReadinessPart[]
                {
                    new(
                        "api",
                        relay.LookAsync,
                        "See that the API that PLATEN_API names runs, and can be reached from here.",
                        IsNeeded: false
                    ),
                }
                : [],
            .. Counting(services, services.GetRequiredService<ServerSettings>()),
            new("delivery", ct => DeliveryAsync(health, ct), MendDelivery),
        ];
    }

    /// <summary>Where nodes count requests together, when they were told of a place of its own.</summary>
    private static IEnumerable<ReadinessPart> Counting(IServiceProvider services, ServerSettings settings)
    {
        if (settings.Guards.Redis is null)
            yield break;
        var limiter = services.GetRequiredService<RateLimiter>();
        yield return new(
            "redis",
            _ => CountingAsync(limiter),
            "See that the Redis that PLATEN_REDIS names runs, takes its password and answers within a tenth of a second. It is used again by itself.",
            IsNeeded: false
        );
    }

    private static Task<string> CountingAsync(RateLimiter limiter) =>
        limiter.Store switch
        {
            "redis" => Task.FromResult("counts requests"),
            null => throw new ReadinessException("Redis does not count: this process counts requests for itself."),
            _ => throw new ReadinessException("Redis does not count: requests are counted in PostgreSQL."),
        };

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
            : throw new ReadinessException("The schema validator does not tell valid from invalid.");
    }

    /// <summary>Delivery that serves what it has says why that may not be the latest; it still serves.</summary>
    private static async Task<string> DeliveryAsync(HealthCheckService health, CancellationToken ct)
    {
        var report = await health.CheckHealthAsync(ct);
        if (report.Status == HealthStatus.Healthy)
            return "serves what is live";
        var worst = report.Entries.Values.First(entry => entry.Status == report.Status);
        // A look that failed has the message of what was thrown as its description.
        throw worst is { Exception: null, Description: { } finding }
            ? new ReadinessException(finding, works: report.Status == HealthStatus.Degraded)
            : new InvalidOperationException("Delivery cannot be looked at.", worst.Exception);
    }

    private static Task<string> ListeningAsync(NotificationListener listener) =>
        listener.IsListening
            ? Task.FromResult("hears what is committed")
            : throw new ReadinessException("The connection that listens is lost.");

    private static Task<string> LookingAsync(JobRunner runner) =>
        runner.IsLooking
            ? Task.FromResult("takes what is due")
            : throw new ReadinessException("The queue has not been looked at for too long.");

    private static Task<string> WidgetTypesAsync(WidgetRegistry registry) =>
        registry.Packages.Count > 0
            ? Task.FromResult($"{registry.Packages.Count} types")
            : throw new ReadinessException("There are no widget packages.");
}
