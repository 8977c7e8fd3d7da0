using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;

namespace Platen.Cli.Verification;

/// <summary>The embed loader: its size, and that what is pinned is what it says.</summary>
internal sealed class LoaderChecks(Wire wire, Findings findings)
{
    private const string Current = "/embed/v1/loader.js";
    private const int MostGzipBytes = 28_672;
    private const int AimBrotliBytes = 4_096;

    public async Task RunAsync(CancellationToken ct)
    {
        var plain = await wire.GetAsync(Current, ct, ("Accept-Encoding", "identity"));
        if (!findings.RequireStatus("it is there", plain, 200))
            return;
        var gzip = await wire.GetAsync(Current, ct, ("Accept-Encoding", "gzip"));
        var brotli = await wire.GetAsync(Current, ct, ("Accept-Encoding", "br"));
        var size = new Size(
            Current,
            plain.Body.Length,
            gzip.Body.Length,
            brotli.Body.Length,
            MostGzipBytes,
            AimBrotliBytes
        );
        findings.Add(size);
        findings.Require(
            string.Create(CultureInfo.InvariantCulture, $"at most {MostGzipBytes} bytes with gzip"),
            size.IsWithinLimit,
            string.Create(CultureInfo.InvariantCulture, $"{size.GzipBytes} bytes")
        );
        findings.Prefer(
            string.Create(CultureInfo.InvariantCulture, $"at most {AimBrotliBytes} bytes with brotli"),
            size.IsWithinAim,
            string.Create(CultureInfo.InvariantCulture, $"{size.BrotliBytes} bytes")
        );
        findings.Require("it sets no cookie", !plain.Has("Set-Cookie"), plain["Set-Cookie"]);
        findings.Require(
            "it is short-lived, and outlives the server",
            plain["Cache-Control"].Contains("max-age=", StringComparison.Ordinal)
                && plain["Cache-Control"].Contains("stale-if-error=", StringComparison.Ordinal)
                && !plain["Cache-Control"].Contains("immutable", StringComparison.Ordinal),
            plain["Cache-Control"]
        );
        findings.Require(
            "any page may load it",
            plain["Access-Control-Allow-Origin"] == "*",
            plain["Access-Control-Allow-Origin"]
        );
        var again = await wire.GetAsync(Current, ct, ("Accept-Encoding", "identity"), ("If-None-Match", plain["ETag"]));
        findings.Require(
            "If-None-Match with its tag: 304",
            again is { Status: 304, Body.Length: 0 },
            $"{again.Status}"
        );

        var manifest = await wire.GetAsync("/embed/v1/manifest.json", ct);
        if (!findings.RequireStatus("its manifest is there", manifest, 200))
            return;
        using var document = JsonDocument.Parse(manifest.Decoded());
        var loader = document.RootElement.GetProperty("loader");
        var pinned = await wire.GetAsync(
            loader.GetProperty("pinned").GetString()!,
            ct,
            ("Accept-Encoding", "identity")
        );
        var integrity = "sha384-" + Convert.ToBase64String(SHA384.HashData(pinned.Body));
        findings.Require(
            "the integrity value is that of the pinned one",
            pinned.Status == 200 && integrity == loader.GetProperty("integrity").GetString(),
            integrity
        );
        findings.Require(
            "the pinned one is for ever",
            pinned["Cache-Control"].Contains("immutable", StringComparison.Ordinal),
            pinned["Cache-Control"]
        );
    }
}
