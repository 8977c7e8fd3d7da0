using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Platen.Platform.Postgres;

namespace Platen.Platform.Http.RateLimits;

/// <summary>Whether a request passes, and what is left.</summary>
/// <param name="Allowed">Whether it passes.</param>
/// <param name="Remaining">Requests that would pass at once after it.</param>
/// <param name="ResetSeconds">Until the whole quota is back.</param>
/// <param name="RetryAfterSeconds">Until one more would pass; 0 when it would now.</param>
public readonly record struct RateLimitDecision(bool Allowed, int Remaining, int ResetSeconds, int RetryAfterSeconds);

/// <summary>
/// Counts requests by policy and subject. The first line is memory; nodes count together in Redis or PostgreSQL. Thread-safe.
/// </summary>
/// <remarks>
/// Memory holds, for each subject, when its quota is whole again: what the shared count said last, and what this node has let pass since. It
/// never knows less than was told, so what it refuses is refused rightly without asking. It lets a few requests pass before it tells
/// (<see cref="RateLimitPolicy.Credit"/>), at the latest after <see cref="Telling"/>, many subjects in one go; beyond that a request
/// asks. What was let pass counts in any case. Each telling carries what the node knows to be used, so a store that has forgotten is
/// brought up to date, and the loss of every store leaves each node with its own count of the same limit.
/// </remarks>
public sealed class RateLimiter : BackgroundService
{
    /// <summary>How often nodes tell each other.</summary>
    private static readonly TimeSpan Telling = TimeSpan.FromMilliseconds(200);

    /// <summary>How often what is whole again is forgotten.</summary>
    private static readonly TimeSpan Forgetting = TimeSpan.FromSeconds(10);

    /// <summary>Subjects in memory, about 150 bytes each. Beyond it newcomers share accounts, and limits with them.</summary>
    private const int MostSubjects = 200_000;
    private const int SharedAccounts = 4_096;

    /// <summary>Charges in one go.</summary>
    private const int Batch = 500;

    private readonly ConcurrentDictionary<Subject, Account> accounts = new();
    private readonly ConcurrentQueue<Account> owing = new();
    private readonly SharedCount shared;
    private readonly RateLimitMetrics metrics;
    private readonly TimeProvider clock;
    private readonly ILogger logger;
    private readonly long start;
    private int subjects;

    internal RateLimiter(
        RateLimitPolicies policies,
        IReadOnlyList<IRateLimitStore> stores,
        TimeProvider clock,
        ILogger logger,
        TimeSpan? patience = null
    )
    {
        Policies = policies;
        this.clock = clock;
        this.logger = logger;
        metrics = new RateLimitMetrics(policies);
        shared = new SharedCount(stores, metrics, clock, logger, patience);
        metrics.Observe(() => Subjects, () => shared.Current);
        start = clock.GetTimestamp();
    }

    /// <summary>The policies in force.</summary>
    public RateLimitPolicies Policies { get; }

    /// <summary>A limiter whose nodes count together in the first of these that works.</summary>
    /// <param name="policies">Those in force.</param>
    /// <param name="redis">Null where there is none.</param>
    /// <param name="pools">Null where there is none.</param>
    /// <param name="clock">Tells the time.</param>
    /// <param name="logger">Is told when a store goes and comes.</param>
    /// <param name="patience">How long a store may take before the next one is asked; null for a tenth of a second for Redis and half
    /// a second for PostgreSQL.</param>
    public static RateLimiter Open(
        RateLimitPolicies policies,
        RedisAddress? redis,
        PostgresPools? pools,
        TimeProvider clock,
        ILogger logger,
        TimeSpan? patience = null
    )
    {
        var stores = new List<IRateLimitStore>();
        if (redis is not null)
            stores.Add(new RedisRateLimitStore(redis));
        if (pools is not null)
            stores.Add(new PostgresRateLimitStore(pools));
        return new RateLimiter(policies, stores, clock, logger, patience);
    }

    /// <summary>Where requests are counted now: <c>redis</c>, <c>postgresql</c>, or null when each node counts for itself.</summary>
    public string? Store => shared.Current;

    /// <summary>Counts one request. Completes at once unless the shared count is asked.</summary>
    public ValueTask<RateLimitDecision> TakeAsync(RateLimitPolicy policy, RateLimitKey key, CancellationToken ct)
    {
        while (true)
        {
            var account = Find(policy, key);
            var now = Now;
            RateLimitCharge charge;
            lock (account)
            {
                if (account.Forgotten)
                    continue;
                if (TryDecide(account, policy, now, out var decision))
                    return new(decision);
                charge = Charge(account, now, wants: true);
            }
            return AskAsync(account, charge, now, ct);
        }
    }

