using Npgsql;

namespace Platen.Platform.Postgres;

/// <summary>
/// Statements of a session that go to the server together, in one round trip for many, each with what looks at its rows: for facts that
/// are many of a kind, of which none needs the answer to another. When one fails or its rows are refused, the transaction is only good for
/// rolling back. Not thread-safe.
/// </summary>
/// <param name="session">The transaction. Other statements of it run between two of <see cref="SendAsync"/>, not between two of
/// <see cref="Add{T}"/>.</param>
public sealed class Pipeline(Session session)
{
    private readonly List<NpgsqlBatchCommand> waiting = [];

    // One for each statement that returns rows: the reader passes over the others.
    private readonly List<Func<NpgsqlDataReader, CancellationToken, Task>> settling = [];

    /// <summary>The transaction.</summary>
    public Session Session { get; } = session;

    /// <summary>How many statements wait to be sent.</summary>
    public int Count => waiting.Count;

    /// <summary>Adds a statement that returns rows, or none of them, behind those that wait.</summary>
    /// <param name="query">The statement.</param>
    /// <param name="settle">Looks at its rows when they are there; what it throws, <see cref="SendAsync"/> throws.</param>
    public void Add<T>(Query<T> query, Action<List<T>> settle)
    {
        waiting.Add(Session.Statement(query.Text, query.Parameters));
        settling.Add(async (reader, ct) => settle(await query.RowsAsync(reader, ct)));
    }

    /// <summary>Adds a statement that has no rows to return.</summary>
    /// <param name="sql">With positional parameters, <c>$1</c> onwards.</param>
    /// <param name="parameters">Its parameters.</param>
    public void Add(string sql, params ReadOnlySpan<NpgsqlParameter> parameters) =>
        waiting.Add(Session.Statement(sql, parameters));

    /// <summary>Sends what waits, in its order, and settles each statement in its turn.</summary>
    public async Task SendAsync(CancellationToken ct)
    {
        if (waiting.Count == 0)
            return;
        await Session.SendAsync(waiting, SettleAsync, ct);
        waiting.Clear();
        settling.Clear();
    }

    private async Task<bool> SettleAsync(NpgsqlDataReader reader, CancellationToken ct)
    {
        foreach (var (index, settle) in settling.Index())
        {
            if (index > 0)
                await reader.NextResultAsync(ct);
            await settle(reader, ct);
        }
        return true;
    }
}
