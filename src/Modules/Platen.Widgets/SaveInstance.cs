using System.Collections.Immutable;
using System.Text.Json;
using Npgsql;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Platform.Events;
using Platen.Platform.Postgres;
using Platen.Widgets.Packages;

namespace Platen.Widgets;

/// <summary>Creates or changes an instance. Saving what is there already writes nothing and keeps the revision.</summary>
internal sealed class SaveInstance(PostgresPools pools, WidgetRegistry registry)
{
    /// <param name="AllowedOrigins">Sites that may show it; empty for every site, null for those it has.</param>
    /// <param name="Access"><c>public</c>, or <c>token</c>: who has an embed token for it. Null for what it has.</param>
    public sealed record Body(
        string WidgetType,
        JsonElement Config,
        string? Status = null,
        string? BaseLocale = null,
        IReadOnlyList<string>? AllowedOrigins = null,
        string? Access = null
    );

    /// <param name="Detail">As it is now, seen in the transaction that saved it.</param>
    /// <param name="Created">Whether it was not there before.</param>
    public sealed record Outcome(InstanceDetail Detail, bool Created);

    public async Task<Outcome> RunAsync(
        Caller caller,
        PublicId id,
        Body body,
        Precondition precondition,
        CancellationToken ct
    )
    {
        var operation = InstanceRequests.Writer(caller, id, "save instance");
        var wanted = Validate(id, body);

        await using var session = await pools.OpenAsync(operation, ct);
        var before = await InstanceDetail.FindAsync(session, id, Instance.LockToReplace(id), ct);
        var current = before?.Instance;
        precondition.Check(current?.Tag);
        // To open it to every site is something that is said, not something left out.
        if (body.AllowedOrigins is null && current is not null)
            wanted = wanted with { AllowedOrigins = current.AllowedOrigins };
        if (body.Access is null && current is not null)
            wanted = wanted with { Access = current.Access };
        if (before?.Locales.Contains(wanted.BaseLocale, StringComparer.Ordinal) ?? false)
        {
            throw KernelProblems
                .Conflict.Because(
                    $"'{wanted.BaseLocale}' has an overlay; remove that before it becomes the base locale."
                )
                .AsException();
        }
        // What is live of it was read with the lock, and a save does not change it unless it ends it.
        if (before is not null && wanted.Status != InstanceStatus.Unpublished)
        {
            var saved = await UpdateAndCommitAsync(session, before.Instance, wanted, ct);
            return new Outcome(before with { Instance = saved }, Created: false);
        }
        if (current is null)
            await InsertAsync(session, id, wanted, ct);
        else if (!Same(current, wanted))
            await UnpublishAsync(session, current, wanted, ct);
        var detail = await InstanceDetail.FindAsync(session, id, Instance.Find(id), ct);
        await session.CommitAsync(ct);
        return new Outcome(detail!, Created: current is null);
    }

    private Wanted Validate(PublicId id, Body body)
    {
        var faults = new List<Fault>();
        var package = registry.Find(body.WidgetType);
        if (id is PublicId.Baseline baseline && baseline.Type != package.Type)
            faults.Add(new Fault("/widgetType", $"'{id}' is the baseline of {baseline.Type}, so its type is that."));
        if (id is PublicId.User user && user.Type != package.Type)
            faults.Add(new Fault("/widgetType", $"'{id}' says that it is a {user.Type}, so its type is that."));
        var status = body.Status ?? InstanceStatus.Published;
        if (status is not (InstanceStatus.Published or InstanceStatus.Unpublished or InstanceStatus.Deprecated))
            faults.Add(new Fault("/status", "Must be published, unpublished or deprecated."));
        var locale = InstanceRequests.ParseLocale(body.BaseLocale ?? "en", "/baseLocale");

        var access = body.Access ?? InstanceVisibility.Public;
        if (access is not (InstanceVisibility.Public or InstanceVisibility.Token))
            faults.Add(new Fault("/access", "Must be public or token."));
        else if (access == InstanceVisibility.Token && id is not PublicId.User)
            faults.Add(new Fault("/access", "Curated content is for everybody."));
        var origins = AllowedOrigins.Check(body.AllowedOrigins ?? [], "/allowedOrigins", faults);
        var canonical = Configs.Check(package, body.Config, "/config", faults);
        if (faults.Count > 0)
            throw KernelProblems.Invalid.Because($"The instance has {Count(faults.Count)}.", faults).AsException();
        return new Wanted(
            package.Type.Value,
            status,
            locale.ToString(),
            canonical,
            Digest.Of(canonical),
            origins,
            access
        );
    }

