using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Diagnostics.Metrics;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Platen.Access;
using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Platform.Events;
using Platen.Platform.Http;
using Platen.Platform.Http.RateLimits;

namespace Platen.Templates;

/// <summary>
/// Answers to resolves that this node has given and that still hold, ready to be sent: a repeated question costs no query, no
/// routing and no serialisation. Whatever can change an answer appends to a stream <c>template/{name}</c> or moves a channel of
/// <c>templates/{name}</c> in its transaction, and every node hears of it at commit; the node that made a change does not wait to be
/// told. While a node cannot hear, nothing holds; after it has listened anew, nothing from before does. Thread-safe.
/// </summary>
/// <remarks>
/// A key is not part of the question: without a trial it changes nothing, and in one it decides between two answers, so a million
/// keys are three answers in memory. Answers are kept below the owner who asked, so nobody is told another's; and they are only given
/// to callers whose key was verified, within seconds, and has the scope.
/// </remarks>
internal sealed class ResolveAnswers : IDisposable
{
    private const string Prefix = "/v1/templates/";
    private const string Suffix = "/resolve";
    private const string OwnStream = "template/";
    private const string ChannelStream = "channel/templates/";

    /// <summary>Characters of a question that is remembered; a longer one is answered the long way.</summary>
    private const int QuestionLength = 512;

    /// <summary>Bounds what a network that goes silent without a word can hide.</summary>
    private static readonly TimeSpan Life = TimeSpan.FromSeconds(5);

    private static readonly Meter Meter = new("Platen.Templates");
    private static readonly Counter<long> Resolves = Meter.CreateCounter<long>(
        "platen.templates.resolves",
        unit: "{resolve}",
        description: "Resolves that were answered, by where the answer came from"
    );
    private static readonly KeyValuePair<string, object?> FromMemory = new("platen.source", "memory");
    private static readonly KeyValuePair<string, object?> FromDatabase = new("platen.source", "database");

    private readonly ConcurrentDictionary<OwnerId, OfOwner> owners = new();
    private readonly ConcurrentDictionary<(OwnerId, string), Mark> marks = new();
    private readonly Lock keeping = new();
    private readonly NotificationListener listener;
    private readonly RememberedCallers callers;
    private readonly RateLimiter limiter;
    private readonly TimeProvider time;
    private readonly IDisposable ear;
    private long bytes;
    private long clock;
    private long floor;

    public ResolveAnswers(
        NotificationListener listener,
        RememberedCallers callers,
        RateLimiter limiter,
        TimeProvider time
    )
    {
        this.listener = listener;
        this.callers = callers;
        this.limiter = limiter;
        this.time = time;
        ear = listener.Add(EventLog.Channel, Hear, ForgetAll);
    }

    /// <summary>Bytes held, near enough.</summary>
    public long Bytes => Interlocked.Read(ref bytes);

    /// <summary>Answers when the answer is at hand; false when the request has to go the long way.</summary>
    /// <param name="context">The request.</param>
    /// <param name="answering">Ends when the answer is written.</param>
    public bool TryAnswer(HttpContext context, [NotNullWhen(true)] out Task? answering)
    {
        answering = Find(context, out var caller) is { } answer ? SendAsync(answer, caller!, context) : null;
        return answering is not null;
    }

    private ResolveAnswer? Find(HttpContext context, out Caller? caller)
    {
        caller = null;
        var request = context.Request;
        if (
            request.Path.Value is not { } path
            || !path.StartsWith(Prefix, StringComparison.Ordinal)
            || !path.EndsWith(Suffix, StringComparison.Ordinal)
            || !HttpMethods.IsGet(request.Method)
            // Which pages may ask is said further back.
            || request.Headers.Origin.Count != 0
            || !listener.IsListening
            || (caller = callers.Find(context)) is null
            || !caller.Has(Scopes.TemplatesRead)
            || !owners.TryGetValue(caller.Owner, out var own)
        )
            return null;
        Span<char> text = stackalloc char[QuestionLength];
        if (
            !TryRead(request, text, out var length, out var key)
            || !own.BySpan.TryGetValue(text[..length], out var known)
            || !Holds(known)
        )
            return null;
        return known.Of(key);
    }

