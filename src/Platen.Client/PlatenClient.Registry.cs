using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Platen.Kernel;

namespace Platen.Client;

/// <summary>What a push did.</summary>
/// <param name="Blobs">Blobs that travelled.</param>
/// <param name="Bytes">Their bytes.</param>
public readonly record struct PushCount(int Blobs, long Bytes)
{
    public static PushCount operator +(PushCount one, PushCount other) =>
        new(one.Blobs + other.Blobs, one.Bytes + other.Bytes);
}

public sealed partial class PlatenClient
{
    /// <summary>Blobs below this travel in one request; larger ones in chunks of it, which continue where a connection broke.</summary>
    private const int ChunkBytes = 1024 * 1024;

    /// <summary>Blobs up to this are sent without asking whether they are there: to ask costs as much.</summary>
    private const int UnaskedBytes = 16 * 1024;

    /// <summary>How long a push waits at most when the server says that it was asked too often, or that an upload is still held.</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(60);

    /// <summary>How long a chunk may take, whatever a whole call may: it goes on where it was cut.</summary>
    private static readonly TimeSpan ChunkTime = TimeSpan.FromSeconds(60);

    private const string ManifestType = "application/vnd.oci.image.manifest.v1+json";

    /// <summary>
    /// Pushes an artifact with what OCI Distribution 1.1 has for it: only the blobs that the repository lacks travel, the manifest
    /// last. Repeating it is safe, and takes up what an interrupted push left.
    /// </summary>
    /// <param name="artifact">With all its blobs.</param>
    /// <param name="tag">What the manifest is pushed as; null for its digest, so that no tag moves.</param>
    /// <param name="known">Blobs that the repository should have; all are sent when it does not.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<PushCount> PushAsync(
        TextArtifact artifact,
        string? tag,
        IReadOnlySet<Digest> known,
        CancellationToken ct
    )
    {
        ArgumentNullException.ThrowIfNull(artifact);
        ArgumentNullException.ThrowIfNull(known);
        var count = default(PushCount);
        foreach (var file in artifact.Files.DistinctBy(f => f.Digest))
        {
            if (known.Contains(file.Digest))
                continue;
            var bytes = Encoding.UTF8.GetBytes(file.Text);
            if (bytes.Length > UnaskedBytes && await HasBlobAsync(artifact.Repository, file.Digest, ct))
                continue;
            await PushBlobAsync(artifact.Repository, file.Digest, bytes, ct);
            count += new PushCount(1, bytes.Length);
        }
        try
        {
            await PushManifestAsync(artifact, tag, ct);
        }
        catch (PlatenProblemException e) when (e.Slug == "registry-manifest-blob-unknown" && known.Count > 0)
        {
            // What was known to be there has been collected since: all of it travels.
            return count + await PushAsync(artifact, tag, new HashSet<Digest>(), ct);
        }
        return count;
    }

    private async Task PushManifestAsync(TextArtifact artifact, string? tag, CancellationToken ct)
    {
        using var answer = await RetryAsync(
            () =>
                NewUpload(
                    HttpMethod.Put,
                    $"v2/{artifact.Repository}/manifests/{tag ?? artifact.Digest.ToString()}",
                    Encoding.UTF8.GetBytes(artifact.Manifest),
                    ManifestType
                ),
            ct
        );
    }

    /// <summary>Whether the repository has the blob.</summary>
    public async Task<bool> HasBlobAsync(string repository, Digest digest, CancellationToken ct)
    {
        using var answer = await RetryAsync(
            () => NewRequest(HttpMethod.Head, $"v2/{repository}/blobs/{digest}"),
            ct,
            takesMissing: true
        );
        return answer.StatusCode != HttpStatusCode.NotFound;
    }

    /// <summary>
    /// Pushes a blob; a large one in chunks, continuing where the server has it to when a connection breaks, an answer does not come in
    /// time, or the server still waits for what was cut.
    /// </summary>
    public async Task PushBlobAsync(string repository, Digest digest, ReadOnlyMemory<byte> bytes, CancellationToken ct)
    {
        var uploads = $"v2/{repository}/blobs/uploads/";
        if (bytes.Length <= ChunkBytes)
        {
            using var whole = await RetryAsync(
                () => NewUpload(HttpMethod.Post, uploads + Query(("digest", digest.ToString())), bytes),
                ct
            );
            return;
        }
        using var begun = await RetryAsync(() => NewUpload(HttpMethod.Post, uploads, default), ct);
        var location = LocationOf(begun);
        for (long offset = 0; offset < bytes.Length; )
        {
            var chunk = bytes.Slice((int)offset, (int)Math.Min(ChunkBytes, bytes.Length - offset));
            using var taken = await AppendAsync(location, offset, chunk, ct);
            location = LocationOf(taken);
            offset = OffsetOf(taken);
        }
        await CompleteAsync(repository, location, digest, ct);
    }

    /// <summary>Sends a chunk; when that is cut it asks how far the server is, and goes on from there.</summary>
    private async Task<HttpResponseMessage> AppendAsync(
        string location,
        long offset,
        ReadOnlyMemory<byte> chunk,
        CancellationToken ct
    )
    {
        var patience = new UploadPatience(options);
        while (true)
        {
            try
            {
                var request = NewUpload(HttpMethod.Patch, location, chunk);
                request.Content!.Headers.ContentRange = null;
                request.Content.Headers.TryAddWithoutValidation(
                    "Content-Range",
                    string.Create(CultureInfo.InvariantCulture, $"{offset}-{offset + chunk.Length - 1}")
                );
                return await SendUploadAsync(request, ct, within: ChunkTime);
            }
            catch (Exception e) when (patience.Lasts(e))
            {
                await PauseAsync(patience.Failures, (e as PlatenProblemException)?.RetryAfter, ct);
                var now = await RetryAsync(() => NewRequest(HttpMethod.Get, location), ct);
                if (OffsetOf(now) != offset)
                    return now;
                now.Dispose();
            }
            catch (HttpRequestException e)
            {
                throw Unreachable(e);
            }
        }
    }

    /// <summary>Closes an upload. When the answer was lost, the blob may be there and the upload not any more.</summary>
    private async Task CompleteAsync(string repository, string location, Digest digest, CancellationToken ct)
    {
        var patience = new UploadPatience(options);
        var path = location + (location.Contains('?') ? "&" : "?") + "digest=" + digest;
        while (true)
        {
            try
            {
                using var done = await SendUploadAsync(NewUpload(HttpMethod.Put, path, default), ct);
                return;
            }
            catch (PlatenProblemException e) when (e.IsNotFound && patience.Failures > 0)
            {
                if (await HasBlobAsync(repository, digest, ct))
                    return;
                throw;
            }
            catch (Exception e) when (patience.Lasts(e))
            {
                await PauseAsync(patience.Failures, (e as PlatenProblemException)?.RetryAfter, ct);
            }
            catch (HttpRequestException e)
            {
                throw Unreachable(e);
            }
        }
    }

    /// <summary>
    /// How long one step of an upload is tried again: a number of attempts for what broke, was not answered in time, or was asked too
    /// often; and a while for an upload that a former request still holds, as its server has not noticed yet that nobody sends any more.
    /// </summary>
    private sealed class UploadPatience(PlatenClientOptions options)
    {
        private readonly long begun = options.Time.GetTimestamp();
        private int broken;

        /// <summary>How often it failed.</summary>
        public int Failures { get; private set; }

        public bool Lasts(Exception e)
        {
            var lasts = e switch
            {
                PlatenProblemException { Slug: "registry-upload-busy" or "registry-upload-range" } =>
                    options.Time.GetElapsedTime(begun) < LongestWait,
                PlatenProblemException refused => ++broken < options.Attempts && IsForLater(refused),
                PlatenUnreachableException { InnerException: OperationCanceledException } => ++broken
                    < options.Attempts,
                HttpRequestException cut => ++broken < options.Attempts && IsBroken(cut),
                _ => false,
            };
            if (lasts)
                Failures++;
            return lasts;
        }
    }

    private async Task<HttpResponseMessage> RetryAsync(
        Func<HttpRequestMessage> make,
        CancellationToken ct,
        bool takesMissing = false
    )
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await SendUploadAsync(make(), ct, takesMissing);
            }
            catch (HttpRequestException e) when (attempt < options.Attempts && IsBroken(e))
            {
                await PauseAsync(attempt, null, ct);
            }
            catch (HttpRequestException e)
            {
                throw Unreachable(e);
            }
            catch (PlatenProblemException e) when (attempt < options.Attempts && IsForLater(e))
            {
                await PauseAsync(attempt, e.RetryAfter, ct);
            }
        }
    }

    private static bool IsForLater(PlatenProblemException e) =>
        (IsPassing(e.Status) || e.Status == HttpStatusCode.TooManyRequests) && !(e.RetryAfter > LongestWait);

    private async Task<HttpResponseMessage> SendUploadAsync(
        HttpRequestMessage request,
        CancellationToken ct,
        bool takesMissing = false,
        TimeSpan? within = null
    )
    {
        using (request)
        {
            var patience = within < options.AttemptTimeout ? within.Value : options.AttemptTimeout;
            using var timeout = new CancellationTokenSource(patience, options.Time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, timeout.Token);
            try
            {
                var answer = await http.SendAsync(request, either.Token);
                if (answer.IsSuccessStatusCode || (takesMissing && answer.StatusCode == HttpStatusCode.NotFound))
                    return answer;
                using (answer)
                    throw await RegistryRefusalAsync(answer, either.Token);
            }
            catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
            {
                throw new PlatenUnreachableException(
                    Server,
                    $"no answer to {request.Method} {request.RequestUri?.AbsolutePath} in time.",
                    "Run the command again: it goes on where it was cut.",
                    e
                );
            }
        }
    }

    /// <summary>An OCI error carries Platen's problem in its detail.</summary>
    private async Task<PlatenException> RegistryRefusalAsync(HttpResponseMessage answer, CancellationToken ct)
    {
        try
        {
            await using var body = await answer.Content.ReadAsStreamAsync(ct);
            using var document = await JsonDocument.ParseAsync(body, cancellationToken: ct);
            if (
                document.RootElement.TryGetProperty("errors", out var errors)
                && errors is { ValueKind: JsonValueKind.Array }
                && errors.GetArrayLength() > 0
                && errors[0].TryGetProperty("detail", out var detail)
                && detail.ValueKind == JsonValueKind.Object
                && detail.Deserialize(ClientJson.Default.ProblemDocument) is { } problem
            )
            {
                return new PlatenProblemException(answer.StatusCode, problem, 1, RetryAfterOf(answer));
            }
        }
        catch (JsonException)
        {
            // Then the status alone is the refusal.
        }
        return await RefusalAsync(answer, 1, ct);
    }

    private HttpRequestMessage NewUpload(
        HttpMethod method,
        string path,
        ReadOnlyMemory<byte> bytes,
        string mediaType = "application/octet-stream"
    )
    {
        var request = NewRequest(method, path.TrimStart('/'));
        request.Content = new ReadOnlyMemoryContent(bytes);
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(mediaType);
        return request;
    }

    private static string LocationOf(HttpResponseMessage answer) =>
        answer.Headers.Location?.OriginalString
        ?? throw new PlatenAnswerException(
            "The server took an upload without saying where it goes on.",
            "Check that the address is a Platen server's."
        );

    // "Range: 0-N" names the last byte that is there; an upload without any says 0-0.
    private static long OffsetOf(HttpResponseMessage answer) =>
        answer.Headers.TryGetValues("Range", out var values)
        && values.FirstOrDefault() is { } range
        && long.TryParse(range[(range.IndexOf('-') + 1)..], CultureInfo.InvariantCulture, out var last)
            ? last == 0
                ? 0
                : last + 1
            : 0;
}
