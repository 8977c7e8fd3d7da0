using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Platen.Access;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Widgets;

/// <summary>
/// Who may use an address that names an instance: what the id's kind asks for. Curated content is read by any credential with the
/// scope and written by publishers; a user instance is there for its workspace alone, and to everybody else it is not.
/// </summary>
internal sealed class InstanceAccess(WorkspaceDirectory directory, PostgresPools pools, Stage stage)
{
    public async Task EnterAsync(HttpContext context, string publicId, bool writes, bool content, bool creates)
    {
        var id = InstanceRequests.ParseId(publicId);
        var caller = context.Caller();
        if (id is PublicId.User user)
        {
            // Where no workspace's instance can be, that is the answer for each of them.
            if (writes)
                stage.RefuseWrite(id);
            caller = await EnterAsync(context, caller, user, creates);
        }
        var scope =
            !writes ? Scopes.InstancesRead
            : id is PublicId.User ? Scopes.InstancesWrite
            : Scopes.CuratedPublish;
        if (!caller.Has(scope))
            throw KernelProblems.Forbidden.Because($"The credential lacks the scope '{scope}'.").AsException();
        if (content)
            stage.RefuseWrite(id);
    }

    private async Task<Caller> EnterAsync(HttpContext context, Caller caller, PublicId.User id, bool creates)
    {
        var owner = await OwnerOfAsync(caller, id, context.RequestAborted);
        if (owner == caller.Owner)
            return caller;
        var entered = await directory.EnterAsync(caller, owner, context.RequestAborted);
        if (entered is null)
        {
            // Whether another workspace has it is not for this caller to know: what is not there is answered alike. That an id is taken
            // they learn by creating it.
            return creates && caller.Has(Scopes.InstancesWrite) ? caller : throw InstanceRequests.NotFound(id);
        }
        await context.CountWorkspaceAsync(entered);
        CallerPrincipal.Enter(context, entered);
        return entered;
    }

    private async Task<OwnerId?> OwnerOfAsync(Caller caller, PublicId.User id, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(caller.Operation("find instance"), ct);
        var owner = await session.FirstAsync(
            "select widgets.find_instance_owner($1)",
            row => new OwnerId(row.GetGuid(0)),
            ct,
            Sql.Text(id.ToString())
        );
        return owner.Value == Guid.Empty ? null : owner;
    }
}

/// <summary>Puts an endpoint whose route names an instance under the access that the instance asks for.</summary>
public static class InstanceAccessEndpoints
{
    /// <summary>Whoever may read the instance that the route's <c>{publicId}</c> names.</summary>
    public static RouteHandlerBuilder NeedsInstance(this RouteHandlerBuilder endpoint) =>
        Needs(endpoint, "instances:read, for a user instance in its workspace", writes: false);

    /// <summary>Whoever may write it, on a stage where its content is written.</summary>
    public static RouteHandlerBuilder WritesInstance(this RouteHandlerBuilder endpoint) =>
        Needs(endpoint, WriterRule, writes: true, content: true);

    /// <summary>Whoever may write it; with that id it need not be there yet.</summary>
    public static RouteHandlerBuilder CreatesInstance(this RouteHandlerBuilder endpoint) =>
        Needs(endpoint, WriterRule, writes: true, content: true, creates: true);

    /// <summary>Whoever may write it, on any stage: it is moved among what was published.</summary>
    public static RouteHandlerBuilder MovesInstance(this RouteHandlerBuilder endpoint) =>
        Needs(endpoint, WriterRule, writes: true);

    private const string WriterRule = "curated:publish, or for a user instance instances:write in its workspace";

    private static RouteHandlerBuilder Needs(
        RouteHandlerBuilder endpoint,
        string rule,
        bool writes,
        bool content = false,
        bool creates = false
    ) =>
        endpoint
            .NeedsCaller(rule)
            .AddEndpointFilter(
                async (invocation, next) =>
                {
                    var context = invocation.HttpContext;
                    var access = (InstanceAccess)context.RequestServices.GetService(typeof(InstanceAccess))!;
                    await access.EnterAsync(
                        context,
                        (string)context.GetRouteValue("publicId")!,
                        writes,
                        content,
                        creates
                    );
                    return await next(invocation);
                }
            );
}