    private async Task SendAsync(ResolveAnswer answer, Caller caller, HttpContext context)
    {
        RequestTrace.NameTrace(context);
        if (!await context.CountCallerAsync(limiter, caller.Actor.Id, caller.Owner))
            return;
        Resolves.Add(1, FromMemory);
        await answer.WriteAsync(context);
    }

    /// <summary>Before anything is read of the template; what is read is kept with it.</summary>
    public Reading Begin(OwnerId owner, TemplateName name)
    {
        Resolves.Add(1, FromDatabase);
        // The moment first: a change after it finds the mark, or ends everything from before it.
        var readAt = Volatile.Read(ref clock);
        if (marks.Count >= TemplatesLimits.RememberedTemplates)
            ForgetAll();
        return new Reading(
            owner,
            readAt,
            marks.GetOrAdd((owner, name.Value), _ => new Mark()),
            owner.IsPlatform ? null : marks.GetOrAdd((OwnerId.Platform, name.Value), _ => new Mark())
        );
    }

    /// <summary>Keeps the answer for whoever asks the same.</summary>
    /// <param name="reading">From before it was read.</param>
    /// <param name="request">What was asked.</param>
    /// <param name="key">The key as it was understood.</param>
    /// <param name="trial">The trial of the channel that answered, or null.</param>
    /// <param name="answer">What was answered.</param>
    public void Keep(
        Reading reading,
        HttpRequest request,
        string? key,
        ResolveTemplate.SidedTrial? trial,
        ResolveAnswer answer
    )
    {
        Span<char> text = stackalloc char[QuestionLength];
        if (!TryRead(request, text, out var length, out var seen) || seen != key)
            return;
        var question = text[..length].ToString();
        lock (keeping)
        {
            var own = owners.GetOrAdd(reading.Owner, _ => new OfOwner());
            var before = own.Answers.GetValueOrDefault(question);
            var after = new Remembered(reading, time.GetTimestamp(), trial?.Salt, trial?.Percent ?? 0);
            // The other sides of the same trial go on being known, for as long as the first of them would.
            if (before is not null && Holds(before) && before.IsOf(after))
                after = before;
            after = after.With(trial?.Side, answer);
            var added = after.SizeBytes - (before?.SizeBytes ?? 0);
            // Emptied and not trimmed: what is in use is back within one read each.
            if (
                own.Bytes + added > TemplatesLimits.AnswerBytesOfOwner
                || own.Answers.Count >= TemplatesLimits.AnswersOfOwner
            )
            {
                Interlocked.Add(ref bytes, -own.Bytes);
                owners[reading.Owner] = own = new OfOwner();
                added = after.SizeBytes;
            }
            if (bytes + added > TemplatesLimits.AnswerBytes)
            {
                owners.Clear();
                Interlocked.Exchange(ref bytes, 0);
                owners[reading.Owner] = own = new OfOwner();
                added = after.SizeBytes;
            }
            own.Answers[question] = after;
            own.Bytes += added;
            Interlocked.Add(ref bytes, added);
        }
    }

    /// <summary>Nothing that was read of the owner's template holds. The node that made a change calls it without waiting to be told.</summary>
    public void Forget(OwnerId owner, string name)
    {
        if (marks.TryGetValue((owner, name), out var mark))
            mark.ChangedBy(Interlocked.Increment(ref clock));
    }

    public void Dispose() => ear.Dispose();

    /// <summary>The question as it was written, without its key; false for one that is not remembered.</summary>
    private static bool TryRead(HttpRequest request, Span<char> into, out int length, out string? key)
    {
        (length, key) = (0, null);
        if (!TryAppend(into, ref length, request.Path.Value))
            return false;
        foreach (var pair in new QueryStringEnumerable(request.QueryString.Value))
        {
            var name = pair.EncodedName.Span;
            if (name is "key")
            {
                if (key is not null)
                    return false;
                key = pair.DecodeValue().ToString();
                if (key.Length > TrialSide.KeyLength)
                    return false;
                continue;
            }
            // Other ways to write a name: understood further back.
            if (name.ContainsAny('%', '+') || name.Equals("key", StringComparison.OrdinalIgnoreCase))
                return false;
            if (
                !TryAppend(into, ref length, "&")
                || !TryAppend(into, ref length, name)
                || !TryAppend(into, ref length, "=")
                || !TryAppend(into, ref length, pair.EncodedValue.Span)
            )
                return false;
        }
        return true;
    }

