using System.Text.Json;

namespace Platen.Cli.Verification;

/// <summary>What caches and browsers rely on: validators, conditions, codings, ranges (RFC 9110, RFC 9111).</summary>
internal sealed class CachingChecks(Wire wire, Findings findings)
{
    public async Task RunAsync(string id, CancellationToken ct)
    {
        var path = "/e/" + id;
        var page = await wire.GetAsync(path, ct, ("Accept-Encoding", "br"));
        var tag = page["ETag"];
        findings.Require("a page has a strong ETag", tag.Length > 2 && tag.StartsWith('"') && tag.EndsWith('"'), tag);
        findings.Require("a page has Last-Modified", page.Date("Last-Modified") is not null, page["Last-Modified"]);
        findings.Require(
            "a page is revalidated and outlives the server",
            IsRevalidated(page) && page["Cache-Control"].Contains("stale-if-error=", StringComparison.Ordinal),
            page["Cache-Control"]
        );
        findings.Require(
            "Vary names the fields that choose",
            page.List("Vary").Contains("Accept-Encoding", StringComparer.OrdinalIgnoreCase),
            page["Vary"]
        );

        var head = await wire.SendAsync(HttpMethod.Head, path, null, ct, ("Accept-Encoding", "br"));
        findings.Require(
            "HEAD has the fields of GET and no body",
            head.Status == 200
                && head["ETag"] == tag
                && head["Content-Length"] == page["Content-Length"]
                && head.Body.Length == 0,
            $"{head.Status}, ETag {head["ETag"]}, Content-Length {head["Content-Length"]}"
        );
        await ConditionsAsync(path, tag, page["Last-Modified"], ct);
        await CodingsAsync(path, tag, ct);
        await RangesAsync(id, ct);

        var put = await wire.SendAsync(HttpMethod.Put, path, null, ct);
        findings.Require(
            "a page is only read",
            put.Status == 405 && put.Has("Allow"),
            $"{put.Status}, Allow {put["Allow"]}"
        );
    }

    /// <summary>Whether every cache asks again each time, and may still answer with what it has while there is nobody to ask (RFC 9111
    /// section 4.2.4, RFC 5861 section 4).</summary>
    public static bool IsRevalidated(Answer answer)
    {
        var directives = answer.List("Cache-Control");
        return directives.Contains("max-age=0", StringComparer.OrdinalIgnoreCase)
            && !directives.Any(directive =>
                directive.StartsWith("s-maxage", StringComparison.OrdinalIgnoreCase)
                || directive.Contains("revalidate", StringComparison.OrdinalIgnoreCase)
                || directive.StartsWith("no-", StringComparison.OrdinalIgnoreCase)
            );
    }

    private async Task ConditionsAsync(string path, string tag, string date, CancellationToken ct)
    {
        async Task ExpectAsync(string name, int status, params (string, string)[] fields)
        {
            var answer = await wire.GetAsync(path, ct, [("Accept-Encoding", "br"), .. fields]);
            var isSo = answer.Status == status;
            if (status == 304)
                isSo &=
                    answer.Body.Length == 0
                    && answer["ETag"] == tag
                    && answer.Has("Vary")
                    && answer.Has("Cache-Control");
            findings.Require(
                name,
                isSo,
                $"{answer.Status}{(answer.Status == status ? "" : $", expected {status}")}, {answer.Body.Length} bytes"
            );
        }
        await ExpectAsync("If-None-Match with its tag: 304", 304, ("If-None-Match", tag));
        await ExpectAsync("the weak form of its tag: 304", 304, ("If-None-Match", "W/" + tag));
        await ExpectAsync("its tag among others: 304", 304, ("If-None-Match", $"\"a\", {tag}, \"b\""));
        await ExpectAsync("another tag: 200", 200, ("If-None-Match", "\"another\""));
        await ExpectAsync("If-Match with another tag: 412", 412, ("If-Match", "\"another\""));
        if (date.Length == 0)
        {
            findings.Skip(
                "If-Modified-Since",
                "there is no Last-Modified: published within this second, or never dated"
            );
            return;
        }
        await ExpectAsync("If-Modified-Since with its date: 304", 304, ("If-Modified-Since", date));
        await ExpectAsync(
            "If-Modified-Since long ago: 200",
            200,
            ("If-Modified-Since", "Thu, 01 Jan 1970 00:00:01 GMT")
        );
        await ExpectAsync(
            "another tag counts more than its date: 200",
            200,
            ("If-None-Match", "\"another\""),
            ("If-Modified-Since", date)
        );
    }

    private async Task CodingsAsync(string path, string brotliTag, CancellationToken ct)
    {
        foreach (
            var (accept, coding) in ((string, string)[])
                [
                    ("gzip, deflate, br", "br"),
                    ("gzip;q=1.0, br;q=0.5", "gzip"),
                    ("br;q=0, gzip;q=0.1", "gzip"),
                    ("identity", ""),
                    ("deflate", ""),
                ]
        )
        {
            var answer = await wire.GetAsync(path, ct, ("Accept-Encoding", accept));
            findings.Require(
                $"Accept-Encoding: {accept}: {(coding.Length == 0 ? "identity" : coding)}",
                answer.Status == 200
                    && answer["Content-Encoding"] == coding
                    && (answer["ETag"] == brotliTag) == (coding == "br"),
                $"{answer.Status}, Content-Encoding {answer["Content-Encoding"]}, ETag {answer["ETag"]}"
            );
        }
        findings.RequireStatus(
            "every coding refused: 406",
            await wire.GetAsync(path, ct, ("Accept-Encoding", "identity;q=0, *;q=0")),
            406
        );
    }

    private async Task RangesAsync(string id, CancellationToken ct)
    {
        var manifest = await wire.GetAsync($"/w/{id}/manifest.json", ct);
        if (manifest.Status != 200)
        {
            findings.Skip("ranges", "there is no manifest");
            return;
        }
        using var document = JsonDocument.Parse(manifest.Decoded());
        var path = document
            .RootElement.GetProperty("locales")
            .EnumerateObject()
            .First()
            .Value.GetProperty("artifact")
            .GetString()!;
        var whole = await wire.GetAsync(path, ct, ("Accept-Encoding", "identity"));
        (string, string) identity = ("Accept-Encoding", "identity");
        var part = await wire.GetAsync(path, ct, identity, ("Range", "bytes=2-5"));
        findings.Require(
            "a range of an artifact: 206 with those bytes",
            part.Status == 206
                && part["Content-Range"] == $"bytes 2-5/{whole.Body.Length}"
                && whole.Body.AsSpan(2, 4).SequenceEqual(part.Body),
            $"{part.Status}, {part["Content-Range"]}"
        );
        var beyond = await wire.GetAsync(path, ct, identity, ("Range", "bytes=999999999-"));
        findings.Require(
            "a range beyond the end: 416",
            beyond.Status == 416 && beyond["Content-Range"] == $"bytes */{whole.Body.Length}",
            $"{beyond.Status}, {beyond["Content-Range"]}"
        );
        var changed = await wire.GetAsync(path, ct, identity, ("Range", "bytes=2-5"), ("If-Range", "\"another\""));
        findings.RequireStatus("a range of something else (If-Range): the whole", changed, 200);
    }
}
