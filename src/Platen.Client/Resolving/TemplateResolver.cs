using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Platen.Kernel;
using Platen.Kernel.Languages;
using Platen.Kernel.Templates;
using Platen.Kernel.Versions;

namespace Platen.Client.Resolving;

/// <summary>
/// Gives a program the files of templates, also while the registry, its database, its store or this machine's disk are gone. Two
/// chains, joined by a digest: who says <em>which</em> version it is (the registry, what it said before, the local manifest), and
/// who has its <em>bytes</em> (memory, the cache folder, the registry's store, the files folder). Every byte is held against the
/// digest wherever it comes from; a mismatch drops the entry, is logged, and the next source is tried. Safe to share between
/// threads; hold one for as long as the program runs.
/// </summary>
/// <remarks>
/// An answer younger than <see cref="TemplateResolverOptions.RevalidateAfter"/> is used as it is; up to
/// <see cref="TemplateResolverOptions.Freshness"/> it is used while it is asked anew beside; an older one waits for the registry,
/// and is used, marked stale, when that cannot be reached. A template that an operator has switched off resolves to nothing,
/// caches or not. Each question is asked once at a time, however many wait for it.
/// </remarks>
public sealed class TemplateResolver : IAsyncDisposable
{
    /// <summary>Questions and choices in memory; beyond it they are forgotten together.</summary>
    private const int MostAnswers = 10_000;

    private readonly TemplateResolverOptions options;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly PlatenClient? registry;
    private readonly ResolverCache? cache;
    private readonly LocalBundles? files;
    private readonly CancellationTokenSource stopping = new();
    private readonly CancellationToken stopped;
    private readonly long recheckTicks;

    private readonly ConcurrentDictionary<ArtifactRequest, Answer> answers = new();
    private readonly ConcurrentDictionary<PointerKey, Pointer> pointers = new();
    private readonly ConcurrentDictionary<PointerKey, Lazy<Task<Pointer>>> asking = new();
    private readonly ConcurrentDictionary<
        (string, string, Digest, string),
        Lazy<Task<(MemoryFile, ByteSource)>>
    > loading = new();
    private readonly MemoryFiles memory;
    private readonly Pause registryPause;
    private readonly Pause storePause;

    /// <summary>A resolver; nothing is read or asked yet.</summary>
    /// <param name="options">Where to look.</param>
    /// <param name="logger">Hears "resolved from {Source}" for each result; null for nobody.</param>
    public TemplateResolver(TemplateResolverOptions options, ILogger? logger = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        this.options = options;
        time = options.Time;
        stopped = stopping.Token;
        this.logger = logger ?? NullLogger.Instance;
        registry = options.UseRegistry ? options.Registry : null;
        cache = options.CacheFolder is { } cacheFolder
            ? new ResolverCache(
                Path.GetFullPath(cacheFolder),
                options.Registry?.CacheScope ?? "local",
                time,
                this.logger
            )
            : null;
        files = options.FilesFolder is { } filesFolder
            ? new LocalBundles(Path.GetFullPath(filesFolder), this.logger)
            : null;
        memory = new MemoryFiles(options.MemoryBytes, time);
        registryPause = new Pause(time, options.LongestPause);
        storePause = new Pause(time, options.LongestPause);
        recheckTicks = (long)(options.RecheckMemoryAfter.TotalSeconds * time.TimestampFrequency);
    }

    /// <summary>Resolves a file.</summary>
    /// <exception cref="TemplateUnresolvedException">No source has it, or it is switched off.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public ValueTask<ResolvedArtifact> ResolveAsync(ArtifactRequest request, CancellationToken ct = default)
    {
        var key = request.Key;
        var shared = key is null ? request : request with { Key = null };
        if (answers.TryGetValue(shared, out var answer) && TryAnswer(answer, key) is { } result)
            return ValueTask.FromResult(result);
        return ResolveSlowlyAsync(shared, key, ct);
    }

