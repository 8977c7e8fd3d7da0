using System.Globalization;
using System.Text.Json;
using Npgsql;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Kernel.Versions;
using Platen.Platform.Channels;
using Platen.Platform.Events;
using Platen.Platform.Postgres;

namespace Platen.Templates;

/// <summary>Where a version stands: a draft may be replaced, a stable one never, a deprecated one warns.</summary>
internal static class VersionStatus
{
    public const string Draft = "draft";
    public const string Stable = "stable";
    public const string Deprecated = "deprecated";
}

/// <summary>A template as it stands in its table.</summary>
internal sealed record Template(
    OwnerId Owner,
    TemplateName Name,
    string Description,
    bool Enabled,
    long Revision,
    string CreatedBy,
    DateTimeOffset CreatedAt,
    DateTimeOffset UpdatedAt,
    string UpdatedBy
)
{
    public const string Columns =
        "owner, name, description, enabled, revision, created_by_name, created_at, updated_at, updated_by_name";

    /// <summary>What the audit log has of the template's own facts.</summary>
    public Digest? ContentDigest => DigestOf(Description, Enabled);

    public static Digest? DigestOf(string description, bool enabled) => AuditLog.DigestOf(new { description, enabled });

    /// <summary>The entity tag of the template's own facts.</summary>
    public string Tag => Precondition.TagOf(Revision);

    public static Template Read(NpgsqlDataReader row) =>
        new(
            new OwnerId(row.GetGuid(0)),
            TemplateName.Parse(row.GetString(1)),
            row.GetString(2),
            row.GetBoolean(3),
            row.GetInt64(4),
            row.GetString(5),
            row.GetFieldValue<DateTimeOffset>(6),
            row.GetFieldValue<DateTimeOffset>(7),
            row.GetString(8)
        );

    public static Task<Template?> FindAsync(Session session, TemplateName name, CancellationToken ct) =>
        session.FirstAsync($"select {Columns} from templates.template where name = $1", Read, ct, Sql.Text(name.Value));

    /// <summary>As <see cref="FindAsync"/>, and holds off other writers of the template until the session ends.</summary>
    public static Task<Template?> LockAsync(Session session, TemplateName name, CancellationToken ct) =>
        session.FirstAsync(
            $"select {Columns} from templates.template where name = $1 for update",
            Read,
            ct,
            Sql.Text(name.Value)
        );

    /// <summary>As <see cref="FindAsync"/>, and holds off writers of the template, but no readers, until the session ends.</summary>
    public static Task<Template?> HoldAsync(Session session, TemplateName name, CancellationToken ct) =>
        session.FirstAsync(
            $"select {Columns} from templates.template where name = $1 for share",
            Read,
            ct,
            Sql.Text(name.Value)
        );

    /// <summary>
    /// Says that what a resolve answers may have changed: a new revision, an event, an entry of the audit log. Last in its
    /// transaction.
    /// </summary>
    public static async Task<long> TouchAsync(
        Session session,
        TemplateName name,
        string eventType,
        object data,
        CancellationToken ct,
        Digest? before = null,
        Digest? after = null
    )
    {
        var revision = await session.FirstAsync(
            """
            update templates.template
            set revision = revision + 1, updated_at = clock_timestamp(), updated_by_name = $2
            where name = $1
            returning revision
            """,
            row => row.GetInt64(0),
            ct,
            Sql.Text(name.Value),
            Sql.Text(session.Context.Actor.Name)
        );
        await EventLog.AppendAsync(
            session,
            TemplateEvents.Stream(name),
            eventType,
            JsonSerializer.SerializeToUtf8Bytes(data, JsonSerializerOptions.Web),
            ct
        );
        await AuditLog.RecordAsync(session, eventType, name.Stream, before, after, data, ct);
        return revision;
    }
}

