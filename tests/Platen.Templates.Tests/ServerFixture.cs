using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Platen.Access;
using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Platform.Http;
using Platen.Platform.Http.RateLimits;
using Platen.Platform.Postgres;
using Platen.Platform.Webhooks;
using Platen.Server;
using Platen.Testing;

namespace Platen.Templates.Tests;

/// <summary>The whole server over a database of its own, with keys for as many owners and persons as a test wants.</summary>
public sealed class ServerFixture : IAsyncLifetime
{
    private readonly PostgresFixture postgres = new();
    private WebApplication? app;

    internal PostgresFixture Postgres => postgres;

    public Uri Address { get; private set; } = null!;

    /// <summary>The platform's owner key.</summary>
    public string OwnerKeyText { get; private set; } = "";

    /// <summary>The platform's owner.</summary>
    internal Person Owner { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        await postgres.InitializeAsync();
        var keyPath = await OwnerKey.EnsureAsync(postgres.Pools, postgres.Folder, CancellationToken.None);
        OwnerKeyText = (await File.ReadAllTextAsync(keyPath)).Trim();
        app = BuildNode();
        await app.StartAsync();
        Address = new Uri(app.Urls.Single());
        Owner = new Person(Address, OwnerKeyText);
    }

    /// <summary>A part of the server.</summary>
    internal T Service<T>()
        where T : notnull => app!.Services.GetRequiredService<T>();

    /// <summary>Another server over the same database and store, as a second node is; the caller stops it.</summary>
    /// <param name="limits">Its rate limits, as the setting writes them; null for the usual ones.</param>
    internal async Task<WebApplication> StartNodeAsync(string? limits = null)
    {
        var node = BuildNode(limits);
        await node.StartAsync();
        return node;
    }

    private WebApplication BuildNode(string? limits = null) =>
        ServerHost.Build(
            new ServerSettings
            {
                DataFolder = postgres.Folder,
                Urls = "http://127.0.0.1:0",
                Profile = "standalone",
                Roles = ServerRoles.All,
                Blobs = "file:" + Path.Combine(postgres.Folder, "blobs"),
                WidgetsFolder = Path.Combine(AppContext.BaseDirectory, "widgets"),
                Samples = false,
                Webhooks = new WebhookOptions { Networks = [System.Net.IPNetwork.Parse("127.0.0.0/8")] },
                Guards = new HttpGuards { Limits = RateLimitPolicies.Parse(limits) },
                Postgres = new PostgresOptions { DataFolder = postgres.Folder },
            },
            postgres.Runtime
        );

    public async ValueTask DisposeAsync()
    {
        Owner.Dispose();
        if (app is not null)
            await app.DisposeAsync();
        await postgres.DisposeAsync();
    }

    /// <summary>Somebody with a key of this owner that they made themself; null for a workspace that nobody has used.</summary>
    internal Task<Person> NewPersonAsync(OwnerId? owner = null, params string[] scopes) =>
        NewKeyAsync(owner ?? OwnerId.Of(WorkspaceId.New()), Guid.CreateVersion7(), scopes);

    /// <summary>A key that somebody made, or nobody knows who.</summary>
    internal async Task<Person> NewKeyAsync(OwnerId of, Guid? madeBy, params string[] scopes)
    {
        var key = MachineKey.Generate();
        await using var session = await postgres.Pools.OpenAsync(
            OperationContext.ForSystem(of, "test key"),
            CancellationToken.None
        );
        await session.ExecuteAsync(
            """
            insert into access.machine_key (owner, id, name, prefix, hash, scopes, created_by)
            values ($1, $2, $3, $4, $5, $6, $7)
            """,
            CancellationToken.None,
            Sql.Owner(of),
            Sql.Uuid(Guid.CreateVersion7()),
            Sql.Text("tester " + key.ShownPrefix),
            Sql.Text(key.ShownPrefix),
            Sql.Bytes(key.Hash),
            new NpgsqlParameter<string[]> { TypedValue = scopes.Length == 0 ? [Scopes.All] : scopes },
            new NpgsqlParameter
            {
                Value = madeBy is { } id ? id : DBNull.Value,
                NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Uuid,
            }
        );
        await session.CommitAsync(CancellationToken.None);
        return new Person(Address, key.Reveal()) { OwnerId = of };
    }

    /// <summary>A template's name that no other test has.</summary>
    /// <summary>Asks again and again, but not more often than a caller may, until it is so.</summary>
    public static Task UntilAsync(Func<Task<bool>> condition) =>
        Testing.Servers.ServerProcess.WaitUntilAsync(
            "what the test waits for",
            TimeSpan.FromSeconds(60),
            _ => condition(),
            TestContext.Current.CancellationToken
        );

    /// <summary>Makes versions of a template, and all moves of its channels, a hundred days older.</summary>
    /// <param name="admin">A superuser's connection.</param>
    /// <param name="name">Which template.</param>
    /// <param name="which">A condition on its versions.</param>
    /// <param name="ct">Cancels.</param>
    internal static async Task AgeAsync(NpgsqlConnection admin, TemplateName name, string which, CancellationToken ct)
    {
        await using var age = new NpgsqlCommand(
            "update templates.template_version set created_at = created_at - interval '100 days', updated_at = updated_at - interval '100 days' where template = $1 and "
                + which,
            admin
        );
        age.Parameters.Add(Sql.Text(name.Value));
        await age.ExecuteNonQueryAsync(ct);
        await using var moves = new NpgsqlCommand(
            "update platform.channel_move set at = at - interval '100 days' where subject = $1",
            admin
        );
        moves.Parameters.Add(Sql.Text(name.Subject));
        await moves.ExecuteNonQueryAsync(ct);
    }

