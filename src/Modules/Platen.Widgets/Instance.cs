using System.Collections.Immutable;
using System.Text.Json;
using Npgsql;
using Platen.Access;
using Platen.Kernel;
using Platen.Kernel.Languages;
using Platen.Platform.Channels;
using Platen.Platform.Postgres;

namespace Platen.Widgets;

/// <summary>What the author wants shown: <c>published</c> as it is, <c>unpublished</c> never, <c>deprecated</c> replaced by its baseline.</summary>
internal static class InstanceStatus
{
    public const string Published = "published";
    public const string Unpublished = "unpublished";
    public const string Deprecated = "deprecated";
}

/// <summary>Who sees what is published: <c>public</c> everybody, <c>token</c> who has an embed token for it.</summary>
internal static class InstanceVisibility
{
    public const string Public = "public";
    public const string Token = "token";
}

/// <summary>An instance as it stands in its table.</summary>
/// <param name="Config">Undefined when it was read by <see cref="LockToReplace"/>.</param>
internal sealed record Instance(
    string PublicId,
    string Kind,
    string WidgetType,
    string Status,
    string BaseLocale,
    JsonElement Config,
    Digest ConfigDigest,
    long Revision,
    long? PublishedRevision,
    DateTimeOffset CreatedAt,
    DateTimeOffset UpdatedAt,
    string UpdatedBy,
    ImmutableArray<string> AllowedOrigins,
    DateTimeOffset? DeletedAt = null,
    string Access = InstanceVisibility.Public
)
{
    /// <summary>The entity tag of this version.</summary>
    public string Tag => Precondition.TagOf(Revision);

    public InstanceHome Home => InstanceHome.OfKind(Kind);

    /// <summary>The OCI repository of its releases.</summary>
    public string Subject => Home.SubjectOf(PublicId);

    /// <summary>The channel that delivery reads.</summary>
    public ChannelKey Live => Home.LiveOf(PublicId);

    public static Instance Read(NpgsqlDataReader row) =>
        new(
            row.GetString(0),
            row.GetString(1),
            row.GetString(2),
            row.GetString(3),
            row.GetString(4),
            row.IsDBNull(5) ? default : JsonElement.Parse(row.GetString(5)),
            Digest.Parse(row.GetString(6)),
            row.GetInt64(7),
            row.IsDBNull(8) ? null : row.GetInt64(8),
            row.GetFieldValue<DateTimeOffset>(9),
            row.GetFieldValue<DateTimeOffset>(10),
            row.GetString(11),
            [.. row.GetFieldValue<string[]>(12)],
            row.IsDBNull(13) ? null : row.GetFieldValue<DateTimeOffset>(13),
            row.GetString(14)
        );

    /// <summary>The current version of an instance, or null; what was deleted is not there.</summary>
    public static Task<Instance?> FindAsync(Session session, PublicId id, CancellationToken ct) =>
        session.FirstAsync(Find(id), ct);

    /// <summary>Finds the current version of an instance; what was deleted is not there.</summary>
    public static Query<Instance> Find(PublicId id) => Select(id, InstanceHome.Of(id).NotDeleted);

    /// <summary>As <see cref="FindAsync"/>, and holds off other writers of the row until the session ends.</summary>
    public static Task<Instance?> LockAsync(Session session, PublicId id, CancellationToken ct) =>
        session.FirstAsync(Lock(id), ct);

    /// <summary>As <see cref="Find"/>, and holds off other writers of the row until the session ends.</summary>
    public static Query<Instance> Lock(PublicId id) => Select(id, InstanceHome.Of(id).NotDeleted + " for update");

    /// <summary>As <see cref="Lock"/>, without the config, for who brings another.</summary>
    public static Query<Instance> LockToReplace(PublicId id) =>
        Select(id, InstanceHome.Of(id).NotDeleted + " for update", InstanceHome.Of(id).ColumnsBesideConfig);

    /// <summary>As <see cref="LockAsync"/>, for one that was deleted and is not gone yet.</summary>
    public static Task<Instance?> LockDeletedAsync(Session session, PublicId.User id, CancellationToken ct) =>
        session.FirstAsync(Select(id, " and deleted_at is not null for update"), ct);

    // The owner is named beside the policy that holds anyway: it begins the key.
    private static Query<Instance> Select(PublicId id, string rest, string? columns = null)
    {
        var home = InstanceHome.Of(id);
        var owned = id is PublicId.User ? "owner = platform.current_owner() and " : "";
        return new Query<Instance>(
            $"select {columns ?? home.Columns} from {home.Table} where {owned}public_id = $1{rest}",
            Read,
            Sql.Text(id.ToString())
        );
    }
}

/// <summary>What every request about an instance begins with.</summary>
internal static class InstanceRequests
{
    /// <summary>The id in an address.</summary>
    /// <exception cref="ProblemException"><see cref="WidgetsProblems.MalformedPublicId"/>.</exception>
    public static PublicId ParseId(string text) =>
        PublicId.TryParse(text, out var id)
            ? id
            : throw WidgetsProblems
                .MalformedPublicId.Because(
                    $"'{(text.Length <= 100 ? text : text[..100] + "…")}' has none of the three forms."
                )
                .AsException();

    /// <summary>The context of a write: the workspace's own, or for curated content a publisher's.</summary>
    /// <exception cref="ProblemException"><see cref="WidgetsProblems.NeedsPublisher"/> or <see cref="WidgetsProblems.NeedsWorkspace"/>.</exception>
    public static OperationContext Writer(Caller caller, PublicId id, string reason)
    {
        var operation = caller.Operation(reason);
        if (id is PublicId.User)
        {
            return operation.Owner.IsPlatform
                ? throw WidgetsProblems
                    .NeedsWorkspace.Because($"'{id}' is a user instance, and nobody has it yet.")
                    .AsException()
                : operation;
        }
        return operation.MayPublishCurated
            ? operation
            : throw WidgetsProblems.NeedsPublisher.Because($"The key '{caller.Actor.Name}' is not one.").AsException();
    }

    public static LanguageTag ParseLocale(string text, string pointer) =>
        LanguageTag.TryParse(text, out var tag)
            ? tag
            : throw KernelProblems
                .Invalid.Because(
                    $"'{text}' is not a language tag.",
                    [new Fault(pointer, "Use a BCP 47 language tag such as en, de or pt-BR.")]
                )
                .AsException();

    public static ProblemException NotFound(PublicId id) =>
        KernelProblems.NotFound.Because($"There is no instance '{id}'.").AsException();
}
