using System.Text.Json;
using Npgsql;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Kernel.Versions;
using Platen.Platform.Postgres;

namespace Platen.Templates;

/// <summary>A move of a protected channel that somebody asked for, or the end of its protection.</summary>
internal sealed record MoveRequest(
    Guid Id,
    string Channel,
    long SeenRevision,
    ChannelOrder? Move,
    string Reason,
    string State,
    ActorId RequestedById,
    string RequestedBy,
    DateTimeOffset RequestedAt,
    string? DecidedBy,
    DateTimeOffset? DecidedAt,
    string? DecisionReason
)
{
    public string Tag => State == DecideMove.Open ? "\"open\"" : "\"decided\"";
}

/// <summary>
/// Four eyes: who asks for a move of a protected channel is not who allows it. The move is then made against the revision that was
/// seen when it was asked for, so that agreement to one thing never carries out another.
/// </summary>
internal sealed class DecideMove(PostgresPools pools)
{
    public const string Open = "open";

    /// <param name="Approve">Whether it is to happen.</param>
    /// <param name="Reason">Why.</param>
    public sealed record Body(bool Approve, string? Reason = null);

    private const string Columns = """
        id, channel, seen_revision, move::text, reason, state, requested_by, requested_by_name, requested_at, decided_by_name,
        decided_at, decision_reason
        """;

    /// <summary>Keeps a move for a second person, in the caller's transaction.</summary>
    public static async Task<MoveRequest> AskAsync(
        Session session,
        TemplateName name,
        string channel,
        long seenRevision,
        ChannelOrder? move,
        CancellationToken ct
    )
    {
        var open = await ListAsync(session, name, Open, ct);
        if (open.Count >= TemplatesLimits.OpenRequests)
        {
            throw KernelProblems
                .Conflict.Because($"'{name}' has {open.Count} moves waiting already: decide some of them first.")
                .AsException();
        }
        var id = Guid.CreateVersion7();
        await session.ExecuteAsync(
            """
            insert into templates.move_request (
                owner, template, id, channel, seen_revision, move, reason, requested_by, requested_by_name)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            """,
            ct,
            Sql.Owner(session.Context.Owner),
            Sql.Text(name.Value),
            Sql.Uuid(id),
            Sql.Text(channel),
            Sql.Long(seenRevision),
            move is null
                ? new NpgsqlParameter { Value = DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Jsonb }
                : Sql.Json(JsonSerializer.SerializeToUtf8Bytes(move, JsonSerializerOptions.Web)),
            Sql.Text(session.Context.Reason),
            Sql.Uuid(session.Context.Actor.Id.Value),
            Sql.Text(session.Context.Actor.Name)
        );
        await TellAsync(session, name, channel, id, Open, ct);
        return (await FindAsync(session, name, id, ct))!;
    }

    public async Task<List<MoveRequest>> ListAsync(
        Caller caller,
        TemplateName name,
        string? state,
        CancellationToken ct
    )
    {
        await using var session = await pools.OpenAsync(caller.Operation("list move requests"), ct);
        _ = await Template.FindAsync(session, name, ct) ?? throw TemplateRequests.NotFound(name);
        return await ListAsync(session, name, state, ct);
    }

    public async Task<MoveRequest> OneAsync(Caller caller, TemplateName name, Guid id, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(caller.Operation("read move request"), ct);
        return await FindAsync(session, name, id, ct) ?? throw NotFound(name, id);
    }

    public async Task<MoveRequest> RunAsync(
        Caller caller,
        TemplateName name,
        Guid id,
        Body body,
        Precondition precondition,
        CancellationToken ct
    )
    {
        TemplateRequests.CheckReason(body.Reason);
        string reason;
        await using (var look = await pools.OpenAsync(caller.Operation("read move request"), ct))
        {
            var asked = await FindAsync(look, name, id, ct) ?? throw NotFound(name, id);
            reason = $"{asked.Reason} (asked for by {asked.RequestedBy})";
        }
        await using var session = await pools.OpenAsync(caller.Operation(Cut(reason)), ct);
        _ = await Template.LockAsync(session, name, ct) ?? throw TemplateRequests.NotFound(name);
        var request = await FindAsync(session, name, id, ct) ?? throw NotFound(name, id);
        precondition.Check(request.Tag);
        if (request.State != Open)
            throw KernelProblems
                .Conflict.Because($"It was {request.State} by {request.DecidedBy} already.")
                .AsException();
        if (body.Approve)
        {
            await RequireSecondPersonAsync(session, request, caller, ct);
            await CarryOutAsync(session, name, request, ct);
        }
        var state = body.Approve ? "approved" : "rejected";
        await session.ExecuteAsync(
            """
            update templates.move_request
            set state = $3, decided_by = $4, decided_by_name = $5, decided_at = clock_timestamp(), decision_reason = $6
            where template = $1 and id = $2
            """,
            ct,
            Sql.Text(name.Value),
            Sql.Uuid(id),
            Sql.Text(state),
            Sql.Uuid(caller.Actor.Id.Value),
            Sql.Text(caller.Actor.Name),
            Sql.Text(body.Reason)
        );
        await TellAsync(session, name, request.Channel, id, state, ct);
        var decided = (await FindAsync(session, name, id, ct))!;
        await session.CommitAsync(ct);
        return decided;
    }