    internal static TemplateName NewName() => TemplateName.Parse("t" + Guid.CreateVersion7().ToString("N"));
}

/// <summary>Somebody who calls the server with a key.</summary>
internal sealed class Person : IDisposable
{
    private readonly HttpClient http;

    public Person(Uri address, string key)
    {
        Key = key;
        http = new HttpClient { BaseAddress = address };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
    }

    public string Key { get; }

    public OwnerId OwnerId { get; init; } = OwnerId.Platform;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose() => http.Dispose();

    public async Task<Answer> SendAsync(
        HttpMethod method,
        string path,
        object? body = null,
        string? ifMatch = null,
        bool create = false,
        string? ifNoneMatch = null
    )
    {
        using var request = new HttpRequestMessage(method, path);
        request.Content = body switch
        {
            null => null,
            byte[] raw => new ByteArrayContent(raw),
            JsonNode node => new StringContent(node.ToJsonString(), Encoding.UTF8, "application/json"),
            _ => new StringContent(
                JsonSerializer.Serialize(body, JsonSerializerOptions.Web),
                Encoding.UTF8,
                "application/json"
            ),
        };
        if (ifMatch is not null)
            request.Headers.TryAddWithoutValidation("If-Match", ifMatch);
        if (create || ifNoneMatch is not null)
            request.Headers.TryAddWithoutValidation("If-None-Match", ifNoneMatch ?? "*");
        using var response = await http.SendAsync(request, Ct);
        var headers = response
            .Headers.Concat(response.Content.Headers)
            .ToDictionary(h => h.Key, h => string.Join(", ", h.Value), StringComparer.OrdinalIgnoreCase);
        return new Answer((int)response.StatusCode, headers, await response.Content.ReadAsByteArrayAsync(Ct));
    }

    public Task<Answer> GetAsync(string path, string? ifNoneMatch = null) =>
        SendAsync(HttpMethod.Get, path, ifNoneMatch: ifNoneMatch);

    public async Task<Answer> ResolveAsync(TemplateName name, string query = "") =>
        await GetAsync($"/v1/templates/{name}/resolve{query}");

    /// <summary>Uploads the texts and commits a version of them.</summary>
    public async Task<Answer> PushAsync(
        TemplateName name,
        string version,
        IEnumerable<(JsonObject Artifact, string Text)> files,
        string? status = null,
        string? ifMatch = null,
        JsonArray? includes = null
    )
    {
        var artifacts = new JsonArray();
        foreach (var (artifact, text) in files)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            var digest = Digest.Of(bytes);
            (await SendAsync(HttpMethod.Put, $"/v1/templates/{name}/blobs/{digest}", bytes)).Status.ShouldBeInRange(
                200,
                204
            );
            var one = artifact.DeepClone().AsObject();
            one["digest"] = digest.ToString();
            one["sizeBytes"] = bytes.Length;
            artifacts.Add(one);
        }
        var manifest = new JsonObject
        {
            ["template"] = name.Value,
            ["version"] = version,
            ["artifacts"] = artifacts,
        };
        if (includes is not null)
            manifest["includes"] = includes;
        var body = new JsonObject { ["manifest"] = manifest };
        if (status is not null)
            body["status"] = status;
        return await SendAsync(
            HttpMethod.Put,
            $"/v1/templates/{name}/versions/{version}",
            body,
            ifMatch,
            create: ifMatch is null
        );
    }

    /// <summary>A version of one prompt in one language.</summary>
    public Task<Answer> PushPromptAsync(
        TemplateName name,
        string version,
        string text,
        string? status = null,
        string? ifMatch = null
    ) => PushAsync(name, version, [(Prompt("master_prompt", "system.md"), text)], status, ifMatch);

    public static JsonObject Prompt(string kind, string path, string? locale = null, string? role = "system")
    {
        var artifact = new JsonObject { ["kind"] = kind, ["path"] = path };
        if (role is not null)
            artifact["role"] = role;
        if (locale is not null)
            artifact["locale"] = locale;
        return artifact;
    }
}

internal sealed record Answer(int Status, Dictionary<string, string> Headers, byte[] Bytes)
{
    public string Text => Encoding.UTF8.GetString(Bytes);

    public JsonNode Json => JsonNode.Parse(Text)!;

    public string? Tag => Headers.GetValueOrDefault("ETag");

    public string? Problem =>
        Headers.GetValueOrDefault("Content-Type") == "application/problem+json"
            ? Json["type"]!.GetValue<string>()["/problems/".Length..]
            : null;

    public string Member(string name) => Json[name]!.GetValue<string>();

    public string[] FaultPointers => [.. Json["faults"]!.AsArray().Select(f => f!["pointer"]!.GetValue<string>())];
}
