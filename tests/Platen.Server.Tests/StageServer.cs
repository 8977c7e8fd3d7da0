using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using NpgsqlTypes;
using Platen.Access;
using Platen.Kernel;
using Platen.Platform.Postgres;
using Platen.Testing;
using Platen.Widgets;

namespace Platen.Server.Tests;

/// <summary>A whole server of one profile, over a database of its own.</summary>
internal sealed class StageServer : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly TestDatabase database;
    private readonly PostgresRuntime runtime;

    private StageServer(WebApplication app, TestDatabase database, PostgresRuntime runtime, string key)
    {
        this.app = app;
        this.database = database;
        this.runtime = runtime;
        Publisher = Client(key);
    }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>With a key of the platform that may do everything.</summary>
    public HttpClient Publisher { get; }

    public Uri Address => new(app.Urls.Single());

    public IServiceProvider Services => app.Services;

    public PostgresPools Pools => runtime.Pools;

    public string ConnectionString => database.ConnectionString;

    /// <param name="widgets">The folder of its widget types; null for those that come with the server.</param>
    /// <param name="parts">Changes what it is put together from.</param>
    public static async Task<StageServer> StartAsync(
        PostgresFixture postgres,
        string profile,
        string? widgets = null,
        Action<IServiceCollection>? parts = null
    )
    {
        var made = await postgres.CreateDatabaseAsync(Ct);
        var running = await made.StartAsync(postgres.Modules, Ct);
        await Stage.BindDatabaseAsync(running.Pools, profile, Ct);
        var folder = PostgresFixture.NewFolder();
        var host = ServerHost.Build(
            new ServerSettings
            {
                DataFolder = folder,
                Urls = "http://127.0.0.1:0",
                Profile = profile,
                Roles = ServerRoles.All,
                Blobs = "file:" + Path.Combine(folder, "blobs"),
                WidgetsFolder = widgets ?? Path.Combine(AppContext.BaseDirectory, "widgets"),
                Samples = false,
                Postgres = made.Options,
            },
            running,
            parts
        );
        await host.StartAsync(Ct);
        return new StageServer(host, made, running, await KeyAsync(running.Pools, OwnerId.Platform, Scopes.All));
    }

    public HttpClient Client(string key)
    {
        var client = new HttpClient { BaseAddress = Address };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return client;
    }

    public Task<string> KeyAsync(OwnerId owner, params string[] scopes) => KeyAsync(runtime.Pools, owner, scopes);

    /// <summary>Saves a FAQ under a curated id.</summary>
    public async Task SaveAsync(string id, string heading, string? seen = null, string status = "published")
    {
        var body = UserInstanceTests.Faq(heading);
        body["status"] = status;
        var saved = await Publisher.SendAsync(HttpMethod.Put, "/v1/instances/" + id, body, seen, create: seen is null);
        saved.Status.ShouldBeInRange(200, 201, saved.Text);
    }

    /// <summary>Pushes a snapshot of another server as any OCI client does; returns its digest and version.</summary>
    public async Task<(string Digest, long Version)> PushAsync(StageServer from, string id)
    {
        var snapshot = await from.ArtifactAsync($"/v1/instances/{id}/snapshot");
        await PushArtifactAsync(snapshot, snapshot["digest"]!.GetValue<string>());
        return (snapshot["digest"]!.GetValue<string>(), snapshot["version"]!.GetValue<long>());
    }

    /// <summary>What this server has for another: a snapshot, or the package of a type.</summary>
    public async Task<JsonNode> ArtifactAsync(string path)
    {
        var answer = await Publisher.SendAsync(HttpMethod.Get, path);
        answer.Status.ShouldBe(200, answer.Text);
        return answer.Json;
    }

    /// <summary>Pushes the blobs of an artifact and then its manifest.</summary>
    public async Task PushArtifactAsync(JsonNode artifact, string reference)
    {
        var repository = artifact["repository"]!.GetValue<string>();
        foreach (var file in artifact["files"]!.AsArray())
        {
            var bytes = Encoding.UTF8.GetBytes(file!["text"]!.GetValue<string>());
            ("sha256:" + Convert.ToHexStringLower(SHA256.HashData(bytes))).ShouldBe(file["digest"]!.GetValue<string>());
            using var content = new ByteArrayContent(bytes);
            content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
            using var pushed = await Publisher.PostAsync(
                $"/v2/{repository}/blobs/uploads/?digest={file["digest"]}",
                content,
                Ct
            );
            ((int)pushed.StatusCode).ShouldBe(201, await pushed.Content.ReadAsStringAsync(Ct));
        }
        using var manifest = await PushManifestAsync(repository, reference, artifact["manifest"]!.GetValue<string>());
        ((int)manifest.StatusCode).ShouldBe(201, await manifest.Content.ReadAsStringAsync(Ct));
    }

    public async Task<HttpResponseMessage> PushManifestAsync(string repository, string reference, string text)
    {
        using var content = new StringContent(
            text,
            new MediaTypeHeaderValue("application/vnd.oci.image.manifest.v1+json")
        );
        return await Publisher.PutAsync($"/v2/{repository}/manifests/{reference}", content, Ct);
    }

    /// <summary>Publishes instances of another server to this one, in one cut-over.</summary>
    public async Task<Answer> PublishAsync(StageServer from, string[] ids, JsonObject? more = null) =>
        await CutOverAsync(Guid.CreateVersion7(), await OrderAsync(from, ids, more));

    /// <summary>Pushes instances of another server, and gives the cut-over that shows them.</summary>
    public async Task<JsonObject> OrderAsync(StageServer from, string[] ids, JsonObject? more = null)
    {
        var there = await StateAsync(ids);
        var items = new JsonArray();
        foreach (var id in ids)
        {
            var (digest, version) = await PushAsync(from, id);
            items.Add(
                new JsonObject
                {
                    ["publicId"] = id,
                    ["snapshot"] = digest,
                    ["seen"] = there.GetValueOrDefault(id)?["snapshot"]!.GetValue<string>(),
                    ["version"] = version,
                }
            );
        }
        var order = new JsonObject { ["items"] = items, ["stage"] = await from.StageIdAsync() };
        foreach (var (name, value) in more ?? [])
            order[name] = value?.DeepClone();
        return order;
    }

    public Task<Answer> CutOverAsync(Guid id, JsonObject order) =>
        Publisher.SendAsync(HttpMethod.Put, $"/v1/cutovers/{id}", order);

    public async Task<string> StageIdAsync() =>
        (await Publisher.SendAsync(HttpMethod.Get, "/v1/snapshots?limit=1")).Json["stage"]!.GetValue<string>();

    public async Task<Dictionary<string, JsonNode?>> StateAsync(params string[] ids)
    {
        var states = new Dictionary<string, JsonNode?>();
        // They travel in the address, which has a length.
        foreach (var some in ids.Chunk(25))
        {
            var page = await Publisher.SendAsync(HttpMethod.Get, "/v1/snapshots?ids=" + string.Join(',', some));
            foreach (var item in page.Json["items"]!.AsArray())
                states.Add(item!["publicId"]!.GetValue<string>(), item);
        }
        return states;
    }

    /// <summary>Waits until visitors get this text (null: nothing).</summary>
    public Task ShowsAsync(string id, string? text) =>
        Platen.Testing.Servers.ServerProcess.WaitUntilAsync(
            $"{id} shows {text ?? "nothing"}",
            TimeSpan.FromSeconds(60),
            async ct =>
            {
                using var answer = await Publisher.GetAsync("/e/" + id, ct);
                return text is null
                    ? !answer.IsSuccessStatusCode
                    : answer.IsSuccessStatusCode
                        && (await answer.Content.ReadAsStringAsync(ct)).Contains(text, StringComparison.Ordinal);
            },
            Ct
        );

    public async ValueTask DisposeAsync()
    {
        Publisher.Dispose();
        await app.DisposeAsync();
        await runtime.DisposeAsync();
        await database.DisposeAsync();
    }

    private static async Task<string> KeyAsync(PostgresPools pools, OwnerId owner, params string[] scopes)
    {
        var key = MachineKey.Generate();
        await using var session = await pools.OpenAsync(OperationContext.ForSystem(owner, "test"), Ct);
        await session.ExecuteAsync(
            "insert into access.machine_key (owner, id, name, prefix, hash, scopes) values ($1, $2, 'test', $3, $4, $5)",
            Ct,
            Sql.Owner(owner),
            Sql.Uuid(Guid.CreateVersion7()),
            Sql.Text(key.ShownPrefix),
            Sql.Bytes(key.Hash),
            new NpgsqlParameter { Value = scopes, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text }
        );
        await session.CommitAsync(Ct);
        return key.Reveal();
    }
}