    /// <summary>Resolves a prompt and fills it in, with the parts it includes.</summary>
    /// <param name="request">Which.</param>
    /// <param name="values">A value for each variable that the prompt declares.</param>
    /// <param name="ct">Cancels.</param>
    /// <exception cref="PromptRefusedException">A value is missing, or is for a variable that is not declared.</exception>
    /// <exception cref="TemplateUnresolvedException">No source has it, or it is switched off.</exception>
    public async Task<RenderedPrompt> RenderAsync(
        ArtifactRequest request,
        IReadOnlyDictionary<string, string> values,
        CancellationToken ct = default
    )
    {
        var prompt = await ResolveAsync(request, ct);
        var parts = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in PromptText.IncludesOf(prompt.Text))
        {
            if (await PartAsync(prompt, name, request.Locale, ct) is { } part)
                parts[name] = part;
        }
        return PromptText.Render(prompt.Text, prompt.Artifact.Variables, values, parts.GetValueOrDefault) switch
        {
            PromptRendering.Rendered(var text) => new RenderedPrompt(prompt, text),
            PromptRendering.Refused refused => throw new PromptRefusedException(
                $"{prompt.Template}@{prompt.Version} {prompt.Artifact.Path}",
                refused
            ),
            _ => throw new InvalidOperationException("The hierarchy is closed."),
        };
    }

    /// <summary>What the version of a question consists of, without reading any file.</summary>
    /// <exception cref="TemplateUnresolvedException">Nobody can say, or it is switched off.</exception>
    public async Task<TemplateResolution> DescribeAsync(
        TemplateName template,
        string? version,
        CancellationToken ct = default
    )
    {
        var pointer = await PointerAsync(new PointerKey(template.Value, version, options.Environment), template, ct);
        return pointer.Resolution!;
    }

    /// <summary>
    /// Follows the template's events, so that a move is known here as it happens, until the token is cancelled. Without it a move is
    /// known after <see cref="TemplateResolverOptions.RevalidateAfter"/>.
    /// </summary>
    /// <exception cref="PlatenProblemException">There is no such template, or the key may not read it.</exception>
    public async Task FollowAsync(TemplateName template, CancellationToken ct)
    {
        if (registry is null)
            throw new InvalidOperationException(
                "There is no registry to follow: see TemplateResolverOptions.UseRegistry."
            );
        // A burst of events, such as a template's whole past at the beginning, is one reason to ask.
        var changes = Channel.CreateBounded<bool>(
            new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite }
        );
        var asker = AskOnChangeAsync(template, changes.Reader);
        try
        {
            for (var after = 0L; ; changes.Writer.TryWrite(true))
                after = await FollowToGapAsync(template, after, changes.Writer, ct);
        }
        finally
        {
            changes.Writer.Complete();
            await asker;
        }
    }

    /// <summary>
    /// Follows until events after the last one seen are gone, which the server removes in time, and gives the revision to go on
    /// from: what was missed may have been a move.
    /// </summary>
    private async Task<long> FollowToGapAsync(
        TemplateName template,
        long after,
        ChannelWriter<bool> changes,
        CancellationToken ct
    )
    {
        try
        {
            await foreach (var happened in registry!.FollowTemplateAsync(template, after, null, ct))
            {
                after = happened.Revision;
                changes.TryWrite(true);
            }
            return after;
        }
        catch (PlatenProblemException gone)
            when (gone.Slug == "event-cursor-gone"
                && gone.Extensions.TryGetValue("revision", out var head)
                && head.TryGetInt64(out var revision)
                && revision != after
            )
        {
            return revision;
        }
    }

    private async Task AskOnChangeAsync(TemplateName template, ChannelReader<bool> changes)
    {
        await foreach (var _ in changes.ReadAllAsync(CancellationToken.None))
        {
            foreach (var (key, pointer) in pointers)
            {
                if (key.Template != template.Value)
                    continue;
                // A question that is under way may have been answered before the event.
                if (asking.TryGetValue(key, out var before))
                    await before.Value.ContinueWith(static done => done.Exception, TaskScheduler.Default);
                await RevalidateAsync(key, template, pointer);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        var running = asking.Values.Where(one => one.IsValueCreated).Select(one => (Task)one.Value).ToList();
        await Task.WhenAll(running).ContinueWith(static done => done.Exception, TaskScheduler.Default);
        stopping.Dispose();
    }

    private PointerKey KeyOf(ArtifactRequest request) =>
        new(request.Template.Value, request.Version, options.Environment);

    /// <summary>A part of the version that the prompt is of, wherever its channel has moved since; null when it has none.</summary>
    private async Task<string?> PartAsync(ResolvedArtifact prompt, string name, string? locale, CancellationToken ct)
    {
        var (version, all) = prompt.Bundle;
        var parts = all.Where(a =>
                a.IncludedFrom is not null && a.Path.StartsWith($"includes/{name}/", StringComparison.Ordinal)
            )
            .Select(a => a with { IncludedFrom = null });
        if (
            ArtifactSelection.Choose([.. parts], new ArtifactQuery(Locale: locale))
            is not ArtifactChoice.Chosen { Artifact: var part }
        )
            return null;
        var (file, _) = await FileAsync(prompt.Template, version, part, part.CacheName(all), ct);
        return file.Text;
    }

    /// <summary>The answer from memory, or null when it has to be asked for.</summary>
    private ResolvedArtifact? TryAnswer(Answer answer, string? key)
    {
        var pointer = answer.Pointer;
        // Another answer has come in since: what was chosen from this one is chosen again.
        if (pointer.IsReplaced)
            return null;
        var age = pointer.AgeAt(time);
        if (age >= options.Freshness && !pointer.IsStale)
            return null;
        var isCandidate =
            key is not null && answer.Trial is { } trial && TrialSide.IsCandidate(trial.Salt, key, trial.Percentage);
        if ((isCandidate ? answer.Candidate : answer.Live) is not { } side)
            return null;
        // Its bytes had to go when others needed the room.
        if (side.Artifact.Place.Use(time) is not { } file || !IsWhole(side, file))
            return null;
        if (age >= options.RevalidateAfter && registryPause.IsOver)
            RevalidateBeside(side.Artifact.Template, pointer);
        var result = new ResolvedArtifact(side.Artifact, file, ByteSource.Memory, age, pointer.IsStale, key);
        if (logger.IsEnabled(LogLevel.Debug))
            Tell(result, again: true);
        return result;
    }

    /// <summary>Hashes bytes in memory again from time to time while they are used.</summary>
    private bool IsWhole(Loaded loaded, MemoryFile file)
    {
        var now = time.GetTimestamp();
        if (now - loaded.CheckedAt < recheckTicks)
            return true;
        var actual = Digest.Of(file.Bytes);
        if (actual == loaded.Artifact.Digest)
        {
            loaded.CheckedAt = now;
            return true;
        }
        Log.WrongBytes(logger, "memory", actual.ToString(), loaded.Artifact.Digest.ToString());
        memory.Remove(loaded.Artifact.Digest);
        return false;
    }

    private async ValueTask<ResolvedArtifact> ResolveSlowlyAsync(
        ArtifactRequest shared,
        string? key,
        CancellationToken ct
    )
    {
        var pointer = await PointerAsync(KeyOf(shared), shared.Template, ct);
        var resolution = pointer.Resolution!;
        var trial = resolution.Trial;
        var isCandidate =
            key is not null && trial is not null && TrialSide.IsCandidate(trial.Salt, key, trial.Percentage);
        var (loaded, file, source) = await LoadAsync(shared, pointer, isCandidate ? trial : null, ct);
        // A forgotten answer is only asked for again.
        if (answers.Count >= MostAnswers)
            answers.Clear();
        answers.AddOrUpdate(
            shared,
            _ => new Answer(pointer, isCandidate ? null : loaded, isCandidate ? loaded : null, trial),
            (_, before) =>
                before.Pointer != pointer
                    ? new Answer(pointer, isCandidate ? null : loaded, isCandidate ? loaded : null, trial)
                    : new Answer(
                        pointer,
                        isCandidate ? before.Live : loaded,
                        isCandidate ? loaded : before.Candidate,
                        trial
                    )
        );
        var result = new ResolvedArtifact(loaded.Artifact, file, source, pointer.AgeAt(time), pointer.IsStale, key);
        Tell(result, again: false);
        if (result.Deprecation is { } deprecation)
            Log.Deprecated(logger, result.Template.Value, result.Version, deprecation.Reason, deprecation.Successor);
        return result;
    }

    private void Tell(ResolvedArtifact result, bool again)
    {
        var (template, version, path) = (result.Template.Value, result.Version, result.Artifact.Path);
        var digest = result.Digest.ToString();
        if (again)
            Log.ResolvedAgain(
                logger,
                template,
                version,
                path,
                result.Source,
                result.Rule,
                digest,
                result.PointerSource,
                result.Age.TotalSeconds
            );
        else
            Log.Resolved(
                logger,
                template,
                version,
                path,
                result.Source,
                result.Rule,
                digest,
                result.PointerSource,
                result.Age.TotalSeconds
            );
    }

    // ---- which version: the chain of pointers

    private async ValueTask<Pointer> PointerAsync(PointerKey key, TemplateName template, CancellationToken ct)
    {
        if (!pointers.TryGetValue(key, out var known))
            known = await AskAsync(key, template, null).WaitAsync(ct);
        else if (
            known.AgeAt(time) is var age
            && (
                (age >= options.Freshness && !known.IsStale)
                || (age >= options.RevalidateAfter && known.DisabledBecause is not null)
            )
        )
            known = await AskAsync(key, template, known).WaitAsync(ct);
        else if (age >= options.RevalidateAfter)
            _ = RevalidateAsync(key, template, known);
        return known.DisabledBecause is { } because
            ? throw new TemplateUnresolvedException(
                because,
                "Ask the operator who switched it off, or switch it on again.",
                []
            )
            {
                IsDisabled = true,
            }
            : known;
    }

    private void RevalidateBeside(TemplateName template, Pointer pointer)
    {
        if (pointer.TryBeginRevalidation())
            _ = RevalidateAsync(pointer.Key, template, pointer);
    }

    /// <summary>Asks anew beside whoever is served. Nobody waits for it, so what fails is told and kept.</summary>
    private async Task RevalidateAsync(PointerKey key, TemplateName template, Pointer known)
    {
        try
        {
            await AskAsync(key, template, known);
        }
        catch (Exception e) when (e is PlatenException or OperationCanceledException)
        {
            // AskAsync has logged it; what is known stays in use.
        }
        finally
        {
            known.EndRevalidation();
        }
    }

    /// <summary>One question at a time for each key; whoever asks meanwhile gets the same answer.</summary>
    private Task<Pointer> AskAsync(PointerKey key, TemplateName template, Pointer? known)
    {
        var mine = new Lazy<Task<Pointer>>(() => AskOnceAsync(key, template, known));
        return JoinAsync(asking, key, mine);
    }

    /// <summary>The flight that is in the air for the key, or mine. One that has landed is of no use: what it brought may be old.</summary>
    private static Task<T> JoinAsync<TKey, T>(
        ConcurrentDictionary<TKey, Lazy<Task<T>>> flights,
        TKey key,
        Lazy<Task<T>> mine
    )
        where TKey : notnull
    {
        while (true)
        {
            var flight = flights.GetOrAdd(key, mine);
            var task = flight.Value;
            if (ReferenceEquals(flight, mine))
            {
                _ = ForgetAsync(task, () => flights.TryRemove(new KeyValuePair<TKey, Lazy<Task<T>>>(key, mine)));
                return task;
            }
            if (!task.IsCompleted)
                return task;
            flights.TryRemove(new KeyValuePair<TKey, Lazy<Task<T>>>(key, flight));
        }
    }

    private static async Task ForgetAsync(Task task, Action forget)
    {
        await task.ContinueWith(static done => done.Exception, TaskScheduler.Default);
        forget();
    }

    /// <summary>Asks, and asks a busy registry again while nothing else has an answer and patience lasts.</summary>
    private async Task<Pointer> AskOnceAsync(PointerKey key, TemplateName template, Pointer? known)
    {
        var began = time.GetTimestamp();
        while (true)
        {
            try
            {
                return await TryAskAsync(key, template, known);
            }
            catch (TemplateUnresolvedException)
                when (registryPause.BusyFor is { } pause && time.GetElapsedTime(began) < options.Patience)
            {
                await Task.Delay(pause, time, stopped);
            }
        }
    }

    private async Task<Pointer> TryAskAsync(PointerKey key, TemplateName template, Pointer? known)
    {
        var ct = stopped;
        var attempts = ImmutableArray.CreateBuilder<string>();
        if (known is not { PointerSource: PointerSource.Registry })
        {
            // What another process, or this one before it restarted, was told.
            known = await ReadCachedAsync(key, ct);
            if (registry is not null && known?.AgeAt(time) < options.RevalidateAfter)
                return Keep(known);
        }
        var isRefused = false;
        var paused = registryPause.Because;
        if (registry is not null)
        {
            var (told, saysNo) = paused is null
                ? await AskRegistryAsync(key, template, known, attempts, ct)
                : (null, false);
            if (told is not null)
                return Keep(told);
            if (known is not null && !saysNo)
                return known.IsStale ? known : Keep(known.AsStale());
            isRefused = saysNo;
        }
        if (await ReadLocalAsync(key, template, attempts, ct) is { } local)
            return Keep(local);
        // Better what was so than nothing: who wants a version gone for good switches the template off.
        if (known is not null)
            return known.IsStale ? known : Keep(known.AsStale());
        // Nobody else has an answer, so the registry is worth a question whatever it did the last time.
        if (registry is not null && paused is not null)
        {
            attempts.Add("registry: " + paused);
            var (told, saysNo) = await AskRegistryAsync(key, template, known, attempts, ct);
            if (told is not null)
                return Keep(told);
            isRefused = saysNo;
        }
        throw new TemplateUnresolvedException(
            $"Nobody can say which version of '{template}' {key.Version ?? "the default"} is.",
            isRefused
                ? "Ask for a template and a version that the registry has, with a key that may read it."
                : "Give a files folder with its manifest.json, or let the registry be asked (UseRegistry, --remote).",
            attempts.ToImmutable()
        );
    }

    private async Task<Pointer?> ReadCachedAsync(PointerKey key, CancellationToken ct)
    {
        if (cache is null || await cache.ReadPointerAsync(key, ct) is not { } stored)
            return null;
        // Whoever may write the folder must not choose where else files are looked for.
        if (stored.Resolution is { } answer ? !IsSafe(answer) : stored.DisabledBecause is null)
        {
            cache.DropPointer(key, "It has names that no template has.");
            return null;
        }
        _ = EntityTag.TryParse(stored.Tag, out var tag);
        var age = time.GetUtcNow() - stored.FetchedAt;
        // From the future: one of the clocks is wrong, so it is asked again, and still used when nobody answers.
        if (age < TimeSpan.Zero)
            age = options.RevalidateAfter;
        return new Pointer(key, PointerSource.Registry, stored.Resolution, stored.DisabledBecause, tag, age, time);
    }

    /// <summary>What the registry says now; null when it cannot be asked, or says that it has no such version.</summary>
    private async Task<(Pointer? Pointer, bool SaysNo)> AskRegistryAsync(
        PointerKey key,
        TemplateName template,
        Pointer? known,
        ImmutableArray<string>.Builder attempts,
        CancellationToken ct
    )
    {
        var told = known is { PointerSource: PointerSource.Registry } ? known.Tag : default;
        try
        {
            var question = new TemplateQuestion(key.Version, key.Environment);
            var answer = await registry!.ResolveTemplateAsync(template, question, told, ct);
            registryPause.End();
            if (answer is not null)
                RefuseUnsafe(answer.Value);
            var pointer = answer is null
                ? known!.Confirmed(time)
                : new Pointer(key, PointerSource.Registry, answer.Value, null, answer.Tag, TimeSpan.Zero, time);
            await KeepOnDiskAsync(key, pointer, ct);
            return (pointer, false);
        }
        catch (PlatenProblemException e) when (e.Slug == "template-disabled")
        {
            registryPause.End();
            var disabled = new Pointer(key, PointerSource.Registry, null, e.Message, default, TimeSpan.Zero, time);
            await KeepOnDiskAsync(key, disabled, ct);
            return (disabled, false);
        }
        catch (PlatenProblemException e) when (e.Slug is "not-found" or "no-such-version" or "malformed-template-name")
        {
            registryPause.End();
            attempts.Add("registry: " + e.Message);
            return (null, true);
        }
        catch (PlatenException e)
        {
            registryPause.Begin(e);
            Log.RegistryFailed(logger, template.Value, e.Message);
            attempts.Add("registry: " + e.Message);
            return (null, false);
        }
    }

    private static void RefuseUnsafe(TemplateResolution answer)
    {
        if (!IsSafe(answer))
        {
            throw new PlatenAnswerException(
                $"The answer about '{answer.Template}' has names that no template has.",
                "Check that the address is a Platen server's."
            );
        }
    }

    /// <summary>Names in an answer become names of files: whoever answers must not choose where they are.</summary>
    private static bool IsSafe(TemplateResolution answer) =>
        SemVer.TryParse(answer.Version, out _)
        && (answer.Trial is not { } trial || (trial.Salt is not null && SemVer.TryParse(trial.Version, out _)))
        && (answer.Artifacts ?? [])
            .Concat(answer.Trial?.Artifacts ?? [])
            .All(a =>
                a is { Kind: not null, Path: not null }
                && TemplateManifest.IsKind(a.Kind)
                && TemplateManifest.IsPath(a.Path)
                && (a.Locale is null || LanguageTag.TryParse(a.Locale, out _))
            );

    private Task KeepOnDiskAsync(PointerKey key, Pointer pointer, CancellationToken ct) =>
        cache is null
            ? Task.CompletedTask
            : cache.WritePointerAsync(
                key,
                new CachedPointer(
                    time.GetUtcNow(),
                    pointer.Tag.IsNone ? null : pointer.Tag.ToString(),
                    pointer.Resolution,
                    pointer.DisabledBecause
                ),
                ct
            );

    private async Task<Pointer?> ReadLocalAsync(
        PointerKey key,
        TemplateName template,
        ImmutableArray<string>.Builder attempts,
        CancellationToken ct
    )
    {
        if (files is null)
        {
            attempts.Add("files: no folder was given");
            return null;
        }
        var bundles = await files.FindAsync(template, ct);
        var (bundle, rule, why) = ChooseLocal(bundles, key.Version);
        if (bundle is null)
        {
            attempts.Add($"files: {why} in {options.FilesFolder}");
            return null;
        }
        var resolution = new TemplateResolution(
            template.Value,
            null,
            bundle.Version?.ToString() ?? "0.0.0",
            null,
            default,
            rule,
            why,
            null,
            null,
            null,
            null,
            bundle.Artifacts,
            null
        );
        return new Pointer(key, PointerSource.LocalManifest, resolution, null, default, TimeSpan.Zero, time);
    }

    private (LocalBundle? Bundle, string Rule, string Why) ChooseLocal(List<LocalBundle> bundles, string? asked)
    {
        if (bundles.Count == 0)
            return (null, "", "no readable manifest.json of it");
        const string rule = "local-manifest";
        if (string.IsNullOrWhiteSpace(asked))
            return (bundles[0], rule, $"the local manifest says {bundles[0].Version}");
        if (SemVer.TryParse(asked, out var exact))
        {
            if (bundles.Find(b => b.Version == exact) is { } same)
                return (same, rule, $"the local manifest is of {exact}, as asked");
        }
        else if (!char.IsAsciiLetter(asked[0]) && VersionRange.TryParse(asked, out var range))
        {
            var highest = range.MaxSatisfying(bundles.Select(b => b.Version).OfType<SemVer>());
            if (highest is not null && bundles.Find(b => b.Version == highest) is { } best)
                return (best, rule, $"the local manifest is of {highest}, the highest there is in {asked}");
        }
        else
        {
            return (bundles[0], rule, $"the local manifest says {bundles[0].Version}; it knows no channel '{asked}'");
        }
        var there = string.Join(", ", bundles.Select(b => b.Version?.ToString() ?? "one without a version"));
        return options.Mode == ResolveMode.AllowUnpinnedFallback
            ? (bundles[0], "unpinned", $"{asked} is not there; the local manifest has {there}")
            : (null, "", $"{asked} is not there, only {there}");
    }

    private Pointer Keep(Pointer pointer)
    {
        if (pointers.Count >= MostAnswers)
            pointers.Clear();
        if (pointers.TryGetValue(pointer.Key, out var before) && before != pointer)
            before.IsReplaced = true;
        pointers[pointer.Key] = pointer;
        return pointer;
    }

    // ---- its bytes: the chain of files

    private async Task<(Loaded Loaded, MemoryFile File, ByteSource Source)> LoadAsync(
        ArtifactRequest request,
        Pointer pointer,
        TemplateTrial? candidate,
        CancellationToken ct
    )
    {
        var resolution = pointer.Resolution!;
        var all = (candidate is null ? resolution.Artifacts : candidate.Artifacts) ?? [];
        var chosen = ArtifactSelection.Choose(all, request.Query) switch
        {
            ArtifactChoice.Chosen one => one,
            ArtifactChoice.Several several => throw new TemplateUnresolvedException(
                $"{request.Template}: {several.Explanation} ({string.Join(", ", several.Paths)}).",
                "Narrow the request with kind, role or path.",
                []
            ),
            var nothing => throw new TemplateUnresolvedException(
                $"{request.Template}@{candidate?.Version ?? resolution.Version}: {nothing.Explanation}.",
                "Ask for one of the kinds there are.",
                []
            ),
        };
        var version = candidate?.Version ?? resolution.Version;
        var artifact = chosen.Artifact;
        var (rule, why) = candidate is null
            ? (resolution.Rule, resolution.Explanation)
            : (
                "candidate",
                $"the key is among the {candidate.Percentage} % on which '{candidate.Channel}' tries {candidate.Version}"
            );
        var isPinned = rule != "unpinned";
        MemoryFile file;
        ByteSource source;
        try
        {
            (file, source) = await FileAsync(request.Template, version, artifact, artifact.CacheName(all), ct);
        }
        catch (TemplateUnresolvedException) when (options.Mode == ResolveMode.AllowUnpinnedFallback)
        {
            if (await UnpinnedAsync(request, ct) is not { } other)
                throw;
            Log.Unpinned(logger, request.Template.Value, artifact.Digest.ToString());
            (version, artifact, source) = (other.Version, other.Artifact, ByteSource.Files);
            file = memory.Keep(artifact.Digest, other.Bytes);
            (rule, isPinned) = ("unpinned", false);
            why += $"; its bytes are nowhere, so those of the local manifest's {version} are served";
        }
        var loaded = new LoadedArtifact
        {
            Digest = artifact.Digest,
            Place = file.Place,
            Bundle = new Bundle(candidate?.Version ?? resolution.Version, all),
            Template = request.Template,
            Version = version,
            Artifact = artifact,
            Release = pointer.PointerSource == PointerSource.Registry ? candidate?.Release ?? resolution.Release : null,
            PointerSource = pointer.PointerSource,
            Rule = rule,
            Explanation = $"{why}; {chosen.Explanation}",
            IsPinned = isPinned,
            TrialChannel = resolution.Trial?.Channel,
            Deprecation = candidate is null ? resolution.Deprecation : candidate.Deprecation,
        };
        return (new Loaded(loaded) { CheckedAt = time.GetTimestamp() }, file, source);
    }

    private async Task<(MemoryFile File, ByteSource Source)> FileAsync(
        TemplateName template,
        string version,
        TemplateArtifact artifact,
        string cacheName,
        CancellationToken ct
    )
    {
        if (memory.Find(artifact.Digest) is { } here && Digest.Of(here.Bytes) == artifact.Digest)
            return (here, ByteSource.Memory);
        var key = (template.Value, version, artifact.Digest, cacheName);
        var mine = new Lazy<Task<(MemoryFile, ByteSource)>>(() =>
            LoadOnceAsync(template, version, artifact, cacheName)
        );
        return await JoinAsync(loading, key, mine).WaitAsync(ct);
    }

    /// <summary>Looks everywhere, and asks a busy store again while nobody else has the bytes and patience lasts.</summary>
    private async Task<(MemoryFile, ByteSource)> LoadOnceAsync(
        TemplateName template,
        string version,
        TemplateArtifact artifact,
        string cacheName
    )
    {
        var began = time.GetTimestamp();
        while (true)
        {
            try
            {
                return await TryLoadAsync(template, version, artifact, cacheName);
            }
            catch (TemplateUnresolvedException)
                when (options.Mode == ResolveMode.Strict
                    && storePause.BusyFor is { } pause
                    && time.GetElapsedTime(began) < options.Patience
                )
            {
                await Task.Delay(pause, time, stopped);
            }
        }
    }

    private async Task<(MemoryFile, ByteSource)> TryLoadAsync(
        TemplateName template,
        string version,
        TemplateArtifact artifact,
        string cacheName
    )
    {
        var ct = stopped;
        var attempts = ImmutableArray.CreateBuilder<string>();
        if (cache is not null)
        {
            if (await cache.ReadAsync(template.Value, version, cacheName, artifact.Digest, ct) is { } cached)
                return (memory.Keep(artifact.Digest, cached), ByteSource.DiskCache);
            attempts.Add("cache: has no such bytes");
        }
        var paused = storePause.Because;
        if (paused is null && await FetchAsync(template, artifact, attempts, ct) is { } fetched)
            return await KeepAsync(fetched, ByteSource.Store);
        if (files is not null)
        {
            if (await files.ReadAsync(template, version, artifact, ct) is { } local)
                return await KeepAsync(local, ByteSource.Files);
            attempts.Add("files: have no such bytes");
        }
        // Nobody else has them, so the store is worth a question whatever it did the last time.
        if (paused is not null)
        {
            attempts.Add("store: " + paused);
            if (await FetchAsync(template, artifact, attempts, ct) is { } late)
                return await KeepAsync(late, ByteSource.Store);
        }
        throw new TemplateUnresolvedException(
            $"No source has {artifact.Digest}, which is {artifact.Path} of {template}@{version}.",
            "Push the version again, or put its bundle into the files folder.",
            attempts.ToImmutable()
        );

        async Task<(MemoryFile, ByteSource)> KeepAsync(byte[] bytes, ByteSource source)
        {
            if (cache is not null)
                await cache.WriteAsync(template.Value, version, cacheName, artifact.Digest, bytes, ct);
            return (memory.Keep(artifact.Digest, bytes), source);
        }
    }

    private async Task<byte[]?> FetchAsync(
        TemplateName template,
        TemplateArtifact artifact,
        ImmutableArray<string>.Builder attempts,
        CancellationToken ct
    )
    {
        if (registry is null)
            return null;
        try
        {
            var bytes = await registry.GetTemplateBlobAsync(template, artifact.Digest, ct);
            storePause.End();
            return bytes;
        }
        catch (PlatenAnswerException e)
        {
            Log.WrongBytes(logger, "the store's answer", e.Message, artifact.Digest.ToString());
            attempts.Add("store: " + e.Message);
        }
        catch (PlatenProblemException e)
            when (e.Status is not (HttpStatusCode.ServiceUnavailable or HttpStatusCode.TooManyRequests))
        {
            // It answers, so it is not gone; it has not got this.
            storePause.End();
            attempts.Add("store: " + e.Message);
        }
        catch (PlatenException e)
        {
            storePause.Begin(e);
            Log.StoreFailed(logger, template.Value, e.Message);
            attempts.Add("store: " + e.Message);
        }
        return null;
    }

    private async Task<(string Version, TemplateArtifact Artifact, byte[] Bytes)?> UnpinnedAsync(
        ArtifactRequest request,
        CancellationToken ct
    )
    {
        if (files is null)
            return null;
        foreach (var bundle in await files.FindAsync(request.Template, ct))
        {
            if (
                ArtifactSelection.Choose(bundle.Artifacts, request.Query) is ArtifactChoice.Chosen chosen
                && await LocalBundles.ReadAsync(bundle, chosen.Artifact, ct) is { } bytes
            )
            {
                return (
                    bundle.Version?.ToString() ?? "0.0.0",
                    chosen.Artifact with
                    {
                        Digest = Digest.Of(bytes),
                        SizeBytes = bytes.Length,
                    },
                    bytes
                );
            }
        }
        return null;
    }

    /// <summary>What a question led to, until its pointer is replaced.</summary>
    private sealed class Answer(Pointer pointer, Loaded? live, Loaded? candidate, TemplateTrial? trial)
    {
        public Pointer Pointer => pointer;

        public Loaded? Live => live;

        public Loaded? Candidate => candidate;

        public TemplateTrial? Trial => trial;
    }

    private sealed class Loaded(LoadedArtifact artifact)
    {
        public LoadedArtifact Artifact => artifact;

        public long CheckedAt { get; set; }
    }
}
