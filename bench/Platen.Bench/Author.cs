using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Platen.Testing.Servers;

namespace Platen.Bench;

/// <summary>Writes and publishes the sample FAQ over HTTP, as a publisher does.</summary>
internal sealed class Author(HttpClient http, string publicId) : IDisposable
{
    private readonly JsonNode sample = JsonNode.Parse(
        File.ReadAllText(Path.Combine(Build.Repository, "samples", "widgets", "wgt_main_content.faq.json"))
    )!;

    private string? tag;

    /// <summary>Makes the instance, with its German overlay when <paramref name="translated"/>.</summary>
    public async Task CreateAsync(bool translated, CancellationToken ct)
    {
        await SaveAsync("Questions", ct);
        if (!translated)
            return;
        foreach (var (locale, ops) in sample["locales"]!.AsObject())
        {
            var body = new JsonObject { ["ops"] = ops!.DeepClone() };
            await SendAsync($"/v1/instances/{publicId}/locales/{locale}", Bytes(body), null, ct);
        }
    }

    /// <summary>Saves the FAQ with another introduction: the change that is to be seen.</summary>
    public Task SaveAsync(string introduction, CancellationToken ct) => SaveAsync(Write(introduction), ct);

    /// <summary>Saves what was written.</summary>
    public async Task SaveAsync(byte[] body, CancellationToken ct) =>
        (tag, _) = await SendAsync($"/v1/instances/{publicId}", body, tag, ct);

    /// <summary>The FAQ with another introduction, for <see cref="SaveAsync(byte[], CancellationToken)"/>.</summary>
    public byte[] Write(string introduction)
    {
        var config = sample["config"]!.DeepClone();
        config["intro"] = introduction;
        return Bytes(new JsonObject { ["widgetType"] = "content.faq", ["config"] = config });
    }

    /// <summary>Publishes what was saved last, or goes back to a former release.</summary>
    /// <returns>The release that is live.</returns>
    public async Task<string> PublishAsync(CancellationToken ct, string? release = null)
    {
        var body = release is null ? new JsonObject() : new JsonObject { ["release"] = release };
        (tag, var answer) = await SendAsync($"/v1/instances/{publicId}/publication", Bytes(body), tag, ct);
        return JsonNode.Parse(answer)!["release"]!.GetValue<string>();
    }

    public void Dispose() => http.Dispose();

    private static byte[] Bytes(JsonNode body) => JsonSerializer.SerializeToUtf8Bytes(body);

    private async Task<(string? Tag, byte[] Answer)> SendAsync(
        string path,
        byte[] body,
        string? seen,
        CancellationToken ct
    )
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, path);
        request.Content = new ByteArrayContent(body);
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        request.Headers.TryAddWithoutValidation(seen is null ? "If-None-Match" : "If-Match", seen ?? "*");
        using var response = await http.SendAsync(request, ct);
        var answer = await response.Content.ReadAsByteArrayAsync(ct);
        if (!response.IsSuccessStatusCode)
        {
            throw new InvalidOperationException(
                $"PUT {path} answers {(int)response.StatusCode}: {Encoding.UTF8.GetString(answer)}"
            );
        }
        return (response.Headers.ETag?.ToString(), answer);
    }
}