/// <summary>A version as it stands in its table.</summary>
internal sealed record TemplateVersion(
    TemplateName Template,
    SemVer Version,
    Digest Release,
    string Status,
    string? Changelog,
    DateTimeOffset? DeprecatedAt,
    string? DeprecationReason,
    string? Successor,
    DateTimeOffset? SunsetAt,
    long Revision,
    string CreatedBy,
    DateTimeOffset CreatedAt,
    DateTimeOffset UpdatedAt
)
{
    public const string Columns = """
        template, semver, release_digest, status, changelog, deprecated_at, deprecation_reason, successor, sunset_at, revision,
        created_by_name, created_at, updated_at
        """;

    public string Tag => Precondition.TagOf(Revision);

    /// <summary>What the audit log has of it.</summary>
    public Digest? ContentDigest =>
        AuditLog.DigestOf(
            new
            {
                release = Release.ToString(),
                status = Status,
                changelog = Changelog,
                deprecationReason = DeprecationReason,
                successor = Successor,
                sunsetAt = SunsetAt,
            }
        );

    /// <summary>
    /// Withdraws a release that no version has any more, so that a collection takes its bytes once its grace is over. Committing it again
    /// brings it back.
    /// </summary>
    public static Task LetGoAsync(Session session, TemplateName name, Digest release, CancellationToken ct) =>
        session.ExecuteAsync(
            """
            update platform.release set withdrawn_at = clock_timestamp()
            where subject = $1 and digest = $2 and withdrawn_at is null
                and not exists (select from templates.template_version where template = $3 and release_digest = $2)
            """,
            ct,
            Sql.Text(name.Subject),
            Sql.Digest(release),
            Sql.Text(name.Value)
        );

    public static TemplateVersion Read(NpgsqlDataReader row) =>
        new(
            TemplateName.Parse(row.GetString(0)),
            SemVer.Parse(row.GetString(1)),
            Digest.Parse(row.GetString(2)),
            row.GetString(3),
            row.IsDBNull(4) ? null : row.GetString(4),
            row.IsDBNull(5) ? null : row.GetFieldValue<DateTimeOffset>(5),
            row.IsDBNull(6) ? null : row.GetString(6),
            row.IsDBNull(7) ? null : row.GetString(7),
            row.IsDBNull(8) ? null : row.GetFieldValue<DateTimeOffset>(8),
            row.GetInt64(9),
            row.GetString(10),
            row.GetFieldValue<DateTimeOffset>(11),
            row.GetFieldValue<DateTimeOffset>(12)
        );

    public static Task<TemplateVersion?> FindAsync(
        Session session,
        TemplateName name,
        SemVer version,
        CancellationToken ct
    ) =>
        session.FirstAsync(
            $"select {Columns} from templates.template_version where template = $1 and semver = $2",
            Read,
            ct,
            Sql.Text(name.Value),
            Sql.Text(version.ToString())
        );

    public static Task<TemplateVersion?> OfReleaseAsync(
        Session session,
        TemplateName name,
        Digest release,
        CancellationToken ct
    ) =>
        session.FirstAsync(
            $"select {Columns} from templates.template_version where template = $1 and release_digest = $2",
            Read,
            ct,
            Sql.Text(name.Value),
            Sql.Digest(release)
        );

    /// <summary>Every version, lowest first. A template has thousands at most: <see cref="TemplatesLimits.Versions"/>.</summary>
    public static async Task<List<TemplateVersion>> ListAsync(Session session, TemplateName name, CancellationToken ct)
    {
        var versions = await session.ListAsync(
            $"select {Columns} from templates.template_version where template = $1 limit $2",
            Read,
            ct,
            Sql.Text(name.Value),
            Sql.Int(TemplatesLimits.Versions)
        );
        versions.Sort((a, b) => a.Version.CompareTo(b.Version));
        return versions;
    }

    /// <summary>The files of a version, in the order of its manifest, included ones last.</summary>
    public static async Task<List<TemplateArtifact>> ArtifactsAsync(
        Session session,
        TemplateName name,
        SemVer version,
        CancellationToken ct
    ) =>
        await session.ListAsync(
            """
            select a.kind, a.path, p.role, a.locale, a.content_type, a.sha256, a.size_bytes, p.variables::text, a.included_from
            from templates.artifact a
            left join templates.prompt p
                on p.owner = a.owner and p.template = a.template and p.semver = a.semver and p.path = a.path
            where a.template = $1 and a.semver = $2
            order by a.position
            """,
            row => new TemplateArtifact(
                row.GetString(0),
                row.GetString(1),
                row.IsDBNull(2) ? null : row.GetString(2),
                row.IsDBNull(3) ? null : row.GetString(3),
                row.GetString(4),
                Digest.Parse(row.GetString(5)),
                row.GetInt64(6),
                row.IsDBNull(7)
                    ? []
                    :
                    [
                        .. JsonSerializer.Deserialize<List<PromptVariable>>(
                            row.GetString(7),
                            JsonSerializerOptions.Web
                        )!,
                    ],
                row.IsDBNull(8) ? null : row.GetString(8)
            ),
            ct,
            Sql.Text(name.Value),
            Sql.Text(version.ToString())
        );
}

