using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Kernel.Versions;
using Platen.Platform.Channels;
using Platen.Platform.Postgres;

namespace Platen.Templates;

/// <summary>
/// The channels that follow the versions and nobody moves by hand: one for each version (an OCI tag that any client can
/// pull), <c>latest</c> and <c>stable</c>. A deprecated version is left only for one that is not: consumers never lose what they have.
/// </summary>
internal static class VersionChannels
{
    /// <summary>Points a channel at a release, wherever it pointed before. The template's row is locked by the caller.</summary>
    /// <returns>The channel's revision; null when it pointed there already.</returns>
    public static async Task<long?> PointAsync(
        Session session,
        TemplateName name,
        string channel,
        Digest release,
        CancellationToken ct
    )
    {
        var key = TemplateRequests.Channel(name, channel);
        var now = await ChannelStore.FindAsync(session, key, ct);
        if (now?.Release == release)
            return null;
        return await ChannelStore.MoveAsync(session, key, now?.Revision ?? 0, release, ct) is ChannelMove.Moved moved
            ? moved.Revision
            : throw KernelProblems
                .StaleVersion.Because($"The channel '{channel}' of '{name}' was moved just now.")
                .AsException();
    }

    /// <summary>Points <c>latest</c> and <c>stable</c> where the versions say, in the order of the channels' names.</summary>
    public static async Task FollowAsync(Session session, TemplateName name, CancellationToken ct)
    {
        var versions = await TemplateVersion.ListAsync(session, name, ct);
        if (Highest(versions, withPrereleases: true) is { } latest)
            await FollowAsync(session, name, ChannelNames.Latest, latest, versions, ct);
        if (Highest(versions, withPrereleases: false) is { } stable)
            await FollowAsync(session, name, ChannelNames.Stable, stable, versions, ct);
    }

    private static async Task FollowAsync(
        Session session,
        TemplateName name,
        string channel,
        TemplateVersion to,
        List<TemplateVersion> versions,
        CancellationToken ct
    )
    {
        var before = await ChannelStore.FindAsync(session, TemplateRequests.Channel(name, channel), ct);
        if (await PointAsync(session, name, channel, to.Release, ct) is not { } revision)
            return;
        var previous = versions.Find(v => v.Release == before?.Release);
        await TellOfMove.RunAsync(
            session,
            name,
            channel,
            to.Version.ToString(),
            previous?.Version.ToString(),
            null,
            0,
            revision,
            ct
        );
    }

    private static TemplateVersion? Highest(List<TemplateVersion> versions, bool withPrereleases)
    {
        var candidates = versions.Where(v =>
            v.Status != VersionStatus.Draft && (withPrereleases || !v.Version.IsPrerelease)
        );
        return candidates
            .OrderByDescending(v => v.Status == VersionStatus.Stable)
            .ThenByDescending(v => v.Version, Comparer<SemVer>.Create((a, b) => a.ComparePrecedence(b)))
            .FirstOrDefault();
    }
}
