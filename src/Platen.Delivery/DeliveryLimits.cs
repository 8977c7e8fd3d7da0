namespace Platen.Delivery;

/// <summary>The bounds of the public read path, each with its reason.</summary>
internal static class DeliveryLimits
{
    /// <summary>
    /// Bytes of an instance that are loaded whole before it is shown: thirty locales of a full-size widget. Above it, each
    /// variant is read when it is first asked for.
    /// </summary>
    public const long EagerInstanceBytes = 8 * 1024 * 1024;

    /// <summary>Bytes of one file of a release; a page or a config never comes near it, so a larger one is a mistake.</summary>
    public const int FileBytes = 32 * 1024 * 1024;

    /// <summary>Files of one release: 200 locales in all themes and encodings.</summary>
    public const int Layers = 4_000;

    /// <summary>Loads at one time: enough to hide a remote store's latency, few enough to leave the pool to others.</summary>
    public const int ConcurrentLoads = 16;

    /// <summary>Blobs read at one time for one instance.</summary>
    public const int ConcurrentReads = 8;

    /// <summary>Different instances waiting to be loaded; the next is answered 503, so that a flood of misses ends.</summary>
    public const int PendingLoads = 4_096;

    /// <summary>How long one load may take before its waiters are told 503.</summary>
    public static readonly TimeSpan LoadTime = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How long an unknown id stays unknown without a look: a publish is announced and ends it at once, so this only bounds
    /// how long a lost announcement can hide an instance.
    /// </summary>
    public static readonly TimeSpan AbsentLife = TimeSpan.FromSeconds(5);

    /// <summary>How long a failed load stands before the next request tries again.</summary>
    public static readonly TimeSpan FailureLife = TimeSpan.FromSeconds(1);

    /// <summary>Cached instances compared with the database in one query after a reconnect.</summary>
    public const int RevalidationBatch = 500;

    /// <summary>What a cached item costs beside its bytes: dictionary, headers, objects.</summary>
    public const long SlotBytes = 512;

    /// <summary>What a variant costs beside its bytes.</summary>
    public const long VariantBytes = 512;

    /// <summary>Silence on the listening connection after which it is probed.</summary>
    public static readonly TimeSpan ListenProbe = TimeSpan.FromSeconds(5);

    /// <summary>The first wait before another try to reach the database; it doubles up to <see cref="LongestBackoff"/>.</summary>
    public static readonly TimeSpan FirstBackoff = TimeSpan.FromMilliseconds(50);

    /// <summary>The longest wait before another try.</summary>
    public static readonly TimeSpan LongestBackoff = TimeSpan.FromSeconds(5);

    /// <summary>Language ranges read from an Accept-Language field; people have fewer.</summary>
    public const int LanguageRanges = 16;

    /// <summary>Characters of a language tag in a query or a range (RFC 5646 section 4.4.1 expects 35).</summary>
    public const int LanguageTagLength = 35;

    /// <summary>
    /// How long the database may take to say what is live when the disk has what was live last. Longer than a busy one takes, shorter than
    /// a visitor waits.
    /// </summary>
    public static readonly TimeSpan DatabasePatience = TimeSpan.FromSeconds(2);

    /// <summary>
    /// How long the disk may take before a visitor is served without it: far longer than a busy one takes, and a hung one never answers.
    /// </summary>
    public static readonly TimeSpan DiskPatience = TimeSpan.FromSeconds(1);

    /// <summary>How long a folder that could not be read is left alone.</summary>
    public static readonly TimeSpan DiskRetry = TimeSpan.FromSeconds(10);

    /// <summary>Announced instances waiting to be compared with the disk one by one; beyond that the whole disk is.</summary>
    public const int PendingReviews = 10_000;

    /// <summary>How often the whole disk is compared with the database although nothing was missed.</summary>
    public static readonly TimeSpan ReviewEvery = TimeSpan.FromHours(6);

    /// <summary>Stale instances that fail in one round of retries: enough to pass by the broken ones, few enough for a store that is gone.</summary>
    public const int StaleFailures = 16;

    /// <summary>Entries waiting to be written to the disk, each of them in memory.</summary>
    public const int PendingWrites = 64;

    /// <summary>An entry takes at most one part in this many of the disk's budget, so that none pushes out all others.</summary>
    public const int LargestShare = 8;

    /// <summary>Looks for room on the disk before a newcomer is turned away.</summary>
    public const int EvictionTries = 64;

    /// <summary>What was not used for this long goes without a contest, however often it was used before.</summary>
    public static readonly TimeSpan ContestedAge = TimeSpan.FromMinutes(10);

    /// <summary>A key's uses are counted once in this many milliseconds, which keeps counting off the way of most requests.</summary>
    public const int UseMilliseconds = 1_000;

    /// <summary>Instances loaded at start at most: their names are in memory while they are.</summary>
    public const int WarmInstances = 100_000;

    /// <summary>Instances loaded at one time while warming: visitors' loads go beside them.</summary>
    public const int ConcurrentWarming = 4;
}
