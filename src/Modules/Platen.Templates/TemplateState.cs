using System.Collections.Concurrent;
using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Kernel.Versions;
using Platen.Platform.Channels;
using Platen.Platform.Postgres;

namespace Platen.Templates;

/// <summary>
/// All that a resolve of a template needs, as it was at one revision. Shared between requests; what it holds never changes, but for
/// the files of versions, which are read when they are first asked for.
/// </summary>
internal sealed class TemplateState(
    Template template,
    long channelMoves,
    IReadOnlyList<TemplateVersion> versions,
    IReadOnlyDictionary<string, Channel> channels,
    IReadOnlyDictionary<string, Trial> trials
)
{
    private readonly ConcurrentDictionary<SemVer, IReadOnlyList<TemplateArtifact>> files = new();

    public Template Template => template;

    /// <summary>Lowest first.</summary>
    public IReadOnlyList<TemplateVersion> Versions => versions;

    /// <summary>By name, those of versions left out.</summary>
    public IReadOnlyDictionary<string, Channel> Channels => channels;

    /// <summary>Running ones, by channel.</summary>
    public IReadOnlyDictionary<string, Trial> Trials => trials;

    public bool IsOf(long revision, long moves) => template.Revision == revision && channelMoves == moves;

    public TemplateVersion? Find(SemVer version) => versions.FirstOrDefault(v => v.Version == version);

    public TemplateVersion? Find(Digest release) => versions.FirstOrDefault(v => v.Release == release);

    /// <exception cref="ProblemException">The version was removed since the state was read: nothing is not what it consisted of.</exception>
    public async ValueTask<IReadOnlyList<TemplateArtifact>> FilesAsync(
        PostgresPools pools,
        TemplateVersion version,
        CancellationToken ct
    )
    {
        if (files.TryGetValue(version.Version, out var known))
            return known;
        await using var session = await pools.OpenAsync(
            OperationContext.ForSystem(template.Owner, "read template files"),
            ct
        );
        var read = await TemplateVersion.ArtifactsAsync(session, template.Name, version.Version, ct);
        if (read.Count == 0)
        {
            throw TemplateRequests.NoSuchVersion(
                template.Name,
                version.Version.ToString(),
                versions.Where(v => v != version).Select(v => v.Version)
            );
        }
        return files.GetOrAdd(version.Version, read);
    }

    public static async Task<TemplateState> ReadAsync(
        Session session,
        Template template,
        long moves,
        CancellationToken ct
    )
    {
        var versions = await TemplateVersion.ListAsync(session, template.Name, ct);
        var channels = await ChannelsAsync(session, template.Name, ct);
        var trials = new Dictionary<string, Trial>(StringComparer.Ordinal);
        foreach (var channel in channels.Values.Where(c => c.Candidate is not null))
        {
            if (await Trial.RunningAsync(session, template.Name, channel.Key.Name, ct) is { } trial)
                trials[channel.Key.Name] = trial;
        }
        return new TemplateState(template, moves, versions, channels, trials);
    }

    /// <summary>The channels of a template that point somewhere, without those that each version has.</summary>
    public static async Task<Dictionary<string, Channel>> ChannelsAsync(
        Session session,
        TemplateName name,
        CancellationToken ct
    )
    {
        var names = await session.ListAsync(
            """
            select name from platform.channel
            where subject = $1 and revision > 0 and release_digest is not null and name !~ '^[0-9]'
            """,
            row => row.GetString(0),
            ct,
            Sql.Text(name.Subject)
        );
        var channels = await ChannelStore.ListAsync(session, name.Subject, names, ct);
        return channels.ToDictionary(channel => channel.Key.Name, StringComparer.Ordinal);
    }
}

/// <summary>
/// The states that this process has read. Each request asks the database for two numbers, which tell whether the state in
/// memory still holds: a move is seen by the next request on every node, and nobody has to be told.
/// </summary>
internal sealed class TemplateStates
{
    private readonly ConcurrentDictionary<(OwnerId, string), TemplateState> states = new();

    // After a move everybody asks at once: one reads, the others wait for it.
    private readonly ConcurrentDictionary<(OwnerId, string, long, long), Lazy<Task<TemplateState>>> reading = new();

    /// <summary>The template as the session's owner has it now, or null.</summary>
    public async Task<TemplateState?> FindAsync(Session session, TemplateName name, CancellationToken ct)
    {
        var now = await NumbersAsync(session, name, ct);
        if (now is null)
            return null;
        var key = (session.Context.Owner, name.Value);
        if (states.TryGetValue(key, out var known) && known.IsOf(now.Revision, now.Moves))
            return known;
        var read = await ReadTogetherAsync(session, name, now.Revision, now.Moves, ct);
        // Bounded, not clever: a process that serves more templates than this reads some of them more often.
        if (states.Count >= TemplatesLimits.Snapshots)
            states.Clear();
        states[key] = read;
        return read;
    }

    private async Task<TemplateState> ReadTogetherAsync(
        Session session,
        TemplateName name,
        long revision,
        long moves,
        CancellationToken ct
    )
    {
        var key = (session.Context.Owner, name.Value, revision, moves);
        var mine = new Lazy<Task<TemplateState>>(() => ReadAsync(session, name, moves, ct));
        var flight = reading.GetOrAdd(key, mine);
        if (ReferenceEquals(flight, mine))
        {
            try
            {
                return await mine.Value;
            }
            finally
            {
                reading.TryRemove(key, out _);
            }
        }
        // Whoever read it may have been cancelled, or lost its connection: that is no reason for anybody else to fail.
        await flight.Value.ContinueWith(static done => done.Exception, TaskScheduler.Default).WaitAsync(ct);
        return flight.Value.IsCompletedSuccessfully ? await flight.Value : await ReadAsync(session, name, moves, ct);
    }

    /// <summary>
    /// Reads the state as it was at one moment. Each statement sees what was committed before it, so the two numbers are asked for once
    /// more at the end; if anything has moved, everybody who moves something waits while it is read again.
    /// </summary>
    private static async Task<TemplateState> ReadAsync(
        Session session,
        TemplateName name,
        long moves,
        CancellationToken ct
    )
    {
        var template = await Template.FindAsync(session, name, ct);
        var read = await TemplateState.ReadAsync(session, template!, moves, ct);
        var (revision, movesNow) = (await NumbersAsync(session, name, ct))!;
        if (read.IsOf(revision, movesNow))
            return read;
        template = await Template.HoldAsync(session, name, ct);
        (_, moves) = (await NumbersAsync(session, name, ct))!;
        return await TemplateState.ReadAsync(session, template!, moves, ct);
    }

    private static Task<Numbers?> NumbersAsync(Session session, TemplateName name, CancellationToken ct) =>
        session.FirstAsync(
            """
            select t.revision, coalesce((select sum(c.revision)::bigint from platform.channel c
                                         where c.owner = t.owner and c.subject = t.subject), 0)
            from templates.template t where t.name = $1
            """,
            row => new Numbers(row.GetInt64(0), row.GetInt64(1)),
            ct,
            Sql.Text(name.Value)
        );

    /// <summary>What grows with everything that changes a state.</summary>
    private sealed record Numbers(long Revision, long Moves);
}
