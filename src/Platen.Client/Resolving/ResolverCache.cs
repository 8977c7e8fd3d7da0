using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.Logging;
using Platen.Kernel;

namespace Platen.Client.Resolving;

/// <summary>
/// The cache folder, shared by any number of processes:
/// <code>
/// {template}/{version}/{kind}_{locale}        a file's bytes
/// {template}/{version}/{kind}_{locale}.meta   { digest, sizeBytes, fetchedAt }, for people and sweeps; never trusted
/// {template}/_pointers/{hash}.json            a line with the SHA-256 of the rest, then what the registry answered, and when
/// </code>
/// Everything is written beside its place and renamed into it, so a reader sees a whole file or none; and everything is hashed when
/// it is read, so a file that is not whole, or was changed, is dropped. A folder that cannot be written is read.
/// </summary>
internal sealed class ResolverCache(string folder, string scope, TimeProvider time, ILogger logger)
{
    /// <summary>What a crash left behind is removed after this.</summary>
    private static readonly TimeSpan TemporaryFor = TimeSpan.FromHours(1);

    private int cannotWrite;

    /// <summary>The bytes of a file that have the digest, or null.</summary>
    public async Task<byte[]?> ReadAsync(
        string template,
        string version,
        string name,
        Digest expected,
        CancellationToken ct
    )
    {
        var path = FilePath(template, version, name);
        if (await TryReadAsync(path, ct) is not { } bytes)
            return null;
        var actual = Digest.Of(bytes);
        if (actual == expected)
            return bytes;
        Log.WrongBytes(logger, path, actual.ToString(), expected.ToString());
        Remove(path);
        return null;
    }

    /// <summary>Keeps a file; what prevents it is told once and changes nothing else.</summary>
    public async Task WriteAsync(
        string template,
        string version,
        string name,
        Digest digest,
        byte[] bytes,
        CancellationToken ct
    )
    {
        var path = FilePath(template, version, name);
        if (!await TryWriteAsync(path, bytes, ct))
            return;
        var meta = new CachedFileMeta(digest, bytes.Length, time.GetUtcNow());
        await TryWriteAsync(
            path + ".meta",
            JsonSerializer.SerializeToUtf8Bytes(meta, ResolverJson.Default.CachedFileMeta),
            ct
        );
    }

    /// <summary>What the registry answered last to a question, or null.</summary>
    public async Task<CachedPointer?> ReadPointerAsync(PointerKey key, CancellationToken ct)
    {
        var path = PointerPath(key);
        if (await TryReadAsync(path, ct) is not { } bytes)
            return null;
        try
        {
            var line = bytes.AsSpan().IndexOf((byte)'\n');
            if (line != Digest.TextLength)
                throw new JsonException("Its first line is not a digest.");
            var body = bytes.AsMemory(line + 1);
            if (System.Text.Encoding.ASCII.GetString(bytes, 0, line) != Digest.Of(body.Span).ToString())
                throw new JsonException("Its bytes do not have the digest in its first line.");
            return JsonSerializer.Deserialize(body.Span, ResolverJson.Default.CachedPointer);
        }
        catch (JsonException e)
        {
            Log.BrokenEntry(logger, path, e.Message);
            Remove(path);
            return null;
        }
    }

    /// <summary>Removes an answer that is whole and still cannot be one.</summary>
    public void DropPointer(PointerKey key, string because)
    {
        var path = PointerPath(key);
        Log.BrokenEntry(logger, path, because);
        Remove(path);
    }

    public async Task WritePointerAsync(PointerKey key, CachedPointer pointer, CancellationToken ct)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(pointer, ResolverJson.Default.CachedPointer);
        byte[] bytes = [.. System.Text.Encoding.ASCII.GetBytes(Digest.Of(body) + "\n"), .. body];
        await TryWriteAsync(PointerPath(key), bytes, ct);
    }

    private string FilePath(string template, string version, string name) =>
        Path.Combine(folder, template, version, name);

    private string PointerPath(PointerKey key)
    {
        var question = $"{scope}\n{key.Version}\n{key.Environment}";
        var hash = Digest.Of(System.Text.Encoding.UTF8.GetBytes(question)).Hex[..32];
        return Path.Combine(folder, key.Template, "_pointers", hash + ".json");
    }

    private static async Task<byte[]?> TryReadAsync(string path, CancellationToken ct)
    {
        try
        {
            return await File.ReadAllBytesAsync(path, ct);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Not there, or not ours to read: the next source has it.
            return null;
        }
    }

    [SuppressMessage("Performance", "CA1849", Justification = "A rename is one call that does not wait.")]
    private async Task<bool> TryWriteAsync(string path, byte[] bytes, CancellationToken ct)
    {
        var parent = Path.GetDirectoryName(path)!;
        var temporary = Path.Combine(
            parent,
            string.Create(CultureInfo.InvariantCulture, $".{Environment.ProcessId}-{Guid.CreateVersion7():N}.tmp")
        );
        try
        {
            if (!Directory.Exists(parent))
                Directory.CreateDirectory(parent);
            else
                SweepTemporary(parent);
            await File.WriteAllBytesAsync(temporary, bytes, ct);
            File.Move(temporary, path, overwrite: true);
            cannotWrite = 0;
            return true;
        }
        // The third is .NET's name for a file that may not grow any more (EFBIG).
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException)
        {
            Remove(temporary);
            if (Interlocked.Exchange(ref cannotWrite, 1) == 0)
                Log.CacheNotWritable(logger, e.Message);
            return false;
        }
    }

    private void SweepTemporary(string parent)
    {
        var before = time.GetUtcNow().UtcDateTime - TemporaryFor;
        foreach (var left in Directory.EnumerateFiles(parent, ".*.tmp"))
        {
            if (File.GetLastWriteTimeUtc(left) < before)
                Remove(left);
        }
    }

    private static void Remove(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Read-only: it stays, and is refused again at the next reading.
        }
    }
}

/// <summary>A question to the registry: files and locales are chosen here, so many requests share an answer.</summary>
internal readonly record struct PointerKey(string Template, string? Version, string? Environment);

/// <summary>An answer as the cache keeps it.</summary>
/// <param name="FetchedAt">When the registry last confirmed it, by this machine's clock.</param>
/// <param name="Tag">Its entity tag.</param>
/// <param name="Resolution">The answer; null when the template was switched off.</param>
/// <param name="DisabledBecause">What the registry said of a template that is switched off.</param>
internal sealed record CachedPointer(
    DateTimeOffset FetchedAt,
    string? Tag,
    TemplateResolution? Resolution,
    string? DisabledBecause
);

internal sealed record CachedFileMeta(Digest Digest, long SizeBytes, DateTimeOffset FetchedAt);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull
)]
[JsonSerializable(typeof(CachedPointer))]
[JsonSerializable(typeof(CachedFileMeta))]
internal sealed partial class ResolverJson : JsonSerializerContext;
