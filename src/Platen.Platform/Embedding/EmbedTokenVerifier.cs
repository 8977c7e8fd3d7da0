using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Platen.Kernel;
using Platen.Platform.Events;
using Platen.Platform.Postgres;

namespace Platen.Platform.Embedding;

/// <summary>Where a node keeps what it verifies embed tokens with.</summary>
public sealed class EmbedTokenOptions
{
    /// <summary>A file of this process alone, for a start without the database; null for none.</summary>
    public string? File { get; set; }
}

/// <summary>
/// Looks at embed tokens without a query: from the public keys and the list of ended tokens in memory, which it reads with delivery's login
/// at start, hears of at commit, and reads anew after its connection was lost. What was read last stands while the database is away, also
/// across a restart. It cannot make a token. Thread-safe.
/// </summary>
public sealed class EmbedTokenVerifier : BackgroundService
{
    /// <summary>Tokens of one instance that can be ended singly within a day: more is all of them.</summary>
    public const int EndedSingly = 1_000;

    /// <summary>The stream on which the signer tells of its keys.</summary>
    public const string KeysStream = "access/signing-keys";

    private const string EndedPrefix = "embed-tokens/";
    private const int SignatureBytes = 64;
    private const int SignatureLetters = 86;
    private static readonly TimeSpan ReadEvery = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan MostBackoff = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan DiskPatience = TimeSpan.FromSeconds(1);

    private readonly PostgresPools pools;
    private readonly EmbedTokenOptions options;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly IDisposable? ear;
    private readonly SemaphoreSlim work = new(0, 1);
    private readonly SemaphoreSlim oneReader = new(1);
    private readonly Lock gate = new();
    private readonly ConcurrentDictionary<(OwnerId Owner, string PublicId), EmbedRevocation> revoked = new();

    // What is to be read; guarded by the gate.
    private readonly HashSet<(OwnerId Owner, string PublicId)> changed = [];
    private bool everything = true;
    private ImmutableArray<EmbedKey> keys = [];
    private byte[]? kept;

    // The writing of what was read; guarded by the gate.
    private Task keeping = Task.CompletedTask;
    private bool keepAgain;

    /// <param name="pools">The database.</param>
    /// <param name="options">Where it is kept.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Told of what could not be read.</param>
    /// <param name="listener">By whom it hears of changes; where there is none, whoever listens calls <see cref="Hear"/> and
    /// <see cref="ReadAgain"/>.</param>
    public EmbedTokenVerifier(
        PostgresPools pools,
        EmbedTokenOptions options,
        TimeProvider time,
        ILogger<EmbedTokenVerifier> logger,
        NotificationListener? listener = null
    )
    {
        this.pools = pools;
        this.options = options;
        this.time = time;
        this.logger = logger;
        ear = listener?.Add(EventLog.Channel, Hear, ReadAgain);
    }

    /// <summary>Looks whether a text is a token that opens an instance now.</summary>
    /// <param name="text">As it was presented.</param>
    /// <param name="owner">Whose the instance is.</param>
    /// <param name="publicId">The instance.</param>
    public EmbedTokenCheck Verify(string text, OwnerId owner, string publicId)
    {
        ArgumentNullException.ThrowIfNull(text);
        var known = keys;
        if (known is [])
            return EmbedTokenCheck.Unknown.Instance;
        var header = text.IndexOf('.', StringComparison.Ordinal) + 1;
        var end = text.LastIndexOf('.');
        if (text.Length > EmbedToken.MaxLength || header < 2 || end < header)
            return new EmbedTokenCheck.Refused("That is not a token.");
        var now = time.GetUtcNow();
        var key = known.FirstOrDefault(key => text.AsSpan(0, header).SequenceEqual(key.Header));
        if (key is null || key.VerifiesUntil <= now)
            return new EmbedTokenCheck.Refused(
                "The token was not signed here for an instance, or so long ago that its key is gone."
            );
        Span<byte> signature = stackalloc byte[SignatureBytes];
        var last = text.AsSpan(end + 1);
        if (
            last.Length != SignatureLetters
            || !Base64Url.IsValid(last)
            || !Base64Url.TryDecodeFromChars(last, signature, out _)
            // Several texts decode to the same bytes; one of them is ours.
            || !last.SequenceEqual(Base64Url.EncodeToString(signature))
            || !key.Verifies(Encoding.ASCII.GetBytes(text[..end]), signature)
            || !EmbedToken.TryRead(text.AsSpan(header, end - header), out var token)
        )
            return new EmbedTokenCheck.Refused("The token was changed, or is not whole.");
        if (token.Owner != owner || token.PublicId != publicId)
            return new EmbedTokenCheck.Refused("The token is for another instance.");
        if (now < token.IssuedAt - EmbedToken.Skew)
            return new EmbedTokenCheck.Refused(
                "The token is from the future: the clocks differ by more than five minutes."
            );
        if (revoked.TryGetValue((owner, publicId), out var revocation) && revocation.Ends(token))
            return new EmbedTokenCheck.Refused("The token was revoked.");
        if (now <= token.ExpiresAt + EmbedToken.Skew)
            return new EmbedTokenCheck.Valid(token);
        // What was revoked is remembered for as long, and no longer.
        return now <= token.IssuedAt + EmbedToken.MaxLife + EmbedToken.Skew
            ? new EmbedTokenCheck.Expired(token)
            : new EmbedTokenCheck.Refused(EmbedTokenCheck.Expired.Why);
    }

