using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using Platen.Kernel;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Bench;

/// <summary>
/// An artifact of one layer of 1 GiB into the registry and out of it, beside docker-registry over files, both through the same
/// client and with the requests that skopeo and docker make: POST, one streaming PATCH, PUT; and once as a single PUT. Each push is of
/// bytes that the server has not seen.
/// </summary>
internal static class RegistryBench
{
    private const long Size = 1L * 1024 * 1024 * 1024;
    private const int RoundCount = 3;

    public static async Task RunAsync(CancellationToken ct)
    {
        var folder = PostgresFixture.NewFolder();
        try
        {
            await AptPackages.EnsureAsync("docker-registry", ct, "docker-registry");
            await using var server = await PlatenServer.StartAsync(
                Path.Combine(folder, "platen"),
                ct,
                ("PLATEN_SAMPLES", "off")
            );
            var port = ServerProcess.FreePort();
            await using var docker = await StartDockerRegistryAsync(folder, port, ct);
            using var platen = new Registry(server.Address, server.OwnerKey, Path.Combine(folder, "platen", "blobs"));
            using var reference = new Registry(
                new Uri($"http://127.0.0.1:{port}"),
                null,
                Path.Combine(folder, "docker")
            );
            await CompareAsync("push 1 GiB: POST, PATCH, PUT", platen, reference, r => r.PushAsync(false, ct));
            await CompareAsync("push 1 GiB: POST, PUT", platen, reference, r => r.PushAsync(true, ct));
            await CompareAsync("pull 1 GiB", platen, reference, r => r.PullAsync(ct));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task CompareAsync(string name, Registry a, Registry b, Func<Registry, Task<double>> time)
    {
        var ratios = new List<double>();
        var (ours, theirs) = (new List<double>(), new List<double>());
        for (var i = 0; i < RoundCount; i++)
        {
            var a1 = await time(a);
            var b1 = await time(b);
            var b2 = await time(b);
            var a2 = await time(a);
            ours.AddRange([a1, a2]);
            theirs.AddRange([b1, b2]);
            ratios.Add((a1 + a2) / (b1 + b2));
        }
        Rounds.Report(
            name,
            string.Create(CultureInfo.InvariantCulture, $"{Rounds.Median(ratios):F2} x docker-registry"),
            string.Create(
                CultureInfo.InvariantCulture,
                $"<= 1.5   ({Rounds.Median(ours):F2} s, docker-registry {Rounds.Median(theirs):F2} s)"
            )
        );
    }

    private static async Task<ServerProcess> StartDockerRegistryAsync(string folder, int port, CancellationToken ct)
    {
        var config = Path.Combine(folder, "docker.yml");
        await File.WriteAllTextAsync(
            config,
            $"""
            version: 0.1
            log: {"{ level: error }"}
            storage:
              filesystem: {"{"} rootdirectory: {Path.Combine(folder, "docker")} {"}"}
              delete: {"{ enabled: true }"}
            http: {"{"} addr: "127.0.0.1:{port}" {"}"}
            """,
            ct
        );
        var server = ServerProcess.Start("docker-registry", ["serve", config], Path.Combine(folder, "docker.log"));
        using var http = new HttpClient();
        await ServerProcess.WaitUntilAsync(
            "docker-registry",
            TimeSpan.FromSeconds(30),
            async token =>
            {
                try
                {
                    using var answer = await http.GetAsync(new Uri($"http://127.0.0.1:{port}/v2/"), token);
                    return answer.IsSuccessStatusCode;
                }
                catch (HttpRequestException)
                {
                    return false;
                }
            },
            ct
        );
        return server;
    }

    private sealed class Registry : IDisposable
    {
        private readonly HttpClient http = new() { Timeout = TimeSpan.FromMinutes(10) };
        private readonly string bytesFolder;
        private string? last;

        public Registry(Uri address, string? key, string bytesFolder)
        {
            this.bytesFolder = bytesFolder;
            http.BaseAddress = address;
            if (key is not null)
                http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        }

        /// <summary>Seconds from the first request to the tagged manifest.</summary>
        public async Task<double> PushAsync(bool whole, CancellationToken ct)
        {
            Forget();
            var salt = RandomNumberGenerator.GetBytes(16);
            var digest = PatternContent.DigestOf(salt);
            using (var config = new ByteArrayContent("{}"u8.ToArray()))
                await UploadAsync(config, Digest.Of("{}"u8), whole: true, ct);
            var started = Stopwatch.GetTimestamp();
            using (var content = new PatternContent(salt))
                await UploadAsync(content, digest, whole, ct);
            var manifest = Encoding.UTF8.GetBytes(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $$"""
                    {"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
                     "config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{{Digest.Of(
                        "{}"u8
                    )}}","size":2},
                     "layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{{digest}}","size":{{Size}}}]}
                    """
                )
            );
            using var body = new ByteArrayContent(manifest);
            body.Headers.ContentType = new("application/vnd.oci.image.manifest.v1+json");
            using var put = await http.PutAsync("/v2/bench/artifact/manifests/v1", body, ct);
            put.EnsureSuccessStatusCode();
            last = digest.ToString();
            return Stopwatch.GetElapsedTime(started).TotalSeconds;
        }

        /// <summary>Seconds for the bytes that were pushed last.</summary>
        public async Task<double> PullAsync(CancellationToken ct)
        {
            var started = Stopwatch.GetTimestamp();
            using var got = await http.GetAsync(
                $"/v2/bench/artifact/blobs/{last}",
                HttpCompletionOption.ResponseHeadersRead,
                ct
            );
            got.EnsureSuccessStatusCode();
            await using var stream = await got.Content.ReadAsStreamAsync(ct);
            var buffer = new byte[256 * 1024];
            var total = 0L;
            int read;
            while ((read = await stream.ReadAsync(buffer, ct)) > 0)
                total += read;
            return total == Size
                ? Stopwatch.GetElapsedTime(started).TotalSeconds
                : throw new InvalidOperationException($"{total} bytes came.");
        }

        public void Dispose() => http.Dispose();

        private async Task UploadAsync(HttpContent content, Digest digest, bool whole, CancellationToken ct)
        {
            using var begun = await http.PostAsync("/v2/bench/artifact/blobs/uploads/", null, ct);
            begun.EnsureSuccessStatusCode();
            var at = new Uri(http.BaseAddress!, begun.Headers.Location!);
            HttpContent? rest = content;
            if (!whole)
            {
                using var patched = await http.PatchAsync(at, content, ct);
                patched.EnsureSuccessStatusCode();
                at = new Uri(http.BaseAddress!, patched.Headers.Location!);
                rest = null;
            }
            var join = at.Query.Length > 0 ? "&" : "?";
            using var done = await http.PutAsync(new Uri($"{at}{join}digest={digest}"), rest, ct);
            if (done.StatusCode != HttpStatusCode.Created)
                throw new InvalidOperationException($"{done.StatusCode}: {await done.Content.ReadAsStringAsync(ct)}");
        }

        // So that the disk does not fill: the blob's bytes only, and not while anything is timed.
        private void Forget()
        {
            if (last is null)
                return;
            var hex = last["sha256:".Length..];
            foreach (
                var found in Directory
                    .EnumerateFileSystemEntries(bytesFolder, hex, SearchOption.AllDirectories)
                    .ToList()
            )
            {
                var bytes = File.Exists(found) ? found : Path.Combine(found, "data");
                if (File.Exists(bytes))
                    File.Delete(bytes);
            }
            last = null;
        }
    }

    /// <summary>1 GiB in blocks that differ by a salt and their number.</summary>
    private sealed class PatternContent(byte[] salt) : HttpContent
    {
        private const int Block = 1024 * 1024;
        private static readonly byte[] Noise = RandomNumberGenerator.GetBytes(Block);

        public static Digest DigestOf(byte[] salt)
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            foreach (var block in Blocks(salt))
                hash.AppendData(block);
            return new Digest(hash.GetHashAndReset());
        }

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            foreach (var block in Blocks(salt))
                await stream.WriteAsync(block);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = Size;
            return true;
        }

        private static IEnumerable<byte[]> Blocks(byte[] salt)
        {
            var block = (byte[])Noise.Clone();
            salt.CopyTo(block, 8);
            for (var i = 0L; i < Size / Block; i++)
            {
                BitConverter.TryWriteBytes(block, i);
                yield return block;
            }
        }
    }
}
