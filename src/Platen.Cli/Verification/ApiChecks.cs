using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Platen.Cli.Verification;

/// <summary>The API: who may ask from where, and what a write needs.</summary>
internal sealed class ApiChecks(Wire wire, Findings findings)
{
    private const string Instances = "/v1/curated-instances";
    private const string Foreign = "https://platen-verify.example";

    /// <summary>A disallowed origin: 403; an allowed one: an answer that its pages may read; none: an answer.</summary>
    public async Task CorsAsync(string? allowed, CancellationToken ct)
    {
        (string, string)[] key = wire.Key is null ? [] : [wire.WithKey];
        var expected = wire.Key is null ? 401 : 200;
        var none = await wire.GetAsync(Instances, ct, key);
        if (none.Status == 404)
        {
            findings.Skip("origins", "this process does not have the API");
            return;
        }
        findings.RequireStatus("a request without Origin is answered", none, expected);
        var foreign = await wire.GetAsync(Instances, ct, [.. key, ("Origin", Foreign)]);
        findings.Require(
            "a page of another origin is refused",
            foreign.Status == 403 && !foreign.Has("Access-Control-Allow-Origin"),
            $"{foreign.Status}, Access-Control-Allow-Origin {foreign["Access-Control-Allow-Origin"]}"
        );
        findings.RequireStatus(
            "a page without an origin (null) is refused",
            await wire.GetAsync(Instances, ct, [.. key, ("Origin", "null")]),
            403
        );
        var own = await wire.GetAsync(Instances, ct, [.. key, ("Origin", wire.Origin)]);
        findings.RequireStatus("the server's own pages are answered", own, expected);
        findings.Require(
            "answers vary by Origin",
            own.List("Vary").Contains("Origin", StringComparer.OrdinalIgnoreCase),
            own["Vary"]
        );
        var preflight = await wire.SendAsync(
            HttpMethod.Options,
            Instances,
            null,
            ct,
            ("Origin", Foreign),
            ("Access-Control-Request-Method", "PUT")
        );
        findings.RequireStatus("its preflight is refused as well", preflight, 403);
        if (allowed is null)
        {
            findings.Skip("a page of an allowed origin is answered", "no origin was named: --origin");
            return;
        }
        var permitted = await wire.GetAsync(Instances, ct, [.. key, ("Origin", allowed)]);
        findings.Require(
            "a page of an allowed origin is answered",
            permitted.Status == expected && permitted["Access-Control-Allow-Origin"] == allowed,
            $"{permitted.Status}, Access-Control-Allow-Origin {permitted["Access-Control-Allow-Origin"]}"
        );
    }

    /// <summary>No key: 401; no version: 428; another version: 412. Whatever is sent is what is there already.</summary>
    public async Task GuardsAsync(IReadOnlyList<string> ids, CancellationToken ct)
    {
        var nobody = await wire.GetAsync(Instances, ct);
        if (nobody.Status == 404)
        {
            findings.Skip("guards", "this process does not have the API");
            return;
        }
        findings.Require(
            "without a key: 401 with a challenge",
            nobody.Status == 401
                && nobody.Has("WWW-Authenticate")
                && nobody["Cache-Control"].Contains("no-store", StringComparison.Ordinal),
            $"{nobody.Status}, WWW-Authenticate {nobody["WWW-Authenticate"]}, {nobody["Cache-Control"]}"
        );
        findings.Require(
            "its refusals are problems (RFC 9457)",
            nobody["Content-Type"].StartsWith("application/problem+json", StringComparison.Ordinal),
            nobody["Content-Type"]
        );
        findings.RequireStatus(
            "a made-up key: 401",
            await wire.GetAsync(Instances, ct, ("Authorization", "Bearer plk_platen_verify_made_up")),
            401
        );
        findings.Require(
            "what the API says is not sniffed, framed or run",
            nobody["X-Content-Type-Options"] == "nosniff"
                && nobody["Content-Security-Policy"].Contains("default-src 'none'", StringComparison.Ordinal)
                && nobody["Content-Security-Policy"].Contains("frame-ancestors 'none'", StringComparison.Ordinal),
            nobody["Content-Security-Policy"]
        );
        if (ids.Count == 0)
        {
            findings.Skip("writes need the version they saw", "there is no instance to try");
            return;
        }
        var address = "/v1/instances/" + ids[0];
        findings.RequireStatus("a write without a key: 401", await PutAsync(address, new JsonObject(), ct), 401);
        if (wire.Key is null)
        {
            findings.Skip("writes need the version they saw", "there is no key: --key or PLATEN_KEY");
            return;
        }
        var read = await wire.GetAsync(address, ct, wire.WithKey);
        if (!findings.RequireStatus("the key may read an instance", read, 200))
            return;
        var current = JsonNode.Parse(read.Decoded())!;
        var body = new JsonObject
        {
            ["widgetType"] = current["widgetType"]!.DeepClone(),
            ["config"] = current["config"]!.DeepClone(),
        };
        findings.RequireStatus("a write without If-Match: 428", await PutAsync(address, body, ct, wire.WithKey), 428);
        findings.RequireStatus(
            "a write with another version: 412",
            await PutAsync(address, body, ct, wire.WithKey, ("If-Match", "\"0\"")),
            412
        );
        var after = await wire.GetAsync(address, ct, wire.WithKey);
        findings.Require("nothing was written", after["ETag"] == read["ETag"], $"{read["ETag"]} → {after["ETag"]}");
    }

    private async Task<Answer> PutAsync(
        string path,
        JsonObject body,
        CancellationToken ct,
        params (string Name, string Value)[] fields
    )
    {
        using var content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(body));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        return await wire.SendAsync(HttpMethod.Put, path, content, ct, fields);
    }
}
