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
        await LockAsync(session, name, ct);
        await CheckProtectionAsync(session, name, body.Version, ct);
        var before = (await ListAsync(session, name, ct)).Find(p => p.Environment == environment);
        precondition.Check(before?.Tag);
        if (before is not null && before.Version.ToString() != body.Version)
            await RememberAsync(session, name, before, ct);
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
        var pin = (await ListAsync(session, name, ct)).First(p => p.Environment == environment);
        await TellAsync(session, name, environment, before, pin, ct);
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
        await LockAsync(session, name, ct);
        var before = (await ListAsync(session, name, ct)).Find(p => p.Environment == environment);
        precondition.Check(before?.Tag);
        if (before is not null)
            await RememberAsync(session, name, before, ct);
        await session.ExecuteAsync(
            "delete from templates.pin where template = $1 and environment = $2",
            ct,
            Sql.Text(name.Value),
            Sql.Text(environment)
        );
        await TellAsync(session, name, environment, before, after: null, ct);
        await session.CommitAsync(ct);
    }

    /// <summary>Keeps when a version was pinned last, so that no rule removes what a place may go back to.</summary>
    private static Task<int> RememberAsync(Session session, TemplateName name, Pin ended, CancellationToken ct) =>
        session.ExecuteAsync(
            """
            insert into templates.ended_pin as e (owner, template, semver, ended_at) values ($1, $2, $3, clock_timestamp())
            on conflict (owner, template, semver) do update set ended_at = excluded.ended_at
            """,
            ct,
            Sql.Owner(session.Context.Owner),
            Sql.Text(name.Value),
            Sql.Text(ended.Version.ToString())
        );

    /// <summary>
    /// Pins of a template change one at a time, so that of two who saw the same the second is told. Its own row is locked as well where it
    /// is the owner's: a channel that comes under protection now is waited for. Of the platform's template there is no row to lock.
    /// </summary>
    private static async Task LockAsync(Session session, TemplateName name, CancellationToken ct)
    {
        await session.ExecuteAsync(
            "select pg_advisory_xact_lock(hashtextextended('templates.pin/' || platform.current_owner() || '/' || $1, 0))",
            ct,
            Sql.Text(name.Value)
        );
        await Template.LockAsync(session, name, ct);
    }

    /// <summary>
    /// A pin holds above every channel, so it may only name what two people have let through: what is live at each protected channel of the
    /// template, or was since it is protected.
    /// </summary>
    private static async Task CheckProtectionAsync(
        Session session,
        TemplateName name,
        string version,
        CancellationToken ct
    )
    {
        var around = await session.FirstAsync(
            """
            select p.channel
            from templates.protected_channel p
            join templates.template_version v on v.owner = p.owner and v.template = p.template and v.semver = $2
            where p.template = $1
                and not exists (
                    select from platform.channel c
                    where c.owner = p.owner and c.subject = v.subject and c.name = p.channel
                        and c.release_digest = v.release_digest)
                and not exists (
                    select from platform.channel_move m
                    where m.owner = p.owner and m.subject = v.subject and m.name = p.channel
                        and m.to_digest = v.release_digest and m.at >= p.set_at)
            order by p.channel
            limit 1
            """,
            row => row.GetString(0),
            ct,
            Sql.Text(name.Value),
            Sql.Text(version)
        );
        if (around is not null)
        {
            throw TemplatesProblems
                .NeedsSecondPerson.Because(
                    $"The channel '{around}' is protected, and {version} was not live there: a pin to it would go around that. Move the channel first."
                )
                .AsException();
        }
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
        Pin? before,
        Pin? after,
        CancellationToken ct
    )
    {
        var version = after?.Version.ToString();
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
            before?.ContentDigest,
            after?.ContentDigest,
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
