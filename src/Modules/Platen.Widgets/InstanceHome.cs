using Platen.Kernel;
using Platen.Platform.Channels;

namespace Platen.Widgets;

/// <summary>Where instances of an id's kind are: their table, the scope of their overlays, the subject of their releases.</summary>
internal sealed class InstanceHome
{
    public static readonly InstanceHome Curated = new(
        "widgets.curated_widget_instances",
        "kind",
        "null::timestamptz",
        "'public'",
        "curated"
    );

    public static readonly InstanceHome User = new(
        "widgets.widget_instances",
        "'user'",
        "deleted_at",
        "access",
        "user"
    );

    private InstanceHome(string table, string kind, string deletedAt, string access, string scope)
    {
        Table = table;
        Scope = scope;
        NotDeleted = scope == "user" ? " and deleted_at is null" : "";
        Columns = WithConfig("config::text");
        ColumnsBesideConfig = WithConfig("null");
        SummaryColumns =
            $"public_id, {kind}, widget_type, status, revision, published_revision, updated_at, updated_by_name, {deletedAt}";

        string WithConfig(string config) =>
            $"""
                public_id, {kind}, widget_type, status, base_locale, {config}, config_digest, revision, published_revision,
                created_at, updated_at, updated_by_name, allowed_origins, {deletedAt}, {access}
                """;
    }

    /// <summary>The table, with its schema.</summary>
    public string Table { get; }

    /// <summary>What <see cref="Instance.Read"/> reads.</summary>
    public string Columns { get; }

    /// <summary>As <see cref="Columns"/>, with no config.</summary>
    public string ColumnsBesideConfig { get; }

    /// <summary>What a line of a list is read from.</summary>
    public string SummaryColumns { get; }

    /// <summary><c>curated</c> or <c>user</c>.</summary>
    public string Scope { get; }

    /// <summary>A further condition that leaves out what was deleted.</summary>
    public string NotDeleted { get; }

    public static InstanceHome Of(PublicId id) => id is PublicId.User ? User : Curated;

    public static InstanceHome OfKind(string kind) => kind == "user" ? User : Curated;

    /// <summary>The repository of an instance's releases within its owner.</summary>
    public string SubjectOf(string publicId) => (this == User ? "widgets/" : "curated/") + publicId;

    /// <summary>The channel of an instance that delivery reads.</summary>
    public ChannelKey LiveOf(string publicId) => new(SubjectOf(publicId), "live");

    /// <summary>Whose the rows are, for a session that reads them: curated ones are the platform's, whoever reads.</summary>
    public OwnerId OwnerFor(OwnerId reader) => this == User ? reader : OwnerId.Platform;
}
