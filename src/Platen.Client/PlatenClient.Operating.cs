using System.Net;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Platen.Kernel;

namespace Platen.Client;

public sealed partial class PlatenClient
{
    /// <summary>Whether the server is ready, part by part. Asked once: a server that is not ready is an answer.</summary>
    public async Task<Readiness> GetReadinessAsync(CancellationToken ct)
    {
        using var answer = await SendAsync(HttpMethod.Get, "readyz", null, null, ct, takesUnready: true);
        var readiness = await ReadAsync(answer, ClientJson.Default.Readiness, ct);
        return readiness with
        {
            Checks = OrEmpty(readiness.Checks),
            IsReady = answer.StatusCode == HttpStatusCode.OK,
            ServerTime = answer.Headers.Date,
        };
    }

    /// <summary>Whether the server process is alive.</summary>
    public async Task CheckHealthAsync(CancellationToken ct)
    {
        using var answer = await SendAsync(HttpMethod.Get, "healthz", null, null, ct);
    }

    /// <summary>The jobs, page after page until all are read.</summary>
    /// <param name="state">Only those in this state; null for all.</param>
    /// <param name="kind">Only those of this kind, such as platform.maintain; null for all.</param>
    /// <param name="ct">Cancels.</param>
    public async IAsyncEnumerable<Job> ListJobsAsync(
        string? state,
        string? kind,
        [EnumeratorCancellation] CancellationToken ct
    )
    {
        string? cursor = null;
        do
        {
            var page = await GetAsync(
                "v1/jobs" + Query(("state", state), ("kind", kind), ("cursor", cursor)),
                ClientJson.Default.PageJob,
                ct
            );
            foreach (var job in OrEmpty(page.Items))
                yield return job;
            cursor = page.NextCursor;
        } while (cursor is not null);
    }

    /// <summary>A job, or null when there is none that the key may know of.</summary>
    public async Task<Job?> FindJobAsync(JobId id, CancellationToken ct) =>
        (await FindAsync($"v1/jobs/{id}", ClientJson.Default.Job, ct))?.Value;

    /// <summary>Asks for a garbage collection; it runs in the background. Sent once, because it is not idempotent.</summary>
    /// <param name="request">What may be removed.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<Collection> RequestCollectionAsync(CollectionRequest request, CancellationToken ct)
    {
        using var answer = await SendAsync(
            HttpMethod.Post,
            "v1/collections",
            null,
            JsonSerializer.SerializeToUtf8Bytes(request, ClientJson.Default.CollectionRequest),
            ct
        );
        return await ReadAsync(answer, ClientJson.Default.Collection, ct);
    }

    /// <summary>A garbage collection, or null when there is none with this id.</summary>
    public async Task<Collection?> FindCollectionAsync(Guid id, CancellationToken ct) =>
        (await FindAsync($"v1/collections/{id:D}", ClientJson.Default.Collection, ct))?.Value;

    /// <summary>Puts a dead job back into the queue. Sent once, because it is not idempotent.</summary>
    public async Task RetryJobAsync(JobId id, CancellationToken ct)
    {
        using var answer = await SendAsync(HttpMethod.Post, $"v1/jobs/{id}/retry", null, [], ct);
    }
}
