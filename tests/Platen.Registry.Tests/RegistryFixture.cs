using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using NpgsqlTypes;
using Platen.Access;
using Platen.Kernel;
using Platen.Platform.Blobs;
using Platen.Platform.Postgres;
using Platen.Server;
using Platen.Testing;

namespace Platen.Registry.Tests;

/// <summary>The whole server on a free port over the shared database, and keys of owners of which each test makes its own.</summary>
public sealed class RegistryFixture : IAsyncLifetime
{
    private readonly PostgresFixture postgres = new();
    private WebApplication? app;

    internal PostgresFixture Postgres => postgres;

    internal Uri Address => new(Server.Urls.Single());

    internal IBlobStore Blobs => Server.Services.GetRequiredService<IBlobStore>();

    private WebApplication Server => app ?? throw new InvalidOperationException("The fixture has not started.");

    public async ValueTask InitializeAsync()
    {
        await postgres.InitializeAsync();
        await OwnerKey.EnsureAsync(postgres.Pools, postgres.Folder, CancellationToken.None);
        app = ServerHost.Build(Settings(postgres.Folder), postgres.Runtime);
        await app.StartAsync();
    }

    internal static ServerSettings Settings(string folder) =>
        new()
        {
            DataFolder = folder,
            Urls = "http://127.0.0.1:0",
            Profile = "standalone",
            Roles = ServerRoles.All,
            Blobs = "file:" + Path.Combine(folder, "blobs"),
            WidgetsFolder = Path.Combine(AppContext.BaseDirectory, "widgets"),
            Samples = false,
            Registry = RegistryOptions.Default with { MaxBlobBytes = 64 * 1024 * 1024 },
            Postgres = new PostgresOptions { DataFolder = folder },
        };

    /// <summary>A client with a key of a workspace that nobody has used.</summary>
    internal Task<RegistryClient> NewOwnerAsync(params string[] scopes) => ClientAsync(TestOwner.New().Id, scopes);

    /// <summary>A client with a new key of an owner: by default one that may pull and push.</summary>
    internal async Task<RegistryClient> ClientAsync(OwnerId owner, params string[] scopes)
    {
        var key = await CreateKeyAsync(
            postgres.Pools,
            owner,
            scopes.Length > 0 ? scopes : [Scopes.RegistryPull, Scopes.RegistryPush]
        );
        return new RegistryClient(Address, owner, key);
    }

    internal static async Task<string> CreateKeyAsync(PostgresPools pools, OwnerId owner, string[] scopes)
    {
        var key = MachineKey.Generate();
        await using var session = await pools.OpenAsync(OperationContext.ForSystem(owner, "test"), default);
        await session.ExecuteAsync(
            """
            insert into access.machine_key (owner, id, name, prefix, hash, scopes)
            values ($1, $2, 'a pusher', $3, $4, $5)
            """,
            default,
            Sql.Owner(owner),
            Sql.Uuid(Guid.CreateVersion7()),
            Sql.Text(key.ShownPrefix),
            Sql.Bytes(key.Hash),
            new NpgsqlParameter { Value = scopes, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text }
        );
        await session.CommitAsync(default);
        return key.Reveal();
    }

    public async ValueTask DisposeAsync()
    {
        if (app is not null)
            await app.DisposeAsync();
        await postgres.DisposeAsync();
    }
}
