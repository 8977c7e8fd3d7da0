using Microsoft.AspNetCore.Http;
using Platen.Access;
using Platen.Access.Workspaces;
using Platen.Kernel;

namespace Platen.Submissions;

/// <summary>
/// Who may see what was sent: whose the form is. To everybody else there is none. A key is its owner's; people and operators enter the
/// workspace.
/// </summary>
internal sealed class SubmissionsAccess(WorkspaceDirectory directory, PublishedForms forms)
{
    /// <summary>The caller as they are where the instance belongs.</summary>
    public async Task<(Caller Caller, PublicId Id)> EnterAsync(
        HttpContext context,
        string publicId,
        CancellationToken ct,
        string scope = Scopes.SubmissionsRead
    )
    {
        if (!PublicId.TryParse(publicId, out var id))
            throw NoSuchInstance();
        var owner = await forms.OwnerOfAsync(id, ct);
        var caller = context.Caller();
        if (caller.Owner != owner)
        {
            caller =
                (owner is { IsPlatform: true } ? null : await directory.EnterAsync(caller, owner, ct))
                ?? throw NoSuchInstance();
            await context.CountWorkspaceAsync(caller);
            CallerPrincipal.Enter(context, caller);
        }
        return (Checked(caller, scope), id);
    }

    /// <summary>The caller where a query names a workspace, else where their credential belongs.</summary>
    public async Task<Caller> EnterWorkspaceAsync(
        HttpContext context,
        string? workspace,
        CancellationToken ct,
        string scope = Scopes.SubmissionsWrite
    )
    {
        var caller = context.Caller();
        if (!string.IsNullOrEmpty(workspace))
        {
            caller =
                await directory.EnterAsync(caller, workspace, ct)
                ?? throw KernelProblems.NotFound.Because("There is no such workspace.").AsException();
            await context.CountWorkspaceAsync(caller);
            CallerPrincipal.Enter(context, caller);
        }
        return Checked(caller, scope);
    }

    private static Caller Checked(Caller caller, string scope) =>
        caller.Has(scope)
            ? caller
            : throw KernelProblems.Forbidden.Because($"The credential lacks the scope '{scope}'.").AsException();

    private static ProblemException NoSuchInstance() =>
        KernelProblems.NotFound.Because("There is no such instance that was ever published.").AsException();
}
