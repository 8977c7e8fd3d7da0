using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Platen.Kernel;

namespace Platen.Registry.Tests;

/// <summary>Speaks to the registry in plain HTTP: what a test sends is what it says.</summary>
internal sealed class RegistryClient(Uri address, OwnerId owner, string? key)
{
    public const string Image = "application/vnd.oci.image.manifest.v1+json";
    public const string Index = "application/vnd.oci.image.index.v1+json";

    private static readonly HttpClient Http = new(
        new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false }
    )
    {
        Timeout = TimeSpan.FromMinutes(5),
    };

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public OwnerId Owner => owner;

    public string Key => key ?? throw new InvalidOperationException("This client has no key.");

    public Uri Address => address;

    /// <summary>The same with another credential.</summary>
    public RegistryClient With(string? bearer) => new(address, owner, bearer);

    public async Task<Answer> SendAsync(
        string method,
        string path,
        byte[]? body = null,
        params (string Name, string Value)[] fields
    )
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(address, path));
        if (body is not null)
            request.Content = new ByteArrayContent(body);
        else if (method is "POST" or "PUT" or "PATCH")
            request.Content = new ByteArrayContent([]);
        if (key is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        foreach (var (name, value) in fields)
        {
            if (!request.Headers.TryAddWithoutValidation(name, value))
                request.Content!.Headers.TryAddWithoutValidation(name, value).ShouldBeTrue();
        }
        return await SendAsync(request);
    }

    public static async Task<Answer> SendAsync(HttpRequestMessage request)
    {
        using var response = await Http.SendAsync(request, Ct);
        var fields = response
            .Headers.Concat(response.Content.Headers)
            .ToDictionary(f => f.Key, f => string.Join(", ", f.Value), StringComparer.OrdinalIgnoreCase);
        return new Answer((int)response.StatusCode, fields, await response.Content.ReadAsByteArrayAsync(Ct));
    }

    public Task<Answer> GetAsync(string path, params (string, string)[] fields) => SendAsync("GET", path, null, fields);

    /// <summary>Pushes a blob in two requests and returns its digest.</summary>
    public async Task<Digest> PushBlobAsync(string name, byte[] bytes)
    {
        var digest = Digest.Of(bytes);
        var location = await BeginAsync(name);
        (await SendAsync("PUT", $"{location}?digest={digest}", bytes)).Status.ShouldBe(201);
        return digest;
    }

    /// <summary>Begins an upload and returns where it goes on.</summary>
    public async Task<string> BeginAsync(string name)
    {
        var begun = await SendAsync("POST", $"/v2/{name}/blobs/uploads/");
        begun.Status.ShouldBe(202);
        return begun["Location"]!;
    }

    public Task<Answer> PutManifestAsync(
        string name,
        string reference,
        byte[] manifest,
        string mediaType = Image,
        params (string, string)[] fields
    ) => SendAsync("PUT", $"/v2/{name}/manifests/{reference}", manifest, [("Content-Type", mediaType), .. fields]);

    /// <summary>Pushes an image of one layer and the empty config to a tag; returns the manifest.</summary>
    public async Task<byte[]> PushImageAsync(string name, string tag, string content)
    {
        var config = "{}"u8.ToArray();
        var layer = Encoding.UTF8.GetBytes(content);
        await PushBlobAsync(name, config);
        await PushBlobAsync(name, layer);
        var manifest = Manifests.Image(config, layer);
        var put = await PutManifestAsync(name, tag, manifest);
        put.Status.ShouldBe(201, put.Text);
        return manifest;
    }
}

internal sealed record Answer(int Status, IReadOnlyDictionary<string, string> Fields, byte[] Bytes)
{
    public string? this[string field] => Fields.GetValueOrDefault(field);

    public string Text => Encoding.UTF8.GetString(Bytes);

    public JsonNode Json => JsonNode.Parse(Bytes)!;

    /// <summary>Status and error code.</summary>
    public (int, string?) Refusal => (Status, Json["errors"]?[0]?["code"]?.GetValue<string>());
}

internal static class Manifests
{
    public static JsonObject Descriptor(byte[] bytes, string mediaType = "application/octet-stream") =>
        new()
        {
            ["mediaType"] = mediaType,
            ["digest"] = Digest.Of(bytes).ToString(),
            ["size"] = bytes.Length,
        };

    public static byte[] Image(byte[] config, params byte[][] layers) =>
        Bytes(
            new JsonObject
            {
                ["schemaVersion"] = 2,
                ["mediaType"] = RegistryClient.Image,
                ["config"] = Descriptor(config, "application/vnd.oci.image.config.v1+json"),
                ["layers"] = new JsonArray([
                    .. layers.Select(l => (JsonNode)Descriptor(l, "application/vnd.oci.image.layer.v1.tar")),
                ]),
            }
        );

    /// <summary>An artifact without layers of its own, about another manifest.</summary>
    public static byte[] About(byte[] subject, string artifactType, string note) =>
        Bytes(
            new JsonObject
            {
                ["schemaVersion"] = 2,
                ["mediaType"] = RegistryClient.Image,
                ["artifactType"] = artifactType,
                ["config"] = Descriptor("{}"u8.ToArray(), "application/vnd.oci.empty.v1+json"),
                ["layers"] = new JsonArray(Descriptor("{}"u8.ToArray(), "application/vnd.oci.empty.v1+json")),
                ["subject"] = Descriptor(subject, RegistryClient.Image),
                ["annotations"] = new JsonObject { ["note"] = note },
            }
        );

    public static byte[] Index(params byte[][] manifests) =>
        Bytes(
            new JsonObject
            {
                ["schemaVersion"] = 2,
                ["mediaType"] = RegistryClient.Index,
                ["manifests"] = new JsonArray([
                    .. manifests.Select(m => (JsonNode)Descriptor(m, RegistryClient.Image)),
                ]),
            }
        );

    public static byte[] Bytes(JsonNode node) => Encoding.UTF8.GetBytes(node.ToJsonString());
}
