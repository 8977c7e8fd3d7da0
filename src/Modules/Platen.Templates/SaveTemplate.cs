using System.Text.Json;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Platform.Events;
using Platen.Platform.Postgres;

namespace Platen.Templates;

/// <summary>Makes a template, describes it, switches it on or off. Switched off, it resolves to nothing: the kill switch.</summary>
internal sealed class SaveTemplate(PostgresPools pools)
{
    /// <param name="Description">What it is for; null leaves it as it is.</param>
    /// <param name="Enabled">Whether it resolves; null leaves it as it is.</param>
    /// <param name="Reason">Why; kept with the event.</param>
    public sealed record Body(string? Description = null, bool? Enabled = null, string? Reason = null);

    public sealed record Outcome(bool Created, Template Template);

    public async Task<Outcome> RunAsync(
        Caller caller,
        TemplateName name,
        Body body,
        Precondition precondition,
        CancellationToken ct
    )
    {
        TemplateRequests.CheckReason(body.Reason);
        CheckDescription(body.Description);
        await using var session = await pools.OpenAsync(caller.Operation(body.Reason ?? "save template"), ct);
        var before = await Template.LockAsync(session, name, ct);
        precondition.Check(before?.Tag);
        if (before is null)
        {
            if (await InsertAsync(session, name, body.Description ?? "", body.Enabled ?? true, ct))
                return await SavedAsync(session, name, created: true, ct);
            // Somebody made it since the look: the insert waited for them.
            before = await Template.LockAsync(session, name, ct) ?? throw TemplateRequests.NotFound(name);
            precondition.Check(before.Tag);
        }
        if (
            (body.Description is null || body.Description == before.Description)
            && (body.Enabled is null || body.Enabled == before.Enabled)
        )
            return new Outcome(false, before);
        await session.ExecuteAsync(
            "update templates.template set description = coalesce($2, description), enabled = coalesce($3, enabled) where name = $1",
            ct,
            Sql.Text(name.Value),
            Sql.Text(body.Description),
            new Npgsql.NpgsqlParameter
            {
                Value = (object?)body.Enabled ?? DBNull.Value,
                NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Boolean,
            }
        );
        await Template.TouchAsync(
            session,
            name,
            TemplateEvents.Changed,
            new
            {
                name = name.Value,
                enabled = body.Enabled ?? before.Enabled,
                reason = body.Reason,
            },
            ct,
            before.ContentDigest,
            (
                before with
                {
                    Description = body.Description ?? before.Description,
                    Enabled = body.Enabled ?? before.Enabled,
                }
            ).ContentDigest
        );
        return await SavedAsync(session, name, created: false, ct);
    }

    private static async Task<Outcome> SavedAsync(
        Session session,
        TemplateName name,
        bool created,
        CancellationToken ct
    )
    {
        var saved = await Template.FindAsync(session, name, ct);
        await session.CommitAsync(ct);
        return new Outcome(created, saved!);
    }

    /// <summary>Makes the template unless it is there; a push does it on its way.</summary>
    /// <returns>Whether it was made.</returns>
    public static async Task<bool> InsertAsync(
        Session session,
        TemplateName name,
        string description,
        bool enabled,
        CancellationToken ct
    )
    {
        var made = await session.ExecuteAsync(
            """
            insert into templates.template (owner, name, id, description, enabled, created_by, created_by_name, updated_by_name)
            values ($1, $2, $3, $4, $5, $6, $7, $7)
            on conflict do nothing
            """,
            ct,
            Sql.Owner(session.Context.Owner),
            Sql.Text(name.Value),
            Sql.Uuid(Guid.CreateVersion7()),
            Sql.Text(description),
            Sql.Bool(enabled),
            Sql.Uuid(session.Context.Actor.Id.Value),
            Sql.Text(session.Context.Actor.Name)
        );
        if (made == 0)
            return false;
        await Entitlements.UseAsync(session, Entitlements.Templates, 1, ct);
        await EventLog.AppendAsync(
            session,
            TemplateEvents.Stream(name),
            TemplateEvents.Changed,
            JsonSerializer.SerializeToUtf8Bytes(new { name = name.Value, enabled }),
            ct
        );
        var after = Template.DigestOf(description, enabled);
        await AuditLog.RecordAsync(session, TemplateEvents.Changed, name.Stream, null, after, new { enabled }, ct);
        return true;
    }

    private static void CheckDescription(string? description)
    {
        if (
            description is not null
            && (
                description.Length > TemplateLimits.DescriptionLength
                || description.Contains('\0', StringComparison.Ordinal)
            )
        )
        {
            throw KernelProblems
                .Invalid.Because(
                    "The description cannot be kept.",
                    [
                        new Fault(
                            "/description",
                            $"At most {TemplateLimits.DescriptionLength} characters, and not U+0000."
                        ),
                    ]
                )
                .AsException();
        }
    }
}
