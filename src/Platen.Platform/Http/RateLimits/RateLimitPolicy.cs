using System.Globalization;

namespace Platen.Platform.Http.RateLimits;

/// <summary>Whom a policy counts.</summary>
public enum RateLimitSubject
{
    /// <summary>The client's address: an IPv4 address, or an IPv6 network of 64 bits, which is what one customer gets. Not loopback.</summary>
    Address,

    /// <summary>Who acts: a machine key or a person.</summary>
    Actor,

    /// <summary>Whose rows are worked on: a workspace. Not the platform.</summary>
    Owner,
}

/// <summary>
/// How much of something each subject may do: <see cref="Quota"/> at once after a pause, and in the long run as many in each
/// <see cref="Window"/>, evenly (GCRA). Immutable.
/// </summary>
public sealed record RateLimitPolicy
{
    /// <param name="name">As clients see it in the RateLimit fields: <c>a-z</c> and <c>-</c>.</param>
    /// <param name="subject">Whom it counts.</param>
    /// <param name="quota">Requests, 1 to 1,000,000.</param>
    /// <param name="window">In which the whole quota comes back, 1 second to a day.</param>
    /// <param name="shared">Whether all nodes count together; otherwise each node counts for itself.</param>
    public RateLimitPolicy(string name, RateLimitSubject subject, int quota, TimeSpan window, bool shared = true)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(quota, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(quota, 1_000_000);
        ArgumentOutOfRangeException.ThrowIfLessThan(window, TimeSpan.FromSeconds(1));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(window, TimeSpan.FromDays(1));
        Name = name;
        Subject = subject;
        Quota = quota;
        Window = window;
        Shared = shared;
        Interval = Math.Max(1, (long)window.TotalMicroseconds / quota);
        Burst = Interval * quota;
        Credit = shared ? quota / 50 : int.MaxValue;
        Field = string.Create(CultureInfo.InvariantCulture, $"\"{name}\";q={quota};w={(long)window.TotalSeconds}");
    }

    public string Name { get; }

    public RateLimitSubject Subject { get; }

    public int Quota { get; }

    public TimeSpan Window { get; }

    public bool Shared { get; }

    /// <summary>Microseconds in which one request comes back.</summary>
    internal long Interval { get; }

    /// <summary>Microseconds in which the whole quota comes back.</summary>
    internal long Burst { get; }

    /// <summary>
    /// Requests that a node may let pass before it has told the shared count: a fiftieth of the quota, so that two nodes together are at
    /// most 4 % over; none for a small quota, which is counted exactly.
    /// </summary>
    internal int Credit { get; }

    /// <summary>The policy as an item of the RateLimit-Policy field.</summary>
    internal string Field { get; }
}

/// <summary>The policies in force. Immutable.</summary>
public sealed class RateLimitPolicies
{
    /// <summary>Published pages and artifacts, an address: an office behind one address reloads without noticing.</summary>
    public const string Visitor = "visitor";

    /// <summary>Everything else, an address: what can be asked without a credential, and guessing of credentials.</summary>
    public const string Address = "address";

    /// <summary>The API, a key or person.</summary>
    public const string Key = "key";

    /// <summary>The API, a workspace: all of its keys and people together.</summary>
    public const string Workspace = "workspace";

    /// <summary>Attempts to sign in, an address.</summary>
    public const string SignIn = "sign-in";

    /// <summary>Tokens, invitations and e-mails asked for, a key or person.</summary>
    public const string Token = "token";

    /// <summary>Posts to forms, an address.</summary>
    public const string Submission = "submission";

    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private static readonly RateLimitPolicy[] Standard =
    [
        // A node of its own counts: delivery needs neither database nor Redis, and shall not for this.
        new(Visitor, RateLimitSubject.Address, 12_000, Minute, shared: false),
        new(Address, RateLimitSubject.Address, 3_000, Minute),
        new(Key, RateLimitSubject.Actor, 6_000, Minute),
        new(Workspace, RateLimitSubject.Owner, 30_000, Minute),
        new(SignIn, RateLimitSubject.Address, 10, Minute),
        new(Token, RateLimitSubject.Actor, 600, Minute),
        new(Submission, RateLimitSubject.Address, 60, Minute),
    ];

    /// <summary>What is in force unless the operator says otherwise.</summary>
    public static readonly RateLimitPolicies Default = new(Standard);

    /// <summary>No limit at all.</summary>
    public static readonly RateLimitPolicies Off = new([]);

    private readonly Dictionary<string, RateLimitPolicy> byName;

    /// <param name="policies">Each name once.</param>
    public RateLimitPolicies(IEnumerable<RateLimitPolicy> policies) =>
        byName = policies.ToDictionary(policy => policy.Name, StringComparer.Ordinal);

    /// <summary>All of them.</summary>
    public IReadOnlyCollection<RateLimitPolicy> All => byName.Values;

    /// <summary>The policy of that name, or null when it is not in force.</summary>
    public RateLimitPolicy? Find(string name) => byName.GetValueOrDefault(name);

    /// <summary>
    /// Reads <c>PLATEN_LIMITS</c>: <c>off</c>, or changes to the standard such as <c>key=600/60, sign-in=5/60, visitor=off</c>
    /// (requests/seconds).
    /// </summary>
    /// <exception cref="FormatException">It means nothing.</exception>
    public static RateLimitPolicies Parse(string? text)
    {
        if (text is "off")
            return Off;
        var policies = Standard.ToDictionary(policy => policy.Name, StringComparer.Ordinal);
        foreach (var part in HttpGuards.Parts(text))
        {
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            if (equals < 0 || !policies.TryGetValue(part[..equals], out var standard))
                throw Refused(part);
            var value = part[(equals + 1)..];
            if (value is "off")
            {
                policies.Remove(standard.Name);
                continue;
            }
            if (
                value.Split('/') is not [var quotaText, var secondsText]
                || !int.TryParse(quotaText, NumberStyles.None, CultureInfo.InvariantCulture, out var quota)
                || !int.TryParse(secondsText, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
                || quota is < 1 or > 1_000_000
                || seconds is < 1 or > 86_400
            )
                throw Refused(part);
            policies[standard.Name] = new RateLimitPolicy(
                standard.Name,
                standard.Subject,
                quota,
                TimeSpan.FromSeconds(seconds),
                standard.Shared
            );
        }
        return new RateLimitPolicies(policies.Values);
    }

    private static FormatException Refused(string part) =>
        new(
            $"PLATEN_LIMITS has '{part}'; write off, or requests/seconds for a policy such as key=600/60, or key=off. The policies are "
                + string.Join(", ", Standard.Select(policy => policy.Name))
                + "."
        );
}
