using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Platen.Access.Audit;
using Platen.Access.People;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Platform.Http;

namespace Platen.Access.Members;

/// <summary>A member, as the API gives it.</summary>
internal sealed record MemberView(
    Guid PersonId,
    string DisplayName,
    string Email,
    string Role,
    long Revision,
    DateTimeOffset JoinedAt,
    string AddedBy
)
{
    public static MemberView Of(Member member) =>
        new(
            member.Person.Value,
            member.DisplayName,
            member.Email,
            member.Role.Name(),
            member.Revision,
            member.JoinedAt,
            member.AddedBy
        );
}

/// <summary>A page of members; the cursor is null on the last.</summary>
internal sealed record MemberListView(IReadOnlyList<MemberView> Items, string? NextCursor);

/// <summary>Routes of members, and who may use each.</summary>
internal static class MembersEndpoints
{
    public static void Map(IEndpointRouteBuilder app)
    {
        // Members see their fellows, and may go; changing who belongs is for owners.
        var members = app.MapGroup("/v1/workspaces/{ws}/members").WithTags("members");
        members.MapGet("", List).WithName("listMembers").NeedsWorkspace(Scopes.WorkspaceRead, platformToo: true);
        members
            .MapGet("/{personId:guid}", Read)
            .WithName("getMember")
            .NeedsWorkspace(Scopes.WorkspaceRead, platformToo: true);
        members
            .MapPatch("/{personId:guid}", Change)
            .WithName("changeMember")
            .Refuses(WorkspaceProblems.LastOwner)
            .Audited(AccessEvents.RoleChanged, AccessEvents.InvitationRevoked)
            .LeavesNothing("it is their role already")
            .Accepts<ChangeMember.Body>("application/json")
            .NeedsWorkspace(Scopes.MembersManage, platformToo: true);
        members
            .MapDelete("/{personId:guid}", Remove)
            .WithName("removeMember")
            .Refuses(WorkspaceProblems.LastOwner)
            .Audited(AccessEvents.MemberRemoved, AccessEvents.InvitationRevoked)
            .NeedsWorkspace(Scopes.MembersManage, platformToo: true);
        members
            .MapDelete("/me", Leave)
            .WithName("leaveWorkspace")
            .Audited(AccessEvents.MemberRemoved, AccessEvents.InvitationRevoked)
            .WithMetadata(new Unversioned())
            .Refuses(WorkspaceProblems.LastOwner)
            .NeedsWorkspace(Scopes.WorkspaceRead, platformToo: true);
        app.MapPost("/v1/workspaces/{ws}/transfer", Transfer)
            .WithName("transferWorkspace")
            .Audited(AccessEvents.RoleChanged, AccessEvents.MemberRemoved, AccessEvents.InvitationRevoked)
            .WithTags("members")
            .Accepts<ChangeMember.TransferBody>("application/json")
            .NeedsWorkspace(Scopes.MembersManage);
    }

    private static async Task<Ok<MemberListView>> List(
        string ws,
        ReadMembers read,
        HttpContext context,
        CancellationToken ct,
        string? cursor = null,
        int? limit = null,
        string? role = null
    )
    {
        var page = await read.PageAsync(context.Caller(), cursor, limit, role, ct);
        return TypedResults.Ok(new MemberListView([.. page.Items.Select(MemberView.Of)], page.NextCursor));
    }

    private static async Task<Ok<MemberView>> Read(
        string ws,
        Guid personId,
        ReadMembers read,
        HttpContext context,
        CancellationToken ct
    ) => Answer(context, await read.OneAsync(context.Caller(), new PersonId(personId), ct));

    private static async Task<Ok<MemberView>> Change(
        string ws,
        Guid personId,
        ChangeMember change,
        HttpContext context,
        CancellationToken ct
    )
    {
        var precondition = context.RequirePrecondition();
        var body = await context.BodyAsync<ChangeMember.Body>(ct);
        return Answer(
            context,
            await change.ChangeRoleAsync(context.Caller(), new PersonId(personId), body, precondition, ct)
        );
    }

    private static async Task<NoContent> Remove(
        string ws,
        Guid personId,
        ChangeMember change,
        HttpContext context,
        CancellationToken ct
    )
    {
        await change.RemoveAsync(context.Caller(), new PersonId(personId), context.RequirePrecondition(), ct);
        return TypedResults.NoContent();
    }

    private static async Task<NoContent> Leave(
        string ws,
        ChangeMember change,
        HttpContext context,
        CancellationToken ct
    )
    {
        var caller = context.Caller();
        var person =
            caller.Person
            ?? throw KernelProblems.Forbidden.Because("Only a person who is a member can leave.").AsException();
        await change.RemoveAsync(caller, person, new Precondition.Present(), ct);
        return TypedResults.NoContent();
    }

    private static async Task<Ok<MemberView>> Transfer(
        string ws,
        ChangeMember change,
        HttpContext context,
        CancellationToken ct
    )
    {
        var body = await context.BodyAsync<ChangeMember.TransferBody>(ct);
        return Answer(context, await change.TransferAsync(context.Caller(), body, ct));
    }

    private static Ok<MemberView> Answer(HttpContext context, Member member)
    {
        context.Response.Headers.ETag = member.Tag;
        context.Response.Headers.CacheControl = "private, no-cache";
        return TypedResults.Ok(MemberView.Of(member));
    }
}
