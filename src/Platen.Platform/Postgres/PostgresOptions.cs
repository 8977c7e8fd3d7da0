using Microsoft.Extensions.Configuration;

namespace Platen.Platform.Postgres;

/// <summary>Which PostgreSQL to use and how. Immutable.</summary>
public sealed record PostgresOptions
{
    /// <summary>The server's data folder (<c>PLATEN_DATA</c>); the embedded database lives in <c>postgres</c> below it.</summary>
    public required string DataFolder { get; init; }

    /// <summary>
    /// An external PostgreSQL 15–18 (<c>ConnectionStrings__Platen</c>), or null for the embedded one. It may lead through a
    /// pooler in transaction mode; then <see cref="DirectConnectionString"/> is needed too.
    /// </summary>
    public string? ConnectionString { get; init; }

    /// <summary>
    /// The way to the server itself, for migrations and LISTEN (<c>ConnectionStrings__PlatenDirect</c>). Its login may have
    /// more rights than the application's. Null: as <see cref="ConnectionString"/>.
    /// </summary>
    public string? DirectConnectionString { get; init; }

    /// <summary>
    /// Delivery's own login, which can only select (<c>ConnectionStrings__PlatenEdge</c>). Null: as <see cref="ConnectionString"/>.
    /// </summary>
    public string? EdgeConnectionString { get; init; }

    /// <summary>
    /// Delivery's way to the server itself, for LISTEN (<c>ConnectionStrings__PlatenEdgeDirect</c>). Null: as
    /// <see cref="EdgeConnectionString"/>, or as <see cref="DirectConnectionString"/> when there is none.
    /// </summary>
    public string? EdgeDirectConnectionString { get; init; }

    /// <summary>A PostgreSQL 18 for embedded use: a folder with <c>bin/</c> (<c>PLATEN_POSTGRES</c>). Null: the one that was built or published with the server.</summary>
    public string? BinariesFolder { get; init; }

    /// <summary>Where this server answers, written into the lock file so that a second start can name it.</summary>
    public string? Url { get; init; }

    /// <summary>Connections for requests and background work at most. Default 40: the embedded server allows 100 in all.</summary>
    public int AppConnections { get; init; } = 40;

    /// <summary>Connections for delivery at most. Default 20.</summary>
    public int EdgeConnections { get; init; } = 20;

    /// <summary>
    /// Whether the embedded database waits for the disk at commit (default). Off loses the last commits, and maybe the
    /// database, when the machine stops: for tests only.
    /// </summary>
    public bool Durable { get; init; } = true;

    /// <summary>How long a fast stop may take before the embedded database is stopped at once. Default 10 s.</summary>
    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long the embedded database may take to be ready, crash recovery included. Default 5 min.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Reads the settings named above; <paramref name="dataFolder"/> is what <c>PLATEN_DATA</c> came to.</summary>
    public static PostgresOptions From(IConfiguration configuration, string dataFolder) =>
        new()
        {
            DataFolder = dataFolder,
            ConnectionString = Given(configuration.GetConnectionString("Platen")),
            DirectConnectionString = Given(configuration.GetConnectionString("PlatenDirect")),
            EdgeConnectionString = Given(configuration.GetConnectionString("PlatenEdge")),
            EdgeDirectConnectionString = Given(configuration.GetConnectionString("PlatenEdgeDirect")),
            BinariesFolder = Given(configuration["PLATEN_POSTGRES"]),
            Url = Given(configuration["PLATEN_URLS"]),
        };

    private static string? Given(string? value) => string.IsNullOrWhiteSpace(value) ? null : value;
}
