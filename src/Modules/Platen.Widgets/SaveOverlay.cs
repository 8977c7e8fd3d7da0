using System.Text.Json;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Kernel.Json;
using Platen.Platform.Events;
using Platen.Platform.Postgres;
using Platen.Widgets.Packages;

namespace Platen.Widgets;

/// <summary>Creates, replaces or removes what a locale changes of its instance.</summary>
internal sealed class SaveOverlay(PostgresPools pools, WidgetRegistry registry)
{
    /// <param name="Base">The text that it was made from, when that is known; null for the one that stands there. One that was made from
    /// another text is stale from the start, and shown as such.</param>
    public sealed record BodyOp(string Op, string Path, string? Value = null, string? Base = null);

    public sealed record Body(IReadOnlyList<BodyOp?> Ops);

    public sealed record Outcome(Overlay Overlay, bool Created);

    public async Task<Outcome> RunAsync(
        Caller caller,
        PublicId id,
        string localeText,
        Body body,
        Precondition precondition,
        CancellationToken ct
    )
    {
        var operation = InstanceRequests.Writer(caller, id, "save overlay");
        var locale = InstanceRequests.ParseLocale(localeText, "").ToString();

        await using var session = await pools.OpenAsync(operation, ct);
        var instance = await Instance.LockAsync(session, id, ct) ?? throw InstanceRequests.NotFound(id);
        if (locale == instance.BaseLocale)
        {
            throw KernelProblems
                .Conflict.Because($"'{locale}' is the instance's own language; change the instance itself.")
                .AsException();
        }
        var current = await Overlay.FindAsync(session, id, locale, ct);
        precondition.Check(current?.Tag);
        var ops = Validate(registry.Find(instance.WidgetType), instance, body);
        if (current is not null && current.BaseDigest == instance.ConfigDigest && current.Ops.SequenceEqual(ops))
            return new Outcome(current, Created: false);
        if (current is null && (await Overlay.ListAsync(session, id, ct)).Count >= WidgetsLimits.Locales)
        {
            throw KernelProblems
                .Conflict.Because($"An instance has at most {WidgetsLimits.Locales} locales.")
                .AsException();
        }
        var saved = await session.FirstAsync(
            $"""
            insert into widgets.widget_instance_locales as l (
                owner, scope, public_id, locale, ops, base_digest, updated_by, updated_by_name
            ) values (platform.current_owner(), $7, $1, $2, $3, $4, $5, $6)
            on conflict (owner, public_id, locale) do update
            set ops = excluded.ops, base_digest = excluded.base_digest, revision = l.revision + 1,
                updated_at = clock_timestamp(), updated_by = excluded.updated_by, updated_by_name = excluded.updated_by_name
            returning {Overlay.Columns}
            """,
            Overlay.Read,
            ct,
            Sql.Text(id.ToString()),
            Sql.Text(locale),
            Sql.Json(Overlay.Write(ops)),
            Sql.Digest(instance.ConfigDigest),
            Sql.Uuid(session.Context.Actor.Id.Value),
            Sql.Text(session.Context.Actor.Name),
            Sql.Text(instance.Home.Scope)
        );
        await AppendAsync(session, id, locale, current, saved!, ct);
        await session.CommitAsync(ct);
        return new Outcome(saved!, current is null);
    }

    /// <summary>Gives a new instance what a locale changed of the one that it was made from.</summary>
    /// <param name="ops">Those that fit it (<see cref="Overlay.Fitting"/>).</param>
    public Task CopyAsync(
        Caller caller,
        PublicId id,
        string locale,
        IReadOnlyList<OverlayOp> ops,
        CancellationToken ct
    ) =>
        RunAsync(
            caller,
            id,
            locale,
            new Body([.. ops.Select(o => new BodyOp(o.Op, o.Path.ToString(), o.Value))]),
            new Precondition.Absent(),
            ct
        );