/// <summary>What requests have in common.</summary>
internal static class TemplateRequests
{
    public static TemplateName ParseName(string text) =>
        TemplateName.TryParse(text, out var name)
            ? name
            : throw TemplatesProblems
                .MalformedTemplateName.Because($"'{Shorten(text)}' is not a template's name.")
                .AsException();

    public static SemVer ParseVersion(string text) =>
        TemplateManifest.TryParseVersion(text, out var version)
            ? version
            : throw TemplatesProblems.MalformedVersion.Because($"'{Shorten(text)}' is not a version.").AsException();

    public static string ParseChannel(string text) =>
        ChannelNames.IsValid(text)
            ? text
            : throw KernelProblems
                .Malformed.Because(
                    "A channel's name begins with a letter, goes on with letters, digits, '.', '_' and '-', and is neither a version nor a range."
                )
                .AsException();

    public static ProblemException NotFound(TemplateName name) =>
        KernelProblems.NotFound.Because($"There is no template '{name}'.").AsException();

    public static ProblemException NoSuchVersion(TemplateName name, string version, IEnumerable<SemVer> versions)
    {
        var known = versions.OrderDescending().Take(20).Select(v => v.ToString()).ToList();
        return TemplatesProblems
            .NoSuchVersion.Because(
                known.Count == 0
                    ? $"'{name}' has no version yet."
                    : $"'{name}' has no version '{Shorten(version)}'; it has {string.Join(", ", known)}."
            )
            .AsException();
    }

    /// <summary>Refuses a reason that cannot be kept.</summary>
    public static string? CheckReason(string? reason)
    {
        if (
            reason is not null
            && (reason.Length > Limits.ReasonLength || reason.Contains('\0', StringComparison.Ordinal))
        )
        {
            throw KernelProblems
                .Invalid.Because(
                    "The reason cannot be kept.",
                    [new Fault("/reason", $"At most {Limits.ReasonLength} characters, and not U+0000.")]
                )
                .AsException();
        }
        return reason;
    }

    /// <summary>The caller's own template, or the platform's when the caller has none of that name.</summary>
    public static IEnumerable<OperationContext> Owners(Caller caller, string reason)
    {
        yield return caller.Operation(reason);
        if (!caller.Owner.IsPlatform)
            yield return new OperationContext(caller.Actor, OwnerId.Platform, reason);
    }

    public static ChannelKey Channel(TemplateName name, string channel) => new(name.Subject, channel);

    private static string Shorten(string text) =>
        text.Length <= 80 ? text : string.Create(CultureInfo.InvariantCulture, $"{text.AsSpan(0, 80)}…");
}