    private static async Task InsertAsync(Session session, PublicId id, Wanted wanted, CancellationToken ct)
    {
        var home = InstanceHome.Of(id);
        Instance? made;
        try
        {
            made = await session.FirstAsync(
                id is PublicId.User
                    ? $"""
                    with claimed as (
                        insert into widgets.user_instance_id (owner, public_id) values (platform.current_owner(), $2)
                        on conflict do nothing
                    )
                    insert into widgets.widget_instances (
                        owner, id, public_id, widget_type, status, base_locale, config, config_digest, updated_by,
                        updated_by_name, allowed_origins, access, stage_profile
                    ) values (
                        platform.current_owner(), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
                        (select profile from widgets.stage)
                    )
                    returning {home.Columns}
                    """
                    : $"""
                    insert into widgets.curated_widget_instances (
                        id, public_id, widget_type, status, base_locale, config, config_digest, updated_by, updated_by_name,
                        allowed_origins, kind
                    ) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, '{(
                        id is PublicId.Baseline ? "baseline" : "curated"
                    )}')
                    returning {home.Columns}
                    """,
                Instance.Read,
                ct,
                [
                    Sql.Uuid(Guid.CreateVersion7()),
                    Sql.Text(id.ToString()),
                    Sql.Text(wanted.WidgetType),
                    Sql.Text(wanted.Status),
                    Sql.Text(wanted.BaseLocale),
                    Sql.Json(wanted.Config),
                    Sql.Digest(wanted.ConfigDigest),
                    Sql.Uuid(session.Context.Actor.Id.Value),
                    Sql.Text(session.Context.Actor.Name),
                    AllowedOrigins.Parameter(wanted.AllowedOrigins),
                    .. id is PublicId.User ? [Sql.Text(wanted.Access)] : Array.Empty<NpgsqlParameter>(),
                ]
            );
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            // Two creators at once: the other one won between our look and our insert. Or it was deleted, and can be had back.
            throw KernelProblems
                .StaleVersion.Because($"'{id}' is there: created by somebody else just now, or deleted.")
                .AsException();
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.ForeignKeyViolation)
        {
            // The claim met another workspace's.
            throw WidgetsProblems.IdTaken.Because($"'{id}' is in use, or was.").AsException();
        }
        if (id is PublicId.User)
            await Entitlements.UseAsync(session, Entitlements.Instances, 1, ct);
        await AppendSavedAsync(session, before: null, made!, ct);
    }

    /// <summary>In one round trip: the instance is locked, so the commit can find nothing else.</summary>
    private static async Task<Instance> UpdateAndCommitAsync(
        Session session,
        Instance current,
        Wanted wanted,
        CancellationToken ct
    )
    {
        if (Same(current, wanted))
        {
            await session.CommitAsync(ct);
            return current with { Config = JsonElement.Parse(wanted.Config) };
        }
        var changed = Changed(session, current, wanted);
        await AuditAsync(session, current, changed, ct);
        EventLog.AppendAtCommit(
            session,
            WidgetEvents.Stream(changed.PublicId),
            WidgetEvents.Saved,
            SavedEvent(changed)
        );
        var updatedAt = await session.CommitWithAsync(Update(changed, wanted, session.Context.Actor), ct);
        return changed with { UpdatedAt = updatedAt.Single() };
    }