    private static bool TryAppend(Span<char> into, ref int length, ReadOnlySpan<char> text)
    {
        if (!text.TryCopyTo(into[length..]))
            return false;
        length += text.Length;
        return true;
    }

    private bool Holds(Remembered known) =>
        known.Reading.ReadAt >= Volatile.Read(ref floor)
        && known.Reading.ReadAt >= known.Reading.Own.ChangedAt
        && (known.Reading.Platform is not { } platform || known.Reading.ReadAt >= platform.ChangedAt)
        && time.GetElapsedTime(known.KeptAt) < Life
        && listener.IsListening;

    private void ForgetAll()
    {
        // In this order: whoever has a mark from before began before the floor.
        marks.Clear();
        Raise(ref floor, Interlocked.Increment(ref clock));
    }

    /// <summary>Of moments that are told at once, the latest stays, in whatever order they arrive.</summary>
    private static void Raise(ref long moment, long to)
    {
        var seen = Volatile.Read(ref moment);
        while (seen < to)
        {
            var before = Interlocked.CompareExchange(ref moment, to, seen);
            if (before == seen)
                return;
            seen = before;
        }
    }

    // "{owner} {revision} {stream}"
    private void Hear(string payload)
    {
        var first = payload.IndexOf(' ', StringComparison.Ordinal);
        var second = first < 0 ? -1 : payload.IndexOf(' ', first + 1);
        if (second < 0)
            return;
        var stream = payload.AsSpan(second + 1);
        var name =
            stream.StartsWith(OwnStream, StringComparison.Ordinal) ? stream[OwnStream.Length..]
            : stream.StartsWith(ChannelStream, StringComparison.Ordinal) ? stream[ChannelStream.Length..]
            : [];
        if (name.IndexOf('/') is >= 0 and var slash)
            name = name[..slash];
        if (!name.IsEmpty && OwnerId.TryParse(payload[..first], null, out var owner))
            Forget(owner, name.ToString());
    }

    /// <summary>When a template of an owner changed last, by the clock of changes.</summary>
    internal sealed class Mark
    {
        private long changedAt;

        public long ChangedAt => Volatile.Read(ref changedAt);

        public void ChangedBy(long moment) => Raise(ref changedAt, moment);
    }

    /// <summary>A moment before something was read.</summary>
    /// <param name="Owner">Who asked.</param>
    /// <param name="ReadAt">The moment.</param>
    /// <param name="Own">The template of that name of the owner.</param>
    /// <param name="Platform">The platform's; null when that is the owner.</param>
    internal sealed record Reading(OwnerId Owner, long ReadAt, Mark Own, Mark? Platform);

    private sealed class OfOwner
    {
        public OfOwner() => BySpan = Answers.GetAlternateLookup<ReadOnlySpan<char>>();

        public ConcurrentDictionary<string, Remembered> Answers { get; } = new(StringComparer.Ordinal);

        public ConcurrentDictionary<string, Remembered>.AlternateLookup<ReadOnlySpan<char>> BySpan { get; }

        public long Bytes { get; set; }
    }

    /// <summary>What a question led to, with whatever key.</summary>
    private sealed record Remembered(Reading Reading, long KeptAt, string? Salt, int Percent)
    {
        private ResolveAnswer? WithoutKey { get; init; }

        private ResolveAnswer? Live { get; init; }

        private ResolveAnswer? Candidate { get; init; }

        public long SizeBytes =>
            512L + (WithoutKey?.SizeBytes ?? 0) + (Live?.SizeBytes ?? 0) + (Candidate?.SizeBytes ?? 0);

        public bool IsOf(Remembered other) => Salt == other.Salt && Percent == other.Percent;

        public ResolveAnswer? Of(string? key) =>
            key is null || Salt is null ? WithoutKey
            : TrialSide.IsCandidate(Salt, key, Percent) ? Candidate
            : Live;

        public Remembered With(string? side, ResolveAnswer answer) =>
            side switch
            {
                null => this with { WithoutKey = answer },
                "candidate" => this with { Candidate = answer },
                _ => this with { Live = answer },
            };
    }
}
