using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using NpgsqlTypes;
using Platen.Access;
using Platen.Access.People;
using Platen.Kernel;
using Platen.Platform.Http;
using Platen.Platform.Postgres;
using Platen.Platform.Webhooks;
using Platen.Testing;

namespace Platen.Server.Tests;

/// <summary>The whole server on a free port over the shared database, and a client that holds the owner's key.</summary>
public sealed class ServerFixture : IAsyncLifetime
{
    private readonly PostgresFixture postgres = new();
    private readonly AuditGuard audit = new();
    private readonly AnswerGuard answers = new();
    private readonly EndedRequests requests;
    private WebApplication? app;

    public ServerFixture()
    {
        requests = new EndedRequests(
            (context, endpoint) =>
            {
                audit.Note(context, endpoint);
                answers.Note(context, endpoint);
            }
        );
        requests.Start();
    }

    /// <summary>The database behind the server.</summary>
    internal PostgresFixture Postgres => postgres;

    /// <summary>Where the server answers.</summary>
    public Uri Address { get; private set; } = new("http://localhost");

    /// <summary>Everything that is mapped.</summary>
    internal IEnumerable<Endpoint> Endpoints =>
        app!.Services.GetServices<EndpointDataSource>().SelectMany(source => source.Endpoints);

    /// <summary>With the owner's key.</summary>
    public HttpClient Owner { get; private set; } = new();

    /// <summary>With no credential.</summary>
    public HttpClient Nobody { get; private set; } = new();

    public async ValueTask InitializeAsync()
    {
        await postgres.InitializeAsync();
        var keyPath = await OwnerKey.EnsureAsync(postgres.Pools, postgres.Folder, CancellationToken.None);
        app = await StartAsync();
        Address = new Uri(app.Urls.Single());
        Nobody = NewClient(Address);
        Owner = NewClient(Address);
        Owner.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue(
            "Bearer",
            (await File.ReadAllTextAsync(keyPath)).Trim()
        );
    }

    /// <summary>Another server over the same database, as another node is, with settings of its own about people.</summary>
    internal async Task<ServerNode> StartNodeAsync(PeopleSettings? people = null) =>
        new(await StartAsync(people: people));

    public async ValueTask DisposeAsync()
    {
        List<string> faults = [];
        List<string> untold = [];
        if (app is not null)
        {
            var document = JsonNode.Parse(await Nobody.GetStringAsync("/openapi/v1.json"))!;
            var endpoints = Endpoints.ToList();
            // Every request has ended, and said so, when this has.
            await app.StopAsync();
            await app.DisposeAsync();
            await using var admin = await postgres.OpenAdminAsync(CancellationToken.None);
            faults = await audit.FaultsAsync(admin, endpoints);
            untold = answers.Faults(document);
        }
        Owner.Dispose();
        Nobody.Dispose();
        requests.Dispose();
        await postgres.DisposeAsync();
        untold.ShouldBeEmpty("What endpoints answered, and what the API's description says that they answer, differ.");
        faults.ShouldBeEmpty("What endpoints say of the audit log, and what they left there, differ.");
    }

    /// <summary>Another node over the same database, with its own guards and settings about people; the caller disposes it.</summary>
    internal async Task<WebApplication> StartAsync(
        HttpGuards? guards = null,
        PeopleSettings? people = null,
        Func<IServiceProvider, IReadOnlyList<ReadinessPart>>? readiness = null,
        Action<IServiceCollection>? parts = null
    )
    {
        var node = ServerHost.Build(
            new ServerSettings
            {
                DataFolder = postgres.Folder,
                Urls = "http://127.0.0.1:0",
                Profile = "standalone",
                Roles = ServerRoles.All,
                Blobs = "file:" + Path.Combine(postgres.Folder, "blobs"),
                WidgetsFolder = Path.Combine(AppContext.BaseDirectory, "widgets"),
                Samples = false,
                Postgres = new PostgresOptions { DataFolder = postgres.Folder },
                Guards = guards ?? new HttpGuards(),
                People = people,
                Webhooks = new WebhookOptions
                {
                    Networks = [IPNetwork.Parse("127.0.0.0/8")],
                    Patience = TimeSpan.FromSeconds(2),
                    Waits = [TimeSpan.FromMilliseconds(10), TimeSpan.FromMilliseconds(10)],
                },
            },
            postgres.Runtime,
            services =>
            {
                if (readiness is not null)
                    services.AddReadiness(readiness);
                parts?.Invoke(services);
            }
        );
        await node.StartAsync();
        requests.Watch(new Uri(node.Urls.Single()).Port, node.Lifetime.ApplicationStopped);
        return node;
    }