    private static async Task UnpublishAsync(Session session, Instance current, Wanted wanted, CancellationToken ct)
    {
        var changed = Changed(session, current, wanted);
        await Unpublish.EndAsync(session, changed, ct);
        await AuditAsync(session, current, changed, ct);
        await EventLog.AppendWithAsync(
            session,
            Update(changed, wanted, session.Context.Actor),
            WidgetEvents.Stream(changed.PublicId),
            WidgetEvents.Saved,
            SavedEvent(changed),
            ct
        );
    }

    private static Instance Changed(Session session, Instance current, Wanted wanted) =>
        current with
        {
            WidgetType = wanted.WidgetType,
            Status = wanted.Status,
            BaseLocale = wanted.BaseLocale,
            Config = JsonElement.Parse(wanted.Config),
            ConfigDigest = wanted.ConfigDigest,
            AllowedOrigins = wanted.AllowedOrigins,
            Access = wanted.Access,
            Revision = current.Revision + 1,
            UpdatedBy = session.Context.Actor.Name,
        };

    private static Query<DateTimeOffset> Update(Instance changed, Wanted wanted, Actor actor) =>
        new(
            $"""
            update {changed.Home.Table}
            set widget_type = $2, status = $3, base_locale = $4, config = $5, config_digest = $6, revision = $7,
                updated_at = clock_timestamp(), updated_by = $8, updated_by_name = $9, allowed_origins = $10{(
                changed.Home == InstanceHome.User ? ", access = $11" : ""
            )}
            where public_id = $1
            returning updated_at
            """,
            row => row.GetFieldValue<DateTimeOffset>(0),
            [
                Sql.Text(changed.PublicId),
                Sql.Text(wanted.WidgetType),
                Sql.Text(wanted.Status),
                Sql.Text(wanted.BaseLocale),
                Sql.Json(wanted.Config),
                Sql.Digest(wanted.ConfigDigest),
                Sql.Long(changed.Revision),
                Sql.Uuid(actor.Id.Value),
                Sql.Text(changed.UpdatedBy),
                AllowedOrigins.Parameter(changed.AllowedOrigins),
                .. changed.Home == InstanceHome.User ? [Sql.Text(changed.Access)] : Array.Empty<NpgsqlParameter>(),
            ]
        );

    /// <summary>Tells the followers of the instance, and the audit log, that it is another than before.</summary>
    internal static async Task AppendSavedAsync(Session session, Instance? before, Instance saved, CancellationToken ct)
    {
        await AuditAsync(session, before, saved, ct);
        await EventLog.AppendAsync(
            session,
            WidgetEvents.Stream(saved.PublicId),
            WidgetEvents.Saved,
            SavedEvent(saved),
            ct
        );
    }

    private static Task AuditAsync(Session session, Instance? before, Instance saved, CancellationToken ct) =>
        AuditLog.RecordAsync(
            session,
            WidgetEvents.Saved,
            WidgetEvents.Stream(saved.PublicId).Value,
            before?.ConfigDigest,
            saved.ConfigDigest,
            new
            {
                revision = saved.Revision,
                statusBefore = before?.Status,
                status = saved.Status,
                widgetType = saved.WidgetType,
                baseLocale = saved.BaseLocale,
            },
            ct
        );

    private static byte[] SavedEvent(Instance saved) =>
        JsonSerializer.SerializeToUtf8Bytes(
            new
            {
                publicId = saved.PublicId,
                revision = saved.Revision,
                status = saved.Status,
                configDigest = saved.ConfigDigest,
            }
        );

    private static bool Same(Instance current, Wanted wanted) =>
        current.WidgetType == wanted.WidgetType
        && current.Status == wanted.Status
        && current.BaseLocale == wanted.BaseLocale
        && current.ConfigDigest == wanted.ConfigDigest
        && current.Access == wanted.Access
        && current.AllowedOrigins.SequenceEqual(wanted.AllowedOrigins, StringComparer.Ordinal);

    private static string Count(int faults) => faults == 1 ? "a fault" : $"{faults} faults";

    private sealed record Wanted(
        string WidgetType,
        string Status,
        string BaseLocale,
        byte[] Config,
        Digest ConfigDigest,
        ImmutableArray<string> AllowedOrigins,
        string Access
    );
}