    /// <summary>The database's clock, by which tokens are made and ended.</summary>
    public static async Task<DateTimeOffset> NowAsync(Session session, CancellationToken ct) =>
        await session.FirstAsync("select clock_timestamp()", row => row.GetFieldValue<DateTimeOffset>(0), ct);

    /// <summary>
    /// Ends tokens of an instance of the session's owner, in its transaction; every node hears of it at commit. Doing it again changes nothing
    /// but the time.
    /// </summary>
    /// <param name="session">The transaction.</param>
    /// <param name="publicId">The instance.</param>
    /// <param name="token">The token's id; null for every token made so far.</param>
    /// <param name="ct">Cancels.</param>
    /// <returns>When; null when <see cref="EndedSingly"/> were ended singly within a day, so that only all can be.</returns>
    public static Task<DateTimeOffset?> RevokeAsync(
        Session session,
        PublicId publicId,
        Guid? token,
        CancellationToken ct
    ) =>
        session.FirstAsync(
            "select platform.revoke_embed_tokens($1, $2, $3)",
            row => row.IsDBNull(0) ? (DateTimeOffset?)null : row.GetFieldValue<DateTimeOffset>(0),
            ct,
            Sql.Text(publicId.ToString()),
            Sql.Uuid(token ?? Guid.Empty),
            Sql.Int(EndedSingly)
        );

    /// <summary>Takes note of what <see cref="RevokeAsync"/> committed: the node that did it does not wait to be told.</summary>
    /// <param name="owner">Whose the instance is.</param>
    /// <param name="publicId">The instance.</param>
    /// <param name="token">The token's id; null for every token made by then.</param>
    /// <param name="at">When.</param>
    public void Note(OwnerId owner, PublicId publicId, Guid? token, DateTimeOffset at) =>
        Merge([new EndedToken(owner, publicId.ToString(), token ?? Guid.Empty, at)]);

    /// <summary>Takes a notification of <c>platen_event</c>: <c>{owner} {revision} {stream}</c>. Waits for nothing.</summary>
    public void Hear(string payload)
    {
        ArgumentNullException.ThrowIfNull(payload);
        var stream = payload.LastIndexOf(' ') + 1;
        var name = payload.AsSpan(stream);
        if (name.SequenceEqual(KeysStream))
            ReadAgain();
        else if (
            name.StartsWith(EndedPrefix, StringComparison.Ordinal)
            && OwnerId.TryParse(payload[..payload.IndexOf(' ', StringComparison.Ordinal)], null, out var owner)
        )
        {
            lock (gate)
                changed.Add((owner, name[EndedPrefix.Length..].ToString()));
            Wake();
        }
    }

    /// <summary>Reads everything again: notifications may have been missed. Waits for nothing.</summary>
    public void ReadAgain()
    {
        lock (gate)
            everything = true;
        Wake();
    }