    /// <summary>A client of a node, with a credential or without.</summary>
    internal static HttpClient ClientOf(WebApplication node, string? key = null)
    {
        var client = NewClient(new Uri(node.Urls.Single()));
        if (key is not null)
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return client;
    }

    /// <summary>The owner's key.</summary>
    internal string OwnerKeyText => Owner.DefaultRequestHeaders.Authorization!.Parameter!;

    /// <summary>A new key of an owner; the secret to send.</summary>
    internal async Task<string> CreateKeyAsync(OwnerId owner, params string[] scopes)
    {
        var key = MachineKey.Generate();
        await using var session = await postgres.Pools.OpenAsync(
            OperationContext.ForSystem(owner, "test"),
            CancellationToken.None
        );
        await session.ExecuteAsync(
            "insert into access.machine_key (owner, id, name, prefix, hash, scopes) values ($1, $2, 'test', $3, $4, $5)",
            CancellationToken.None,
            Sql.Owner(owner),
            Sql.Uuid(Guid.CreateVersion7()),
            Sql.Text(key.ShownPrefix),
            Sql.Bytes(key.Hash),
            new NpgsqlParameter { Value = scopes, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text }
        );
        await session.CommitAsync(CancellationToken.None);
        return key.Reveal();
    }

    /// <summary>Waits until visitors get the instance, or do not: they are told by events.</summary>
    internal Task IsServedAsync(string id, bool isServed) =>
        Platen.Testing.Servers.ServerProcess.WaitUntilAsync(
            $"{id} is {(isServed ? "" : "not ")}served",
            TimeSpan.FromSeconds(30),
            async ct =>
            {
                using var answer = await Nobody.GetAsync("/e/" + id, ct);
                return answer.IsSuccessStatusCode == isServed;
            },
            TestContext.Current.CancellationToken
        );

    private static HttpClient NewClient(Uri address) =>
        new(new SocketsHttpHandler { AutomaticDecompression = DecompressionMethods.None, AllowAutoRedirect = false })
        {
            BaseAddress = address,
        };
}

/// <summary>A further server; ends when disposed.</summary>
internal sealed class ServerNode(WebApplication app) : IAsyncDisposable
{
    public Uri Address { get; } = new(app.Urls.Single());

    public async ValueTask DisposeAsync()
    {
        await app.StopAsync();
        await app.DisposeAsync();
    }
}

internal static class Requests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>Sends JSON (or raw bytes) with a precondition and returns what came back.</summary>
    public static async Task<Answer> SendAsync(
        this HttpClient client,
        HttpMethod method,
        string path,
        object? body = null,
        string? ifMatch = null,
        bool create = false,
        (string Name, string Value)? header = null
    )
    {
        using var request = new HttpRequestMessage(method, path);
        if (header is var (name, value))
            request.Headers.TryAddWithoutValidation(name, value);
        request.Content = body switch
        {
            null => null,
            byte[] raw => new ByteArrayContent(raw),
            JsonNode node => new StringContent(node.ToJsonString()),
            _ => new StringContent(JsonSerializer.Serialize(body, JsonSerializerOptions.Web), Encoding.UTF8),
        };
        if (request.Content is not null)
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        if (ifMatch is not null)
            request.Headers.TryAddWithoutValidation("If-Match", ifMatch);
        if (create)
            request.Headers.TryAddWithoutValidation("If-None-Match", "*");
        using var response = await client.SendAsync(request, Ct);
        var text = await response.Content.ReadAsStringAsync(Ct);
        return new Answer(
            (int)response.StatusCode,
            response.Headers.ETag?.ToString(),
            response.Content.Headers.ContentType?.MediaType,
            text
        );
    }
}

internal sealed record Answer(int Status, string? Tag, string? MediaType, string Text)
{
    /// <summary>How long to wait, when the answer says.</summary>
    public TimeSpan? RetryAfter { get; init; }

    public JsonNode Json => JsonNode.Parse(Text)!;

    /// <summary>The slug of a problem's type.</summary>
    public string? Problem =>
        MediaType == "application/problem+json" ? Json["type"]!.GetValue<string>()["/problems/".Length..] : null;

    public string[] FaultPointers => [.. Json["faults"]!.AsArray().Select(f => f!["pointer"]!.GetValue<string>())];
}
