using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Npgsql;
using Platen.Access.Keys;
using Platen.Kernel;

namespace Platen.Access;

/// <summary>
/// Callers whom this node knows without asking the database, for answers that are given before authentication. Thread-safe.
/// </summary>
public sealed class RememberedCallers : IDisposable
{
    private const string Bearer = "Bearer ";
    private const int AskedAtOnce = 4;

    // Whoever asks before authentication has an answer without it, and does not wait long for a better one.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private readonly SemaphoreSlim asking = new(AskedAtOnce);
    private readonly KeyVerifier keys;
    private readonly ILogger logger;
    private volatile bool isSilent;

    internal RememberedCallers(KeyVerifier keys, ILogger<RememberedCallers> logger)
    {
        this.keys = keys;
        this.logger = logger;
    }

    /// <summary>
    /// The caller whose machine key the request carries, when the key was verified within the last seconds and nothing of its owner's
    /// keys has changed since; null otherwise, for people and short-lived tokens too. A request with null goes on to authentication,
    /// which decides.
    /// </summary>
    /// <param name="context">The request.</param>
    public Caller? Find(HttpContext context)
    {
        var fields = context.Request.Headers.Authorization;
        return fields.Count == 1 && fields[0] is { } field && field.StartsWith(Bearer, StringComparison.Ordinal)
            ? keys.Remembered(field.AsSpan(Bearer.Length))
            : null;
    }

    /// <summary>
    /// Whose machine key the request carries, from memory or by a query that is waited for a second; null when there is none that holds, or
    /// nobody can tell by then.
    /// </summary>
    /// <param name="context">The request.</param>
    public async ValueTask<OwnerId?> OwnerOfAsync(HttpContext context)
    {
        if (Find(context) is { } known)
            return known.Owner;
        if (
            context.Request.Headers.Authorization is not [{ } field]
            || !field.StartsWith(Bearer, StringComparison.Ordinal)
            || !MachineKey.TryParse(field[Bearer.Length..], out var key)
        )
            return null;
        // Anybody can make up keys: the database is asked about few at a time, and the others see what everybody sees.
        if (!await asking.WaitAsync(TimeSpan.Zero, CancellationToken.None))
            return null;
        try
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
            limit.CancelAfter(Patience);
            var (caller, _) = await keys.VerifyAsync(key, limit.Token);
            isSilent = false;
            return caller?.Owner;
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            return null;
        }
        catch (Exception e) when (e is NpgsqlException or IOException or TimeoutException or OperationCanceledException)
        {
            // Once in an outage: a line for each would let anybody fill the log.
            if (!isSilent)
                Log.KeyHolderUnknown(logger, e);
            isSilent = true;
            return null;
        }
        finally
        {
            asking.Release();
        }
    }

    public void Dispose() => asking.Dispose();
}