    /// <summary>
    /// Puts a channel under protection; taking it away again is asked for like a move. Refused while a pin of the same owner leads around
    /// the channel, and for the channels that the server moves: a push moves those, and no second person is asked.
    /// </summary>
    public async Task ProtectAsync(
        Caller caller,
        TemplateName name,
        string channel,
        Precondition precondition,
        CancellationToken ct
    )
    {
        if (ChannelNames.IsMovedByServer(channel))
        {
            throw TemplatesProblems
                .ReservedChannel.Because(
                    $"'{channel}' follows the versions of '{name}' by itself, so protecting it would hold nothing back. Protect 'default' or a channel of your own, and let callers ask for that."
                )
                .AsException();
        }
        await using var session = await pools.OpenAsync(caller.Operation("protect channel"), ct);
        _ = await Template.LockAsync(session, name, ct) ?? throw TemplateRequests.NotFound(name);
        var now = await MoveChannel.FindAsync(session, name, channel, ct);
        precondition.Check(now.IsProtected ? "\"protected\"" : null);
        // Callers who name no version are led past an empty one, to what was pushed last.
        if (channel == ChannelNames.Default && now.Version is null)
        {
            throw KernelProblems
                .Conflict.Because(
                    $"'{channel}' points at nothing, and callers get what is pushed instead: protecting it would hold nothing back. Point it at a version first."
                )
                .AsException();
        }
        await RefusePinsAroundAsync(session, name, channel, now.Version?.Version, ct);
        var isNew = await session.ExecuteAsync(
            """
            insert into templates.protected_channel (owner, template, channel, set_by, set_by_name)
            values ($1, $2, $3, $4, $5)
            on conflict do nothing
            """,
            ct,
            Sql.Owner(session.Context.Owner),
            Sql.Text(name.Value),
            Sql.Text(channel),
            Sql.Uuid(caller.Actor.Id.Value),
            Sql.Text(caller.Actor.Name)
        );
        if (isNew == 0)
            return;
        await Template.TouchAsync(
            session,
            name,
            TemplateEvents.ChannelProtected,
            new { channel },
            ct,
            after: AuditLog.DigestOf(new { channel, isProtected = true })
        );
        await session.CommitAsync(ct);
    }

    /// <summary>A pin holds above every channel, so one that was set before would go on deciding alone what two are to decide.</summary>
    private static async Task RefusePinsAroundAsync(
        Session session,
        TemplateName name,
        string channel,
        SemVer? live,
        CancellationToken ct
    )
    {
        var around = (await PinTemplate.ListAsync(session, name, ct)).Where(pin => pin.Version != live).ToList();
        if (around.Count == 0)
            return;
        var named = string.Join(", ", around.Select(pin => $"'{pin.Environment}' to {pin.Version}"));
        throw KernelProblems
            .Conflict.Because(
                $"'{channel}' {(live is null ? "points at nothing" : $"points at {live}")}, and pins lead around it: {named}. Remove them, or move the channel there first."
            )
            .With("pins", around.Select(pin => pin.Environment))
            .AsException();
    }

    public async Task<MoveRequest> AskToEndProtectionAsync(
        Caller caller,
        TemplateName name,
        string channel,
        Precondition precondition,
        CancellationToken ct
    )
    {
        await using var session = await pools.OpenAsync(caller.Operation("end the protection"), ct);
        _ = await Template.LockAsync(session, name, ct) ?? throw TemplateRequests.NotFound(name);
        var now = await MoveChannel.FindAsync(session, name, channel, ct);
        precondition.Check(now.IsProtected ? "\"protected\"" : null);
        var request = await AskAsync(session, name, channel, now.Channel?.Revision ?? 0, move: null, ct);
        await session.CommitAsync(ct);
        return request;
    }

