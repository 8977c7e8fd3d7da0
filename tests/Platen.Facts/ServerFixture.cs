using System.Net.Http.Headers;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Platen.Access;
using Platen.Platform.Postgres;
using Platen.Server;
using Platen.Testing;
using Platen.Widgets.Packages;

namespace Platen.Facts;

/// <summary>The facts that need a database or the server share one; the others hold without it.</summary>
[CollectionDefinition]
public sealed class ServerFacts : ICollectionFixture<ServerFixture>;

/// <summary>A migrated database, and the server over it from the first time that it is asked for.</summary>
public sealed class ServerFixture : IAsyncLifetime
{
    private readonly SemaphoreSlim one = new(1, 1);
    private RunningServer? server;

    public PostgresFixture Postgres { get; } = new();

    public ValueTask InitializeAsync() => Postgres.InitializeAsync();

    public async Task<RunningServer> ServerAsync(CancellationToken ct)
    {
        await one.WaitAsync(ct);
        try
        {
            return server ??= await RunningServer.StartAsync(Postgres, ct);
        }
        finally
        {
            one.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (server is not null)
            await server.DisposeAsync();
        await Postgres.DisposeAsync();
        one.Dispose();
    }
}

/// <summary>The whole server as the binary puts it together, on a port of its own.</summary>
public sealed class RunningServer : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly string ownerKey;

    private RunningServer(WebApplication app, string ownerKey)
    {
        this.app = app;
        this.ownerKey = ownerKey;
    }

    public IServiceProvider Services => app.Services;

    public static async Task<RunningServer> StartAsync(PostgresFixture postgres, CancellationToken ct)
    {
        var data = postgres.Folder;
        var keyFile = await OwnerKey.EnsureAsync(postgres.Pools, data, ct);
        var settings = new ServerSettings
        {
            DataFolder = data,
            Urls = "http://127.0.0.1:0",
            Profile = "standalone",
            Roles = ServerRoles.All,
            Blobs = "file:" + Path.Combine(data, "blobs"),
            WidgetsFolder = Path.Combine(Repository.Root, "widgets"),
            Samples = false,
            Postgres = new PostgresOptions { DataFolder = data },
        };
        var built = ServerHost.Build(settings, postgres.Runtime);
        built.Services.GetRequiredService<WidgetRegistry>().Reload();
        await built.StartAsync(ct);
        return new RunningServer(built, (await File.ReadAllTextAsync(keyFile, ct)).Trim());
    }

    /// <summary>Nobody in particular.</summary>
    public HttpClient Anonymous() => new() { BaseAddress = new Uri(app.Urls.First()) };

    /// <summary>With the owner's key.</summary>
    public HttpClient Owner()
    {
        var client = Anonymous();
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", ownerKey);
        return client;
    }

    public async ValueTask DisposeAsync()
    {
        await app.StopAsync();
        await app.DisposeAsync();
    }
}