    /// <summary>As <see cref="ReadAgain"/>, and waits for it: what was committed before is known then.</summary>
    /// <exception cref="NpgsqlException">The database does not answer.</exception>
    public Task RefreshAsync(CancellationToken ct)
    {
        lock (gate)
            everything = true;
        return ReadAsync(ct);
    }

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await RestoreAsync(cancellationToken);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        // Who knows something from before does not wait long for a database that may be away.
        if (keys is not [])
            limit.CancelAfter(StartPatience);
        try
        {
            await ReadAsync(limit.Token);
        }
        catch (Exception e)
            when (e is NpgsqlException or IOException or TimeoutException
                || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested)
            )
        {
            Log.Unread(logger, e);
            Wake();
        }
        await base.StartAsync(cancellationToken);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        Task last;
        lock (gate)
            last = keeping;
        await last.WaitAsync(DiskPatience, time, cancellationToken)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public override void Dispose()
    {
        ear?.Dispose();
        work.Dispose();
        oneReader.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var backoff = new Backoff(MostBackoff);
        var isTold = false;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                // What nobody heard of, because nobody knew that the connection was gone, is found within this time.
                if (!await work.WaitAsync(ReadEvery, stoppingToken))
                    ReadAgain();
                await ReadAsync(stoppingToken);
                backoff.Reset();
                isTold = false;
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is NpgsqlException or IOException or TimeoutException)
            {
                if (!isTold)
                    Log.Unread(logger, e);
                isTold = true;
                await Task.Delay(backoff.Next(), time, stoppingToken)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                Wake();
            }
        }
    }

    private async Task ReadAsync(CancellationToken ct)
    {
        await oneReader.WaitAsync(ct);
        try
        {
            await ReadChangedAsync(ct);
        }
        finally
        {
            oneReader.Release();
        }
    }

    private async Task ReadChangedAsync(CancellationToken ct)
    {
        (OwnerId Owner, string PublicId)[] some;
        bool all;
        lock (gate)
        {
            (all, everything) = (everything, false);
            some = [.. changed];
            changed.Clear();
        }
        if (!all && some.Length == 0)
            return;
        var isRead = false;
        try
        {
            await using (var session = await pools.OpenEdgeAsync(ct))
            {
                if (all)
                    await ReadAllAsync(session, ct);
                else
                    Merge(await ReadEndedAsync(session, some, ct));
            }
            isRead = true;
        }
        finally
        {
            if (!isRead)
            {
                lock (gate)
                {
                    everything |= all;
                    changed.UnionWith(some);
                }
            }
        }
        Keep();
    }

    private async Task ReadAllAsync(Session session, CancellationToken ct)
    {
        var read = await session.ListAsync(
            "select id, public_key, verifies_until from platform.edge_embed_key order by id limit 100",
            row => new EmbedKey(
                row.GetString(0),
                row.GetFieldValue<byte[]>(1),
                row.IsDBNull(2) ? null : row.GetFieldValue<DateTimeOffset>(2)
            ),
            ct
        );
        var ended = await session.ListAsync(
            "select owner, public_id, token, revoked_at from platform.edge_embed_revocation",
            ReadEnded,
            ct
        );
        // Before the keys: what they are known to have signed is known to have ended.
        Merge(ended);
        Forget();
        keys = [.. read];
    }

    private static Task<List<EndedToken>> ReadEndedAsync(
        Session session,
        (OwnerId Owner, string PublicId)[] some,
        CancellationToken ct
    ) =>
        session.ListAsync(
            """
            select r.owner, r.public_id, r.token, r.revoked_at
            from unnest($1, $2) as s (owner, public_id)
            join platform.edge_embed_revocation r on r.owner = s.owner and r.public_id = s.public_id
            """,
            ReadEnded,
            ct,
            new NpgsqlParameter<Guid[]> { TypedValue = [.. some.Select(one => one.Owner.Value)] },
            new NpgsqlParameter<string[]> { TypedValue = [.. some.Select(one => one.PublicId)] }
        );

    private static EndedToken ReadEnded(NpgsqlDataReader row) =>
        new(new OwnerId(row.GetGuid(0)), row.GetString(1), row.GetGuid(2), row.GetFieldValue<DateTimeOffset>(3));

    // Nothing that has ended comes back: what is known is added to, and forgotten when no such token can live any more.
    private void Merge(IEnumerable<EndedToken> ended)
    {
        lock (gate)
        {
            foreach (var one in ended.GroupBy(row => (row.Owner, row.PublicId)))
            {
                var former = revoked.GetValueOrDefault(one.Key);
                var madeBy = one.Where(row => row.Token == Guid.Empty)
                    .Select(row => row.At)
                    .Append(former?.MadeBy ?? DateTimeOffset.UnixEpoch)
                    .Max();
                var singly = one.Where(row => row.Token != Guid.Empty)
                    .Select(row => KeyValuePair.Create(row.Token, row.At))
                    .Concat(former?.Singly ?? Enumerable.Empty<KeyValuePair<Guid, DateTimeOffset>>())
                    .GroupBy(ended => ended.Key)
                    .ToDictionary(ended => ended.Key, ended => ended.Max(each => each.Value));
                var lastAt = one.Select(row => row.At).Append(former?.LastAt ?? DateTimeOffset.UnixEpoch).Max();
                revoked[one.Key] = new EmbedRevocation(madeBy, singly, lastAt);
            }
        }
    }

    private void Forget()
    {
        var longAgo = time.GetUtcNow() - EmbedToken.MaxLife - (4 * EmbedToken.Skew);
        lock (gate)
        {
            foreach (var (key, revocation) in revoked)
            {
                if (revocation.LastAt < longAgo)
                    revoked.TryRemove(key, out _);
                else if (revocation.Singly.Values.Any(at => at < longAgo))
                    revoked[key] = revocation with { Singly = Since(revocation.Singly, longAgo) };
            }
        }
    }

    private static Dictionary<Guid, DateTimeOffset> Since(
        IReadOnlyDictionary<Guid, DateTimeOffset> ended,
        DateTimeOffset since
    ) => ended.Where(one => one.Value >= since).ToDictionary();

    // A disk that does not answer keeps no process from its start.
    private async Task RestoreAsync(CancellationToken ct)
    {
        if (options.File is not { } file)
            return;
        try
        {
            // What comes late is older than what was read meanwhile.
            if (
                await Task.Run(() => Read(file), CancellationToken.None).WaitAsync(DiskPatience, time, ct)
                is not { } bytes
            )
                return;
            if (
                JsonSerializer.Deserialize(bytes, EmbedStateJson.Default.EmbedState)
                is not { Keys: not null, Revoked: not null } state
            )
                throw new JsonException("It is not what was written there.");
            foreach (var key in state.Keys)
                EmbedKey.Check(key.PublicKey);
            Merge(state.Revoked.Select(row => new EndedToken(new OwnerId(row.Owner), row.PublicId, row.Token, row.At)));
            keys = [.. state.Keys.Select(key => new EmbedKey(key.Id, key.PublicKey, key.VerifiesUntil))];
            kept = bytes;
        }
        catch (Exception e)
            when (e
                    is IOException
                        or UnauthorizedAccessException
                        or TimeoutException
                        or JsonException
                        or CryptographicException
            )
        {
            Log.NotKept(logger, file, e);
        }
    }

    private static byte[]? Read(string file) => File.Exists(file) ? File.ReadAllBytes(file) : null;

    // Nobody waits for the disk: what is read next may be that a token has ended.
    private void Keep()
    {
        if (options.File is not { } file)
            return;
        lock (gate)
        {
            keepAgain = true;
            if (keeping.IsCompleted)
                keeping = Task.Run(() => WriteLatest(file), CancellationToken.None);
        }
    }

    private void WriteLatest(string file)
    {
        while (true)
        {
            lock (gate)
            {
                if (!keepAgain)
                {
                    // The next one begins anew, also when it comes before this has returned.
                    keeping = Task.CompletedTask;
                    return;
                }
                keepAgain = false;
            }
            Write(file);
        }
    }

    private void Write(string file)
    {
        var state = new EmbedState(
            [.. keys.Select(key => new EmbedState.Key(key.Id, key.PublicKey, key.VerifiesUntil))],
            [
                .. revoked
                    .SelectMany(pair =>
                        pair.Value.Singly.Select(ended => (pair.Key, Token: ended.Key, At: ended.Value))
                            .Append((pair.Key, Token: Guid.Empty, At: pair.Value.MadeBy))
                    )
                    .Select(row => new EmbedState.Ended(row.Key.Owner.Value, row.Key.PublicId, row.Token, row.At))
                    .OrderBy(row => row.PublicId, StringComparer.Ordinal)
                    .ThenBy(row => row.Token),
            ]
        );
        var bytes = JsonSerializer.SerializeToUtf8Bytes(state, EmbedStateJson.Default.EmbedState);
        if (kept is not null && bytes.AsSpan().SequenceEqual(kept))
            return;
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            var unfinished = file + ".new";
            File.Delete(unfinished);
            var settings = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            // Nothing in it is secret; but what it says decides who is let in.
            if (!OperatingSystem.IsWindows())
                settings.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            using (var stream = new FileStream(unfinished, settings))
                stream.Write(bytes);
            File.Move(unfinished, file, overwrite: true);
            kept = bytes;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.NotKept(logger, file, e);
        }
    }

    private void Wake()
    {
        lock (gate)
        {
            if (work.CurrentCount == 0)
                work.Release();
        }
    }
}

/// <summary>Wires the verifying of embed tokens.</summary>
public static class EmbeddingServices
{
    /// <summary>
    /// Adds <see cref="EmbedTokenVerifier"/>. Needs <see cref="PostgresPools"/> and logging. Calling it again changes nothing but the file,
    /// where it was not said before.
    /// </summary>
    public static IServiceCollection AddEmbedTokens(this IServiceCollection services, string? file = null)
    {
        if (services.FirstOrDefault(s => s.ServiceType == typeof(EmbedTokenOptions)) is { } there)
        {
            ((EmbedTokenOptions)there.ImplementationInstance!).File ??= file;
            return services;
        }
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(new EmbedTokenOptions { File = file });
        services.AddSingleton<EmbedTokenVerifier>();
        services.AddHostedService(provider => provider.GetRequiredService<EmbedTokenVerifier>());
        return services;
    }
}