    public async Task RemoveAsync(
        Caller caller,
        PublicId id,
        string localeText,
        Precondition precondition,
        CancellationToken ct
    )
    {
        var operation = InstanceRequests.Writer(caller, id, "remove overlay");
        var locale = InstanceRequests.ParseLocale(localeText, "").ToString();
        await using var session = await pools.OpenAsync(operation, ct);
        _ = await Instance.LockAsync(session, id, ct) ?? throw InstanceRequests.NotFound(id);
        var current = await Overlay.FindAsync(session, id, locale, ct);
        precondition.Check(current?.Tag);
        await session.ExecuteAsync(
            """
            delete from widgets.widget_instance_locales
            where owner = platform.current_owner() and public_id = $1 and locale = $2
            """,
            ct,
            Sql.Text(id.ToString()),
            Sql.Text(locale)
        );
        await AppendAsync(session, id, locale, current, saved: null, ct);
        await session.CommitAsync(ct);
    }

    private static List<OverlayOp> Validate(WidgetPackage package, Instance instance, Body body)
    {
        var faults = new List<Fault>();
        var translatable = TranslatableStrings.Find(package, instance.Config);
        var ops = new List<OverlayOp>();
        var paths = new HashSet<string>(StringComparer.Ordinal);
        if (body.Ops.Count > WidgetsLimits.OverlayOps)
            faults.Add(new Fault("/ops", $"An overlay has at most {WidgetsLimits.OverlayOps} operations."));
        for (var i = 0; i < body.Ops.Count && faults.Count < Limits.Faults; i++)
        {
            if (body.Ops[i] is not var (op, path, value, from))
            {
                faults.Add(new Fault($"/ops/{i}", "Must be an operation."));
                continue;
            }
            if (op is not ("set" or "remove"))
                faults.Add(new Fault($"/ops/{i}/op", "Must be set or remove."));
            else if ((op == "set") != (value is not null))
                faults.Add(new Fault($"/ops/{i}/value", "'set' has a text as its value, 'remove' has none."));
            if (!JsonPointer.TryParse(path, out var pointer))
                faults.Add(new Fault($"/ops/{i}/path", "Must be a JSON Pointer."));
            else if (!translatable.TryGetValue(path, out var text))
                faults.Add(new Fault($"/ops/{i}/path", $"The instance has no translatable text at '{path}'."));
            else if (!paths.Add(path))
                faults.Add(new Fault($"/ops/{i}/path", $"'{path}' is changed twice."));
            else
                ops.Add(new OverlayOp(op, pointer, value, from ?? text));
        }
        if (faults.Count == 0)
        {
            // The result is held against the schema as a whole.
            var overlay = new Overlay("und", ops, instance.ConfigDigest, 1, default, "");
            faults.AddRange(overlay.Faults(package, instance.Config));
        }
        return faults.Count == 0
            ? ops
            : throw KernelProblems.Invalid.Because("The overlay does not fit its instance.", faults).AsException();
    }

    private static async Task AppendAsync(
        Session session,
        PublicId id,
        string locale,
        Overlay? before,
        Overlay? saved,
        CancellationToken ct
    )
    {
        await AuditLog.RecordAsync(
            session,
            WidgetEvents.OverlayChanged,
            $"{WidgetEvents.Stream(id.ToString()).Value}/locales/{locale}",
            DigestOf(before),
            DigestOf(saved),
            new { revision = saved?.Revision, operations = saved?.Ops.Count },
            ct
        );
        await EventLog.AppendAsync(
            session,
            WidgetEvents.Stream(id.ToString()),
            WidgetEvents.OverlayChanged,
            JsonSerializer.SerializeToUtf8Bytes(
                new
                {
                    publicId = id.ToString(),
                    locale,
                    revision = saved?.Revision,
                }
            ),
            ct
        );
    }

    private static Digest? DigestOf(Overlay? overlay) => overlay is null ? null : Digest.Of(Overlay.Write(overlay.Ops));
}
