namespace Platen.Platform.Http.RateLimits;

/// <summary>What a node tells the shared count of one subject, and asks of it.</summary>
/// <param name="Key">The policy and the subject.</param>
/// <param name="Interval">Microseconds in which one request comes back.</param>
/// <param name="Burst">Microseconds in which the whole quota comes back.</param>
/// <param name="Used">Microseconds of the quota that the node knows to be used, without what it tells now: a store that has forgotten
/// (it is new, or was restarted) learns it from here.</param>
/// <param name="Charge">Requests that were let pass already; they count whether or not there is room.</param>
/// <param name="Wants">Whether one more is asked for, which counts only when it is granted.</param>
internal readonly record struct RateLimitCharge(
    string Key,
    long Interval,
    long Burst,
    long Used,
    int Charge,
    bool Wants
);

/// <summary>The shared count of one subject afterwards.</summary>
/// <param name="Granted">Whether the one more was granted.</param>
/// <param name="Used">Microseconds of the quota that are used.</param>
internal readonly record struct RateLimitBalance(bool Granted, long Used);

/// <summary>
/// Where nodes count together: for each key the moment at which its quota is whole again ("theoretical arrival time" of GCRA), by the
/// store's own clock. Each charge is one atom.
/// </summary>
internal interface IRateLimitStore : IAsyncDisposable
{
    /// <summary>As metrics and logs call it.</summary>
    string Name { get; }

    /// <summary>How long an answer may take before the store counts as failed.</summary>
    TimeSpan Patience { get; }

    /// <summary>Settles charges, each key at most once; answers in their order. Any exception means that nothing is known.</summary>
    Task<RateLimitBalance[]> SettleAsync(IReadOnlyList<RateLimitCharge> charges, CancellationToken ct);

    /// <summary>Removes what is whole again, where the store does not do that by itself.</summary>
    Task SweepAsync(CancellationToken ct);
}
