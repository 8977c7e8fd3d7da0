using Npgsql;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Widgets;

/// <summary>What a server is for: which kinds of instances are written on it. See docs/operating/stages.md.</summary>
public enum StageProfile
{
    /// <summary>Everything on one machine.</summary>
    Standalone,

    /// <summary>Curated content is written here; user instances cannot exist here.</summary>
    Authoring,

    /// <summary>Curated content arrives by publish only; user instances live here.</summary>
    Cloud,
}

/// <summary>A database that cannot serve as the profile asked for; the message says why.</summary>
public sealed class StageException(string message) : Exception(message);

/// <summary>The profile of this server, and what it refuses. The database refuses the same by itself.</summary>
public sealed class Stage(StageProfile profile)
{
    /// <summary>What this server is for.</summary>
    public StageProfile Profile { get; } = profile;

    /// <summary>The printed name.</summary>
    public string Name => NameOf(Profile);

    /// <summary>Reads a printed name.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is none of the three.</exception>
    public static Stage Named(string name) =>
        new(
            name switch
            {
                "standalone" => StageProfile.Standalone,
                "authoring" => StageProfile.Authoring,
                "cloud" => StageProfile.Cloud,
                _ => throw new ArgumentOutOfRangeException(nameof(name), name, "standalone, authoring or cloud"),
            }
        );

    /// <summary>
    /// Binds the database to the profile. It may change as long as no row forbids it: a database with user instances cannot
    /// become an authoring one.
    /// </summary>
    /// <exception cref="StageException">A row forbids it.</exception>
    public static async Task BindDatabaseAsync(PostgresPools pools, string profile, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(
            OperationContext.ForSystem(OwnerId.Platform, "bind the stage"),
            ct
        );
        var bound = await session.FirstAsync(
            "select profile from widgets.stage for update",
            row => row.GetString(0),
            ct
        );
        if (bound == profile)
            return;
        try
        {
            await session.ExecuteAsync(
                "update widgets.stage set profile = $1, bound_at = clock_timestamp()",
                ct,
                Sql.Text(profile)
            );
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.CheckViolation)
        {
            throw new StageException(
                $"PLATEN_PROFILE is {profile}, but this database is bound to '{bound}' and has user instances, which never live "
                    + "where curated content is authored. Use a database of its own for authoring, or write the profile it has."
            );
        }
        await session.CommitAsync(ct);
    }

    /// <summary>Refuses a write of this kind of content here, whoever asks.</summary>
    internal void RefuseWrite(PublicId id)
    {
        switch (Profile, id)
        {
            case (StageProfile.Authoring, PublicId.User):
                throw WidgetsProblems
                    .NoUserInstancesHere.Because($"This is an authoring server, and '{id}' is a user instance.")
                    .AsException();
            case (StageProfile.Cloud, not PublicId.User):
                throw WidgetsProblems
                    .CuratedArrivesByPublish.Because($"This is a cloud, where '{id}' can only be published to.")
                    .AsException();
        }
    }

    /// <summary>
    /// Lets the session's transaction write curated content on a cloud as well: for what was published to it, and for going back
    /// among that. The session still has to be a publisher's.
    /// </summary>
    internal async Task OpenIntakeAsync(Session session, CancellationToken ct)
    {
        if (Profile == StageProfile.Cloud)
            await session.ExecuteAsync("select set_config('platen.intake', 'on', true)", ct);
    }

    private static string NameOf(StageProfile profile) =>
        profile switch
        {
            StageProfile.Authoring => "authoring",
            StageProfile.Cloud => "cloud",
            _ => "standalone",
        };
}