    /// <summary>
    /// Counts one request when memory can decide on it; otherwise it is not counted, and <see cref="TakeAsync"/> decides. For callers to whom
    /// a token that cancels costs something.
    /// </summary>
    public bool TryTake(RateLimitPolicy policy, RateLimitKey key, out RateLimitDecision decision)
    {
        while (true)
        {
            var account = Find(policy, key);
            lock (account)
            {
                if (!account.Forgotten)
                    return TryDecide(account, policy, Now, out decision);
            }
        }
    }

    private bool TryDecide(Account account, RateLimitPolicy policy, long now, out RateLimitDecision decision)
    {
        account.WholeAt = Math.Max(account.WholeAt, now);
        if (account.WholeAt + policy.Interval - now > policy.Burst)
        {
            decision = Decide(account, now, allowed: false);
            return true;
        }
        // What is being told is not known to be told: it counts against the credit until it is.
        if (account.Debt < policy.Credit - account.Sent)
        {
            Pass(account);
            decision = Decide(account, now, allowed: true);
            return true;
        }
        decision = default;
        return false;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Telling, clock);
        var forgot = clock.GetTimestamp();
        var swept = forgot;
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                await shared.ProbeAsync(stoppingToken);
                await TellAsync(stoppingToken);
                if (clock.GetElapsedTime(forgot) > Forgetting)
                {
                    forgot = clock.GetTimestamp();
                    Forget();
                }
                if (clock.GetElapsedTime(swept) > TimeSpan.FromMinutes(1))
                {
                    swept = clock.GetTimestamp();
                    await shared.SweepAsync(stoppingToken);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops. What was not told is forgotten with it: a fiftieth of a quota at most.
        }
    }

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        // Before the first request: none of them waits for a connection to be made.
        await shared.WarmAsync(cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await shared.DisposeAsync();
    }

    public override void Dispose()
    {
        metrics.Dispose();
        base.Dispose();
    }

    /// <summary>Subjects in memory.</summary>
    internal int Subjects => Volatile.Read(ref subjects);

    internal Task ProbeAsync(CancellationToken ct) => shared.ProbeAsync(ct);

    /// <summary>Tells the shared count what was let pass.</summary>
    internal async Task TellAsync(CancellationToken ct)
    {
        var charged = new List<Account>();
        var charges = new List<RateLimitCharge>();
        // What comes in meanwhile waits for the next time.
        for (var left = owing.Count; left > 0 && owing.TryDequeue(out var account); left--)
        {
            var now = Now;
            lock (account)
            {
                account.Owing = false;
                if (account.Debt == 0)
                    continue;
                charges.Add(Charge(account, now, wants: false));
                charged.Add(account);
            }
            if (charges.Count == Batch || left == 1)
                await SettleAsync();
        }
        await SettleAsync();

        async Task SettleAsync()
        {
            if (charges.Count == 0)
                return;
            var sent = Now;
            var balances = await shared.SettleAsync(charges, ct);
            for (var i = 0; i < charges.Count; i++)
            {
                lock (charged[i])
                    Settle(charged[i], charges[i], balances?[i], sent);
            }
            charges.Clear();
            charged.Clear();
        }
    }

    private async ValueTask<RateLimitDecision> AskAsync(
        Account account,
        RateLimitCharge charge,
        long sent,
        CancellationToken ct
    )
    {
        RateLimitBalance[]? balances;
        try
        {
            balances = await shared.SettleAsync([charge], ct);
        }
        catch
        {
            lock (account)
                Settle(account, charge, balance: null, sent);
            throw;
        }
        lock (account)
        {
            Settle(account, charge, balances?[0], sent);
            var now = Now;
            if (balances is [var balance])
                return Decide(account, now, balance.Granted);
            // No store answers: this node's own count decides.
            account.WholeAt = Math.Max(account.WholeAt, now);
            var passes = account.WholeAt + account.Policy.Interval - now <= account.Policy.Burst;
            if (passes)
                Pass(account);
            return Decide(account, now, passes);
        }
    }

    private void Pass(Account account)
    {
        account.WholeAt += account.Policy.Interval;
        if (!account.Policy.Shared)
            return;
        account.Debt++;
        if (account.Owing)
            return;
        account.Owing = true;
        owing.Enqueue(account);
    }

    private static RateLimitCharge Charge(Account account, long now, bool wants)
    {
        var policy = account.Policy;
        var told = account.WholeAt - ((long)account.Debt + account.Sent) * policy.Interval - now;
        var charge = new RateLimitCharge(
            account.StoreKey,
            policy.Interval,
            policy.Burst,
            Math.Clamp(told, 0, policy.Burst),
            account.Debt,
            wants
        );
        account.Sent += account.Debt;
        account.Debt = 0;
        return charge;
    }

    /// <summary>Takes over what the shared count said of a charge that was sent at <paramref name="sent"/>.</summary>
    private void Settle(Account account, RateLimitCharge charge, RateLimitBalance? balance, long sent)
    {
        account.Sent -= charge.Charge;
        if (balance is not { } known)
        {
            // Told again later; more than the whole quota need not be told.
            account.Debt = Math.Min(account.Debt + charge.Charge, account.Policy.Quota);
            if (account.Debt > 0 && !account.Owing)
            {
                account.Owing = true;
                owing.Enqueue(account);
            }
            return;
        }
        // The answer has what was granted in it. Reckoned from before the question, so that its time is not counted as use, and without
        // what others are telling right now, which may be in the answer already: neither is counted twice.
        account.WholeAt = Math.Max(account.WholeAt, sent + known.Used + account.Debt * account.Policy.Interval);
    }

    private static RateLimitDecision Decide(Account account, long now, bool allowed)
    {
        var policy = account.Policy;
        account.Cell.Count(allowed);
        var used = Math.Max(account.WholeAt - now, 0);
        var room = policy.Burst - used;
        return new RateLimitDecision(
            allowed,
            allowed ? (int)Math.Max(room / policy.Interval, 0) : 0,
            Seconds(used),
            room >= policy.Interval && allowed ? 0 : Math.Max(1, Seconds(policy.Interval - room))
        );
    }

    private Account Find(RateLimitPolicy policy, RateLimitKey key)
    {
        var subject = new Subject(policy.Name, key);
        if (accounts.TryGetValue(subject, out var account))
            return account;
        if (Volatile.Read(ref subjects) >= MostSubjects)
        {
            subject = new Subject(policy.Name, new RateLimitKey((UInt128)(uint)key.GetHashCode() % SharedAccounts));
            if (accounts.TryGetValue(subject, out account))
                return account;
        }
        var made = new Account(policy, StoreKey(subject), metrics.CellOf(policy));
        account = accounts.GetOrAdd(subject, made);
        if (ReferenceEquals(account, made))
            Interlocked.Increment(ref subjects);
        return account;
    }

    /// <summary>Forgets subjects whose quota is whole again.</summary>
    internal void Forget()
    {
        var now = Now;
        foreach (var (subject, account) in accounts)
        {
            lock (account)
            {
                if (account.WholeAt > now || account.Debt > 0 || account.Sent > 0 || account.Owing)
                    continue;
                account.Forgotten = true;
            }
            if (accounts.TryRemove(subject, out _))
                Interlocked.Decrement(ref subjects);
        }
    }

    private static string StoreKey(Subject subject) =>
        string.Create(CultureInfo.InvariantCulture, $"{subject.Policy}:{subject.Key.Value:x}");

    private static int Seconds(long microseconds) => (int)((microseconds + 999_999) / 1_000_000);

    private long Now => (long)clock.GetElapsedTime(start).TotalMicroseconds;

    private readonly record struct Subject(string Policy, RateLimitKey Key);

    /// <summary>One subject's use of one policy. Every member is read and written under its lock.</summary>
    private sealed class Account(RateLimitPolicy policy, string storeKey, RateLimitMetrics.Cell cell)
    {
        public RateLimitPolicy Policy => policy;

        public string StoreKey => storeKey;

        public RateLimitMetrics.Cell Cell => cell;

        /// <summary>When the quota is whole again, in microseconds of this node's clock.</summary>
        public long WholeAt { get; set; }

        /// <summary>Requests let pass and not told.</summary>
        public int Debt { get; set; }

        /// <summary>Requests being told.</summary>
        public int Sent { get; set; }

        /// <summary>Whether it waits to be told.</summary>
        public bool Owing { get; set; }

        /// <summary>Whether it was removed from memory: another one has its place.</summary>
        public bool Forgotten { get; set; }
    }
}
