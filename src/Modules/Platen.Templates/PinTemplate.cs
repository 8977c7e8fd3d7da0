using System.Text.Json;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Kernel.Versions;
using Platen.Platform.Events;
using Platen.Platform.Postgres;

namespace Platen.Templates;

/// <summary>An operator's decision which version a place gets, whatever its callers ask for short of an exact version.</summary>
internal sealed class PinTemplate(PostgresPools pools)
{
    /// <param name="Version">Exact.</param>
    /// <param name="Reason">Why; whoever resolves sees it.</param>
    public sealed record Body(string Version, string? Reason = null);

    public static Task<List<Pin>> ListAsync(Session session, TemplateName name, CancellationToken ct) =>
        session.ListAsync(
            """
            select environment, semver, reason, revision, set_by_name, set_at
            from templates.pin where template = $1 order by environment limit 200
            """,
            row => new Pin(
                row.GetString(0),
                SemVer.Parse(row.GetString(1)),
                row.GetString(2),
                row.GetInt64(3),
                row.GetString(4),
                row.GetFieldValue<DateTimeOffset>(5)
            ),
            ct,
            Sql.Text(name.Value)
        );

    public async Task<List<Pin>> ListAsync(Caller caller, TemplateName name, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(caller.Operation("list pins"), ct);
        return await ListAsync(session, name, ct);
    }

    public async Task<Pin> RunAsync(
        Caller caller,
        TemplateName name,
        string environment,
        Body body,
        Precondition precondition,
        CancellationToken ct
    )
    {
        TemplateRequests.CheckReason(body.Reason);
        CheckEnvironment(environment);
        await CheckVersionAsync(caller, name, body.Version, ct);
        await using var session = await pools.OpenAsync(caller.Operation(body.Reason ?? "pin template"), ct);
        var before = (await ListAsync(session, name, ct)).Find(p => p.Environment == environment);
        precondition.Check(before?.Tag);
        await session.ExecuteAsync(
            """
            insert into templates.pin (owner, template, environment, semver, reason, set_by, set_by_name)
            values ($1, $2, $3, $4, $5, $6, $7)
            on conflict (owner, template, environment) do update
            set semver = excluded.semver, reason = excluded.reason, revision = templates.pin.revision + 1,
                set_by = excluded.set_by, set_by_name = excluded.set_by_name, set_at = clock_timestamp()
            """,
            ct,
            Sql.Owner(caller.Owner),
            Sql.Text(name.Value),
            Sql.Text(environment),
            Sql.Text(body.Version),
            Sql.Text(body.Reason ?? "no reason given"),
            Sql.Uuid(caller.Actor.Id.Value),
            Sql.Text(caller.Actor.Name)
        );
        await TellAsync(session, name, environment, body.Version, ct);
        var pin = (await ListAsync(session, name, ct)).First(p => p.Environment == environment);
        // Two creators at once: the second one's insert became an update of what it had not seen.
        if (before is null && pin.Revision != 1)
            new Precondition.Absent().Check(pin.Tag);
        await session.CommitAsync(ct);
        return pin;
    }

    public async Task RemoveAsync(
        Caller caller,
        TemplateName name,
        string environment,
        Precondition precondition,
        CancellationToken ct
    )
    {
        await using var session = await pools.OpenAsync(caller.Operation("end pin"), ct);
        var before = (await ListAsync(session, name, ct)).Find(p => p.Environment == environment);
        precondition.Check(before?.Tag);
        await session.ExecuteAsync(
            "delete from templates.pin where template = $1 and environment = $2",
            ct,
            Sql.Text(name.Value),
            Sql.Text(environment)
        );
        await TellAsync(session, name, environment, null, ct);
        await session.CommitAsync(ct);
    }

    private async Task CheckVersionAsync(Caller caller, TemplateName name, string text, CancellationToken ct)
    {
        var version = TemplateRequests.ParseVersion(text);
        foreach (var context in TemplateRequests.Owners(caller, "check pin"))
        {
            await using var session = await pools.OpenAsync(context, ct);
            if (await Template.FindAsync(session, name, ct) is null)
                continue;
            if (await TemplateVersion.FindAsync(session, name, version, ct) is { Status: not VersionStatus.Draft })
                return;
            var fault = new Fault("/version", $"'{name}' has no stable version {text}.");
            throw KernelProblems.Invalid.Because("The pin names no version.", [fault]).AsException();
        }
        throw TemplateRequests.NotFound(name);
    }

    /// <summary>On the pinning owner's own stream: the template may be the platform's, whose stream it may not write.</summary>
    private static async Task TellAsync(
        Session session,
        TemplateName name,
        string environment,
        string? version,
        CancellationToken ct
    )
    {
        await EventLog.AppendAsync(
            session,
            TemplateEvents.Stream(name),
            TemplateEvents.Pinned,
            JsonSerializer.SerializeToUtf8Bytes(new { environment, version }),
            ct
        );
        await AuditLog.RecordAsync(
            session,
            TemplateEvents.Pinned,
            name.Stream,
            null,
            null,
            new { environment, version },
            ct
        );
    }

    private static void CheckEnvironment(string environment)
    {
        if (
            environment != Pin.Everywhere
            && !(environment.Length <= TemplateLimits.EnvironmentLength && TemplateName.TryParse(environment, out _))
        )
        {
            throw KernelProblems
                .Malformed.Because("An environment is '*' for everywhere, or lower-case words such as production.")
                .AsException();
        }
    }
}
