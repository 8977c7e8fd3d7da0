using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Platen.Access.Audit;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Platform.Http;

namespace Platen.Access.People;

/// <summary>A person as an operator sees them.</summary>
internal sealed record PersonView(
    Guid Id,
    string DisplayName,
    string Email,
    bool EmailConfirmed,
    DateTimeOffset CreatedAt,
    DateTimeOffset? DisabledAt
);

/// <summary>A page of people by id, which is by age; the cursor is null on the last.</summary>
internal sealed record PersonListView(IReadOnlyList<PersonView> Items, string? NextCursor);

/// <summary>The people of the whole platform, for those who run it.</summary>
internal static class PeopleEndpoints
{
    public sealed record NewPersonBody(string DisplayName, string Email);

    public static void Map(IEndpointRouteBuilder app)
    {
        // People belong to no workspace: only the platform's own members may manage them, whatever a workspace's key can do.
        var people = app.MapGroup("/v1/people").WithTags("people").NeedsScope(Scopes.MembersManage);
        people.MapGet("", List).WithName("listPeople");
        people
            .MapPost("", Add)
            .WithName("addPerson")
            .Audited("person.added")
            .Accepts<NewPersonBody>("application/json")
            .Refuses(KernelProblems.Invalid, PeopleProblems.EmailTaken);
        people
            .MapPost("/{id:guid}/disable", Disable)
            .WithName("disablePerson")
            .Audited("person.disabled", "sessions.ended", AccessEvents.InvitationRevoked)
            .LeavesNothing("they were disabled already")
            .Refuses(KernelProblems.Conflict);
        people
            .MapDelete("/{id:guid}", Delete)
            .WithName("deletePerson")
            .Audited(DeletePerson.Leaves)
            .WithMetadata(new Unversioned())
            .Refuses(WorkspaceProblems.LastOwner, KernelProblems.Conflict);
        people
            .MapPost("/{id:guid}/enable", Enable)
            .WithName("enablePerson")
            .Audited("person.enabled")
            .LeavesNothing("they were not disabled");
    }

    private static async Task<Ok<PersonListView>> List(
        HttpContext context,
        ReadPeople people,
        CancellationToken ct,
        string? cursor = null,
        int? limit = null,
        string? email = null
    )
    {
        RequireOperator(context);
        Guid? after = cursor switch
        {
            null or "" => null,
            _ when Guid.TryParseExact(cursor, "D", out var last) => last,
            _ => throw KernelProblems.UnknownCursor(),
        };
        var size = Math.Clamp(limit ?? Limits.DefaultPageItems, 1, Limits.PageItems);
        var page = await people.PageAsync(after, size, email, ct);
        context.Response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(new PersonListView(page, page.Count == size ? page[^1].Id.ToString("D") : null));
    }

    private static async Task<Created<PersonView>> Add(
        HttpContext context,
        AddPerson add,
        ReadPeople people,
        CancellationToken ct
    )
    {
        var caller = RequireOperator(context);
        var body = await context.BodyAsync<NewPersonBody>(ct);
        var id = await add.ByOperatorAsync(caller.Actor, body.DisplayName, body.Email, ct);
        var person = await people.OneAsync(id, ct) ?? throw NotFound();
        return TypedResults.Created($"/v1/people/{id}", person);
    }

    private static async Task<Ok<PersonView>> Disable(
        Guid id,
        HttpContext context,
        ReadPeople people,
        CancellationToken ct
    )
    {
        var caller = RequireOperator(context);
        if (caller.Person == new PersonId(id))
            throw KernelProblems.Conflict.Because("You cannot disable yourself: another operator can.").AsException();
        return TypedResults.Ok(
            await people.ChangeAsync(caller.Actor, new PersonId(id), enabled: false, ct) ?? throw NotFound()
        );
    }

    private static async Task<NoContent> Delete(Guid id, HttpContext context, DeletePerson delete, CancellationToken ct)
    {
        var caller = RequireOperator(context);
        if (caller.Person == new PersonId(id))
            throw KernelProblems.Conflict.Because("Delete your own account at /account.").AsException();
        await delete.RunAsync(caller.Actor, new PersonId(id), ct);
        return TypedResults.NoContent();
    }

    private static async Task<Ok<PersonView>> Enable(
        Guid id,
        HttpContext context,
        ReadPeople people,
        CancellationToken ct
    )
    {
        var caller = RequireOperator(context);
        return TypedResults.Ok(
            await people.ChangeAsync(caller.Actor, new PersonId(id), enabled: true, ct) ?? throw NotFound()
        );
    }

    private static Caller RequireOperator(HttpContext context)
    {
        var caller = context.Caller();
        return caller.Owner.IsPlatform && caller.IsOperator
            ? caller
            : throw KernelProblems.Forbidden.Because("Only operators of the platform manage people.").AsException();
    }

    private static ProblemException NotFound() =>
        KernelProblems.NotFound.Because("There is no such person.").AsException();
}
