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

/// <summary>A curated instance as it stands in its table.</summary>
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
    ImmutableArray<string> AllowedOrigins
)
{
    /// <summary>The entity tag of this version.</summary>
    public string Tag => Precondition.TagOf(Revision);

    /// <summary>The OCI repository of its releases.</summary>
    public string Subject => SubjectOf(PublicId);

    /// <summary>The channel that delivery reads.</summary>
    public ChannelKey Live => new(Subject, "live");

    public static string SubjectOf(string publicId) => "curated/" + publicId;

    public const string Columns = """
        public_id, kind, widget_type, status, base_locale, config::text, config_digest, revision, published_revision,
        created_at, updated_at, updated_by_name, allowed_origins
        """;

    public static Instance Read(NpgsqlDataReader row) =>
        new(
            row.GetString(0),
            row.GetString(1),
            row.GetString(2),
            row.GetString(3),
            row.GetString(4),
            JsonElement.Parse(row.GetString(5)),
            Digest.Parse(row.GetString(6)),
            row.GetInt64(7),
            row.IsDBNull(8) ? null : row.GetInt64(8),
            row.GetFieldValue<DateTimeOffset>(9),
            row.GetFieldValue<DateTimeOffset>(10),
            row.GetString(11),
            [.. row.GetFieldValue<string[]>(12)]
        );

    /// <summary>The current version of an instance, or null.</summary>
    public static Task<Instance?> FindAsync(Session session, PublicId id, CancellationToken ct) =>
        session.FirstAsync(
            $"select {Columns} from widgets.curated_widget_instances where public_id = $1",
            Read,
            ct,
            Sql.Text(id.ToString())
        );

    /// <summary>As <see cref="FindAsync"/>, and holds off other writers of the row until the session ends.</summary>
    public static Task<Instance?> LockAsync(Session session, PublicId id, CancellationToken ct) =>
        session.FirstAsync(
            $"select {Columns} from widgets.curated_widget_instances where public_id = $1 for update",
            Read,
            ct,
            Sql.Text(id.ToString())
        );
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

    /// <summary>Only curated and baseline ids are in the platform's table; a user id needs its workspace's key.</summary>
    /// <exception cref="ProblemException"><see cref="WidgetsProblems.NeedsWorkspace"/>.</exception>
    public static PublicId ParseCuratedId(string text) =>
        ParseId(text) is var id and not PublicId.User
            ? id
            : throw WidgetsProblems.NeedsWorkspace.Because($"'{text}' is a user instance.").AsException();

    /// <summary>The context of a write to curated content.</summary>
    /// <exception cref="ProblemException"><see cref="WidgetsProblems.NeedsPublisher"/>.</exception>
    public static OperationContext Publisher(Caller caller, string reason)
    {
        var operation = caller.Operation(reason);
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
