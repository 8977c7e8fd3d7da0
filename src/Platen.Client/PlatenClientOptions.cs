namespace Platen.Client;

/// <summary>How a <see cref="PlatenClient"/> waits and retries. Immutable; the defaults suit a tool that a person runs.</summary>
public sealed record PlatenClientOptions
{
    /// <summary>How long one attempt may take until its whole answer is read; more than zero. Default 30 seconds.</summary>
    public TimeSpan AttemptTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How often an idempotent call is sent at most, 1 or more. Default 4.</summary>
    public int Attempts { get; init; } = 4;

    /// <summary>The pause before the second attempt; it doubles with each. Half of a pause is random. Default 200 ms.</summary>
    public TimeSpan FirstPause { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>
    /// The longest pause. A server that asks for a longer one in Retry-After is not asked again: its answer is the result.
    /// Default 10 seconds.
    /// </summary>
    public TimeSpan LongestPause { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How long an event stream may be silent, heartbeats included, until it is taken for dead and opened again. Default 60
    /// seconds.
    /// </summary>
    public TimeSpan EventSilence { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The largest answer that is read, in bytes: a megabyte of config and as much again. Default 16 MiB.</summary>
    public int AnswerBytes { get; init; } = 16 * 1024 * 1024;

    /// <summary>
    /// The workspace, a slug or an id, whose templates are meant by calls about templates: for callers who belong to several. Default
    /// null: those of the key's owner.
    /// </summary>
    public string? TemplatesOf { get; init; }

    /// <summary>Where time comes from.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
