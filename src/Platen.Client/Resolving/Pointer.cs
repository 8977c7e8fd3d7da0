namespace Platen.Client.Resolving;

/// <summary>Which version a question leads to, as somebody said at some time.</summary>
internal sealed class Pointer(
    PointerKey key,
    PointerSource source,
    TemplateResolution? resolution,
    string? disabledBecause,
    EntityTag tag,
    TimeSpan ageThen,
    TimeProvider time
)
{
    private readonly long since = time.GetTimestamp();
    private int revalidating;
    private volatile bool isReplaced;

    public PointerKey Key => key;

    public PointerSource PointerSource => source;

    /// <summary>Null when the template was switched off.</summary>
    public TemplateResolution? Resolution => resolution;

    public string? DisabledBecause => disabledBecause;

    public EntityTag Tag => tag;

    /// <summary>Whether it should have been confirmed and could not.</summary>
    public bool IsStale { get; private init; }

    /// <summary>
    /// Whether another holds instead. Not which: what is remembered of this one would keep that one, and all that follow it, in memory.
    /// </summary>
    public bool IsReplaced
    {
        get => isReplaced;
        set => isReplaced = value;
    }

    /// <summary>How long ago it was confirmed; never negative, and untouched by clocks that are set.</summary>
    public TimeSpan AgeAt(TimeProvider clock) => ageThen + clock.GetElapsedTime(since);

    /// <summary>The same, confirmed now.</summary>
    public Pointer Confirmed(TimeProvider clock) =>
        new(key, source, resolution, disabledBecause, tag, TimeSpan.Zero, clock);

    /// <summary>The same, of the age it has, marked.</summary>
    public Pointer AsStale() =>
        new(key, source, resolution, disabledBecause, tag, AgeAt(time), time) { IsStale = true };

    /// <summary>Whether the caller is the one to ask anew.</summary>
    public bool TryBeginRevalidation() => Interlocked.Exchange(ref revalidating, 1) == 0;

    public void EndRevalidation() => Volatile.Write(ref revalidating, 0);
}