    /// <summary>Two keys, or a key and a session, may be one person: the people behind them are compared.</summary>
    private static async Task RequireSecondPersonAsync(
        Session session,
        MoveRequest request,
        Caller caller,
        CancellationToken ct
    )
    {
        var (first, second) = (
            await ActorRights.PersonBehindAsync(session, request.RequestedById, ct),
            await ActorRights.PersonBehindAsync(session, caller.Actor.Id, ct)
        );
        var why =
            request.RequestedById == caller.Actor.Id ? $"{request.RequestedBy} asked for it."
            : first is null
                ? $"'{request.RequestedBy}', who asked for it, is a key of which nobody knows who made it: it may be yours."
            : second is null
                ? $"'{caller.Actor.Name}' is a key of which nobody knows who made it: it may be the one's who asked."
            : first == second ? $"'{request.RequestedBy}' and '{caller.Actor.Name}' are the same person."
            : null;
        if (why is not null)
            throw TemplatesProblems.NeedsSecondPerson.Because(why + " Another person has to approve it.").AsException();
    }

    private static async Task CarryOutAsync(
        Session session,
        TemplateName name,
        MoveRequest request,
        CancellationToken ct
    )
    {
        if (request.Move is not { } order)
        {
            await session.ExecuteAsync(
                "delete from templates.protected_channel where template = $1 and channel = $2",
                ct,
                Sql.Text(name.Value),
                Sql.Text(request.Channel)
            );
            return;
        }
        var now = await MoveChannel.FindAsync(session, name, request.Channel, ct);
        if ((now.Channel?.Revision ?? 0) != request.SeenRevision)
        {
            throw KernelProblems
                .StaleVersion.Because(
                    $"'{request.Channel}' has moved since this was asked for. Reject it, and ask again from what is live now."
                )
                .AsException();
        }
        await MoveChannel.CheckAsync(session, name, request.Channel, order, now, ct);
        await MoveChannel.ApplyAsync(session, name, request.Channel, order, now, ct);
    }

    private static Task<long> TellAsync(
        Session session,
        TemplateName name,
        string channel,
        Guid id,
        string state,
        CancellationToken ct
    ) =>
        Template.TouchAsync(
            session,
            name,
            TemplateEvents.MoveRequested,
            new
            {
                channel,
                request = id,
                state,
            },
            ct,
            before: state == Open ? null : DigestOf(id, channel, Open),
            after: DigestOf(id, channel, state)
        );

    private static Digest? DigestOf(Guid id, string channel, string state) =>
        AuditLog.DigestOf(
            new
            {
                id,
                channel,
                state,
            }
        );

    private static Task<MoveRequest?> FindAsync(Session session, TemplateName name, Guid id, CancellationToken ct) =>
        session.FirstAsync(
            $"select {Columns} from templates.move_request where template = $1 and id = $2",
            Read,
            ct,
            Sql.Text(name.Value),
            Sql.Uuid(id)
        );

    private static Task<List<MoveRequest>> ListAsync(
        Session session,
        TemplateName name,
        string? state,
        CancellationToken ct
    ) =>
        session.ListAsync(
            $"""
            select {Columns} from templates.move_request
            where template = $1 and ($2::text is null or state = $2)
            order by id desc
            limit 200
            """,
            Read,
            ct,
            Sql.Text(name.Value),
            Sql.Text(state)
        );

    private static MoveRequest Read(NpgsqlDataReader row) =>
        new(
            row.GetGuid(0),
            row.GetString(1),
            row.GetInt64(2),
            row.IsDBNull(3)
                ? null
                : JsonSerializer.Deserialize<ChannelOrder>(row.GetString(3), JsonSerializerOptions.Web),
            row.GetString(4),
            row.GetString(5),
            new ActorId(row.GetGuid(6)),
            row.GetString(7),
            row.GetFieldValue<DateTimeOffset>(8),
            row.IsDBNull(9) ? null : row.GetString(9),
            row.IsDBNull(10) ? null : row.GetFieldValue<DateTimeOffset>(10),
            row.IsDBNull(11) ? null : row.GetString(11)
        );

    private static string Cut(string reason) =>
        reason.Length <= Limits.ReasonLength ? reason : reason[..Limits.ReasonLength];

    private static ProblemException NotFound(TemplateName name, Guid id) =>
        KernelProblems.NotFound.Because($"'{name}' has no move request {id}.").AsException();
}
