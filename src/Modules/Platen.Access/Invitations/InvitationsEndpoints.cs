using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Platform.Http;
using Platen.Platform.Http.RateLimits;

namespace Platen.Access.Invitations;

/// <summary>An invitation, as the API gives it.</summary>
/// <param name="Id">Names it for sending it again or taking it back.</param>
/// <param name="Email">Who is invited.</param>
/// <param name="Role">As what.</param>
/// <param name="Status"><c>pending</c>, <c>accepted</c>, <c>revoked</c> or <c>expired</c>.</param>
/// <param name="CreatedAt">When.</param>
/// <param name="CreatedBy">By whom.</param>
/// <param name="ExpiresAt">Until when it can be accepted.</param>
/// <param name="SentAt">When it was sent last.</param>
/// <param name="TimesSent">How often.</param>
/// <param name="AcceptedAt">When it was accepted.</param>
/// <param name="Token">What accepts it: told when it is made, and never again.</param>
/// <param name="Url">The page that accepts it; told together with the token.</param>
/// <param name="Mailed">Whether the mail was taken over; told together with the token.</param>
internal sealed record InvitationView(
    Guid Id,
    string Email,
    string Role,
    string Status,
    DateTimeOffset CreatedAt,
    string CreatedBy,
    DateTimeOffset ExpiresAt,
    DateTimeOffset SentAt,
    int TimesSent,
    DateTimeOffset? AcceptedAt,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Token,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Url,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] bool? Mailed
)
{
    public static InvitationView Of(
        Invitation i,
        DateTimeOffset now,
        string? token = null,
        string? url = null,
        bool? mailed = null
    ) =>
        new(
            i.Id,
            i.Email,
            i.Role.Name(),
            i.StatusAt(now),
            i.CreatedAt,
            i.CreatedBy,
            i.ExpiresAt,
            i.SentAt,
            i.TimesSent,
            i.AcceptedAt,
            token,
            url,
            mailed
        );
}

/// <summary>A page of invitations, newest first; the cursor is null on the last.</summary>
internal sealed record InvitationListView(IReadOnlyList<InvitationView> Items, string? NextCursor);

/// <summary>What accepting an invitation led to.</summary>
internal sealed record AcceptedView(Guid WorkspaceId, string Slug, string Name, string Role);

/// <summary>Routes of invitations, and who may use each.</summary>
internal static class InvitationsEndpoints
{
    public static void Map(IEndpointRouteBuilder app)
    {
        // Who is invited is for those to know who may invite.
        var invitations = app.MapGroup("/v1/workspaces/{ws}/invitations").WithTags("members");
        invitations
            .MapGet("", List)
            .WithName("listInvitations")
            .NeedsWorkspace(Scopes.MembersManage, platformToo: true);
        invitations
            .MapPost("", Invite)
            .WithName("inviteMember")
            .Refuses(KernelProblems.Conflict, KernelProblems.LimitReached)
            .RateLimited(RateLimitPolicies.Token)
            .Audited(AccessEvents.MemberInvited)
            .Accepts<InviteMember.Body>("application/json")
            .WithMetadata(new TakesIdempotencyKey())
            .NeedsWorkspace(Scopes.MembersManage, platformToo: true);
        invitations
            .MapPost("/{id:guid}/resend", Resend)
            .WithName("resendInvitation")
            .Refuses(KernelProblems.Conflict)
            .RateLimited(RateLimitPolicies.Token)
            .Audited(AccessEvents.InvitationResent)
            .NeedsWorkspace(Scopes.MembersManage, platformToo: true);
        invitations
            .MapDelete("/{id:guid}", Revoke)
            .WithName("revokeInvitation")
            .Refuses(KernelProblems.Conflict)
            .Audited(AccessEvents.InvitationRevoked)
            .LeavesNothing("it was taken back already")
            .WithMetadata(new Unversioned())
            .NeedsWorkspace(Scopes.MembersManage, platformToo: true);

        // The token says which workspace; whoever accepts is in none of it yet.
        app.MapPost("/v1/invitations/accept", Accept)
            .WithName("acceptInvitation")
            .Refuses(InvitationProblems.Gone, KernelProblems.Conflict, KernelProblems.LimitReached)
            .Audited(AccessEvents.InvitationAccepted, AccessEvents.MemberAdded)
            .LeavesNothing("the same person accepted it already")
            .WithTags("members")
            .Accepts<AcceptInvitation.Body>("application/json")
            .NeedsCaller();
    }

    private static async Task<Ok<InvitationListView>> List(
        string ws,
        InviteMember invite,
        TimeProvider clock,
        HttpContext context,
        CancellationToken ct,
        string? cursor = null,
        int? limit = null,
        bool past = false
    )
    {
        var page = await invite.PageAsync(context.Caller(), cursor, limit, past, ct);
        var now = clock.GetUtcNow();
        return TypedResults.Ok(
            new InvitationListView([.. page.Items.Select(i => InvitationView.Of(i, now))], page.NextCursor)
        );
    }

    private static async Task<Created<InvitationView>> Invite(
        string ws,
        InviteMember invite,
        MailInvitation mail,
        TimeProvider clock,
        HttpContext context,
        CancellationToken ct
    )
    {
        var once = IdempotencyKey.Read(context);
        var body = await context.BodyAsync<InviteMember.Body>(ct);
        return await TellAsync(
            context,
            ws,
            await invite.InviteAsync(context.Caller(), body, once, ct),
            mail,
            clock,
            ct
        );
    }

    private static async Task<Created<InvitationView>> Resend(
        string ws,
        Guid id,
        InviteMember invite,
        MailInvitation mail,
        TimeProvider clock,
        HttpContext context,
        CancellationToken ct
    ) => await TellAsync(context, ws, await invite.ResendAsync(context.Caller(), id, ct), mail, clock, ct);

    private static async Task<NoContent> Revoke(
        string ws,
        Guid id,
        InviteMember invite,
        HttpContext context,
        CancellationToken ct
    )
    {
        await invite.RevokeAsync(context.Caller(), id, ct);
        return TypedResults.NoContent();
    }

    private static async Task<Ok<AcceptedView>> Accept(
        AcceptInvitation accept,
        HttpContext context,
        CancellationToken ct
    )
    {
        var body = await context.BodyAsync<AcceptInvitation.Body>(ct);
        var outcome = await accept.RunAsync(context.Caller(), body, ct);
        return TypedResults.Ok(
            new AcceptedView(
                outcome.Workspace.Id.Value,
                outcome.Workspace.Slug,
                outcome.Workspace.Name,
                outcome.Role.Name()
            )
        );
    }

    private static async Task<Created<InvitationView>> TellAsync(
        HttpContext context,
        string ws,
        InviteMember.Outcome outcome,
        MailInvitation mail,
        TimeProvider clock,
        CancellationToken ct
    )
    {
        var mailed = await mail.TrySendAsync(context.Caller(), outcome, ct);
        // The answer holds a secret: nothing on its way may keep it.
        context.Response.Headers.CacheControl = "no-store";
        return TypedResults.Created(
            $"/v1/workspaces/{ws}/invitations/{outcome.Invitation.Id:D}",
            InvitationView.Of(outcome.Invitation, clock.GetUtcNow(), outcome.Token, mail.Link(outcome.Token), mailed)
        );
    }
}
