using Npgsql;
using Platen.Kernel;

namespace Platen.Platform.Postgres;

/// <summary>
/// The connection pools of one process: one for requests and background work, one for public delivery, whose login can
/// only select. Thread-safe.
/// </summary>
public sealed class PostgresPools(NpgsqlDataSource app, NpgsqlDataSource edge) : IAsyncDisposable
{
    /// <summary>Begins a transaction for the owner of <paramref name="context"/>.</summary>
    /// <exception cref="NpgsqlException">The database does not answer, or refuses.</exception>
    public ValueTask<Session> OpenAsync(OperationContext context, CancellationToken ct) =>
        Session.OpenAsync(app, SessionRole.App, context, ct);

    /// <summary>Begins a transaction that sees the jobs, events and channels of every owner.</summary>
    public ValueTask<Session> OpenWorkerAsync(string reason, CancellationToken ct) =>
        Session.OpenAsync(app, SessionRole.Worker, OperationContext.ForSystem(OwnerId.Platform, reason), ct);

    /// <summary>Begins a transaction that can only select from the public views.</summary>
    public ValueTask<Session> OpenEdgeAsync(CancellationToken ct) =>
        Session.OpenAsync(edge, SessionRole.Edge, OperationContext.ForSystem(OwnerId.Platform, "delivery"), ct);

    /// <summary>A connection outside any transaction, for LISTEN. The caller keeps it open and disposes it.</summary>
    public ValueTask<NpgsqlConnection> ListenAsync(CancellationToken ct) => app.OpenConnectionAsync(ct);

    /// <summary>As <see cref="ListenAsync"/>, with the delivery login.</summary>
    public ValueTask<NpgsqlConnection> ListenEdgeAsync(CancellationToken ct) => edge.OpenConnectionAsync(ct);

    public async ValueTask DisposeAsync()
    {
        await app.DisposeAsync();
        await edge.DisposeAsync();
    }
}
