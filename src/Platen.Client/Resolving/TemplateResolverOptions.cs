namespace Platen.Client.Resolving;

/// <summary>What a resolver does when no source has the bytes that the pointer names.</summary>
public enum ResolveMode
{
    /// <summary>It fails: never other bytes than the pinned ones. The default.</summary>
    Strict,

    /// <summary>It takes what the files on disk have, and the result says so (<see cref="ResolvedArtifact.IsPinned"/>).</summary>
    AllowUnpinnedFallback,
}

/// <summary>How a <see cref="TemplateResolver"/> finds things. Immutable; the defaults use files only.</summary>
public sealed record TemplateResolverOptions
{
    /// <summary>The environment variable that <see cref="FromEnvironment"/> reads as <see cref="UseRegistry"/>.</summary>
    public const string RegistryFlag = "FEATURE_TEMPLATE_VERSION_REMOTE_STORAGE";

    /// <summary>The registry, asked once for each question and not again: give it short time-outs. Null for none.</summary>
    public PlatenClient? Registry { get; init; }

    /// <summary>Whether <see cref="Registry"/> is asked at all. Default false: the local manifest alone decides.</summary>
    public bool UseRegistry { get; init; }

    /// <summary>
    /// A folder that keeps pointers and files over restarts; any number of processes may share it. Null keeps them in memory only.
    /// It need not be writable, nor have room: then it is only read.
    /// </summary>
    public string? CacheFolder { get; init; }

    /// <summary>
    /// A folder with bundles: <c>{template}/manifest.json</c>, <c>{template}/{version}/manifest.json</c>, or one <c>manifest.json</c>. Null for none.
    /// </summary>
    public string? FilesFolder { get; init; }

    /// <summary>What happens when no source has the pinned bytes.</summary>
    public ResolveMode Mode { get; init; } = ResolveMode.Strict;

    /// <summary>Where this program runs, such as <c>production</c>: pins may hold there. Null for nowhere in particular.</summary>
    public string? Environment { get; init; }

    /// <summary>
    /// How old an answer may be without asking whether it still holds. An older one is used once more, while the question is asked
    /// beside it. Default three quarters of a second: with the question itself, a rollback reaches a busy program within one.
    /// </summary>
    public TimeSpan RevalidateAfter { get; init; } = TimeSpan.FromMilliseconds(750);

    /// <summary>
    /// How old an answer may be to be used while it is asked anew. An older one waits for the registry, and is used only when
    /// that cannot be reached. Default 24 hours.
    /// </summary>
    public TimeSpan Freshness { get; init; } = TimeSpan.FromHours(24);

    /// <summary>
    /// The longest pause after the registry, or its store, could not be reached; it begins with a tenth of a second. A resolve that
    /// nothing else can answer asks all the same. Default 10 seconds.
    /// </summary>
    public TimeSpan LongestPause { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How long a registry that is too busy to answer (a time-out, 429, 503) is asked again when no other source has an answer, as
    /// when a hundred processes start on one empty cache. One that cannot be reached at all is not waited for. Default 10 seconds.
    /// </summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How often bytes in memory are hashed again while they are used. Default one minute.</summary>
    public TimeSpan RecheckMemoryAfter { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Bytes of files kept in memory, their texts included; the longest unused go first. Default 64 MiB.</summary>
    public long MemoryBytes { get; init; } = 64 * 1024 * 1024;

    /// <summary>Where time comes from. Only ages use its clock, and a clock that jumps only makes a question be asked sooner.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>These options with <see cref="UseRegistry"/> as <see cref="RegistryFlag"/> says: <c>true</c>, <c>1</c> or <c>on</c>.</summary>
    /// <param name="variable">Reads an environment variable; null reads the process's.</param>
    public TemplateResolverOptions FromEnvironment(Func<string, string?>? variable = null)
    {
        var text = (variable ?? System.Environment.GetEnvironmentVariable)(RegistryFlag);
        return this with
        {
            UseRegistry = text is "1" or "on" || string.Equals(text, "true", StringComparison.OrdinalIgnoreCase),
        };
    }
}
