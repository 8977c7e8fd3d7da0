using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Platen.Kernel;

namespace Platen.Client;

public sealed partial class PlatenClient
{
    /// <summary>Who the key is to the server.</summary>
    public Task<WhoAmI> WhoAmIAsync(CancellationToken ct) => GetAsync("v1/whoami", AccessClientJson.Default.WhoAmI, ct);

    /// <summary>Exchanges what a person's browser handed over for a key. Sent once: the key is told in this answer only.</summary>
    /// <param name="code">From the browser.</param>
    /// <param name="verifier">The secret whose hash the browser's page was opened with.</param>
    /// <param name="ct">Cancels.</param>
    public Task<TerminalKey> ExchangeTerminalLoginAsync(string code, string verifier, CancellationToken ct) =>
        PostAsync(
            "v1/terminal-logins",
            new TerminalLoginOrder(code, verifier),
            AccessClientJson.Default.TerminalLoginOrder,
            AccessClientJson.Default.TerminalKey,
            once: false,
            ct
        );

    /// <summary>Ends the key that this client calls with.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="ct">Cancels.</param>
    public async Task EndMyKeyAsync(Guid id, CancellationToken ct)
    {
        using var answer = await SendAsync(
            HttpMethod.Post,
            "v1/whoami/end-key",
            null,
            JsonSerializer.SerializeToUtf8Bytes(new EndKeyOrder(id), AccessClientJson.Default.EndKeyOrder),
            ct
        );
    }

    /// <summary>The workspaces that the caller may enter, by slug, page after page until all are read.</summary>
    /// <param name="search">Only those with this in their slug or name; null for all.</param>
    /// <param name="status"><c>active</c> or <c>deleted</c>; null for both.</param>
    /// <param name="ct">Cancels.</param>
    public IAsyncEnumerable<Workspace> ListWorkspacesAsync(string? search, string? status, CancellationToken ct) =>
        ListAsync(
            cursor => "v1/workspaces" + Query(("search", search), ("status", status), ("cursor", cursor)),
            AccessClientJson.Default.PageWorkspace,
            ct
        );

    /// <summary>A workspace, or null when there is none that the caller may know of.</summary>
    /// <param name="workspace">Its slug or id.</param>
    /// <param name="ct">Cancels.</param>
    public Task<Versioned<Workspace>?> FindWorkspaceAsync(string workspace, CancellationToken ct) =>
        FindAsync(Of(workspace), AccessClientJson.Default.Workspace, ct);

    /// <summary>Creates a workspace, once, also when the request has to be sent again.</summary>
    public Task<Workspace> CreateWorkspaceAsync(WorkspaceOrder order, CancellationToken ct) =>
        PostAsync(
            "v1/workspaces",
            order,
            AccessClientJson.Default.WorkspaceOrder,
            AccessClientJson.Default.Workspace,
            once: true,
            ct
        );

    /// <summary>Changes a workspace that is at the version stated.</summary>
    public async Task<Workspace> ChangeWorkspaceAsync(
        string workspace,
        WorkspaceOrder order,
        Precondition condition,
        CancellationToken ct
    )
    {
        using var answer = await SendAsync(
            HttpMethod.Patch,
            Of(workspace),
            condition,
            JsonSerializer.SerializeToUtf8Bytes(order, AccessClientJson.Default.WorkspaceOrder),
            ct
        );
        return await ReadAsync(answer, AccessClientJson.Default.Workspace, ct);
    }

    /// <summary>Closes a workspace; it can be restored until its <see cref="Workspace.PurgeAt"/>.</summary>
    public async Task<Workspace> DeleteWorkspaceAsync(string workspace, Precondition condition, CancellationToken ct)
    {
        using var answer = await SendAsync(HttpMethod.Delete, Of(workspace), condition, null, ct);
        return await ReadAsync(answer, AccessClientJson.Default.Workspace, ct);
    }

    /// <summary>Opens a closed workspace again.</summary>
    public async Task<Workspace> RestoreWorkspaceAsync(string workspace, Precondition condition, CancellationToken ct)
    {
        using var answer = await SendAsync(HttpMethod.Post, Of(workspace) + "/restore", condition, [], ct);
        return await ReadAsync(answer, AccessClientJson.Default.Workspace, ct);
    }

    /// <summary>Who belongs to a workspace.</summary>
    public IAsyncEnumerable<Member> ListMembersAsync(string workspace, CancellationToken ct) =>
        ListAsync(
            cursor => Of(workspace) + "/members" + Query(("cursor", cursor)),
            AccessClientJson.Default.PageMember,
            ct
        );

    /// <summary>Gives a member another role.</summary>
    public async Task<Member> ChangeRoleAsync(
        string workspace,
        Guid person,
        string role,
        Precondition condition,
        CancellationToken ct
    )
    {
        using var answer = await SendAsync(
            HttpMethod.Patch,
            $"{Of(workspace)}/members/{person:D}",
            condition,
            JsonSerializer.SerializeToUtf8Bytes(new RoleOrder(role), AccessClientJson.Default.RoleOrder),
            ct
        );
        return await ReadAsync(answer, AccessClientJson.Default.Member, ct);
    }

    /// <summary>Removes a member.</summary>
    public async Task RemoveMemberAsync(string workspace, Guid person, Precondition condition, CancellationToken ct)
    {
        using var answer = await SendAsync(
            HttpMethod.Delete,
            $"{Of(workspace)}/members/{person:D}",
            condition,
            null,
            ct
        );
    }

    /// <summary>The invitations of a workspace, newest first.</summary>
    /// <param name="workspace">Its slug or id.</param>
    /// <param name="pastToo">Also those that cannot be accepted any more.</param>
    /// <param name="ct">Cancels.</param>
    public IAsyncEnumerable<Invitation> ListInvitationsAsync(string workspace, bool pastToo, CancellationToken ct) =>
        ListAsync(
            cursor => Of(workspace) + "/invitations" + Query(("past", pastToo ? "true" : null), ("cursor", cursor)),
            AccessClientJson.Default.PageInvitation,
            ct
        );

    /// <summary>Invites somebody. Sent once: its token is told in this answer only.</summary>
    public Task<Invitation> InviteAsync(string workspace, InvitationOrder order, CancellationToken ct) =>
        PostAsync(
            Of(workspace) + "/invitations",
            order,
            AccessClientJson.Default.InvitationOrder,
            AccessClientJson.Default.Invitation,
            once: false,
            ct
        );

    /// <summary>Sends an invitation again, with a new token.</summary>
    public async Task<Invitation> ResendInvitationAsync(string workspace, Guid id, CancellationToken ct)
    {
        using var answer = await SendAsync(HttpMethod.Post, $"{Of(workspace)}/invitations/{id:D}/resend", null, [], ct);
        return await ReadAsync(answer, AccessClientJson.Default.Invitation, ct);
    }

    /// <summary>Takes an invitation back.</summary>
    public async Task RevokeInvitationAsync(string workspace, Guid id, CancellationToken ct)
    {
        using var answer = await SendAsync(HttpMethod.Delete, $"{Of(workspace)}/invitations/{id:D}", null, null, ct);
    }

    /// <summary>The machine keys of a workspace, or of the caller's own owner, newest first.</summary>
    /// <param name="workspace">Its slug or id; null for the caller's own owner.</param>
    /// <param name="revokedToo">Also those that were revoked.</param>
    /// <param name="ct">Cancels.</param>
    public IAsyncEnumerable<MachineKeyInfo> ListKeysAsync(string? workspace, bool revokedToo, CancellationToken ct) =>
        ListAsync(
            cursor => KeysOf(workspace) + Query(("revoked", revokedToo ? "true" : null), ("cursor", cursor)),
            AccessClientJson.Default.PageMachineKeyInfo,
            ct
        );

    /// <summary>Makes a key. Sent once: its secret is told in this answer only.</summary>
    public Task<MachineKeyInfo> CreateKeyAsync(string? workspace, KeyOrder order, CancellationToken ct) =>
        PostAsync(
            KeysOf(workspace),
            order,
            AccessClientJson.Default.KeyOrder,
            AccessClientJson.Default.MachineKeyInfo,
            once: false,
            ct
        );

    /// <summary>Revokes a key; revoking it again changes nothing.</summary>
    public async Task RevokeKeyAsync(string? workspace, Guid id, CancellationToken ct)
    {
        using var answer = await SendAsync(HttpMethod.Delete, $"{KeysOf(workspace)}/{id:D}", null, null, ct);
    }

    /// <summary>Replaces a key's secret. Sent once: the new one is told in this answer only.</summary>
    /// <param name="workspace">Its slug or id; null for the caller's own owner.</param>
    /// <param name="id">The key.</param>
    /// <param name="overlap">For how long the former secret goes on, to a week.</param>
    /// <param name="ct">Cancels.</param>
    public Task<MachineKeyInfo> RotateKeyAsync(string? workspace, Guid id, TimeSpan overlap, CancellationToken ct) =>
        PostAsync(
            $"{KeysOf(workspace)}/{id:D}/rotate",
            new RotationOrder((int)overlap.TotalSeconds),
            AccessClientJson.Default.RotationOrder,
            AccessClientJson.Default.MachineKeyInfo,
            once: false,
            ct
        );

    private static string Of(string workspace) => "v1/workspaces/" + Uri.EscapeDataString(workspace);

    private static string KeysOf(string? workspace) => workspace is null ? "v1/keys" : Of(workspace) + "/keys";

    private async Task<TResult> PostAsync<TBody, TResult>(
        string path,
        TBody body,
        JsonTypeInfo<TBody> bodyType,
        JsonTypeInfo<TResult> resultType,
        bool once,
        CancellationToken ct
    )
    {
        using var answer = await SendAsync(
            HttpMethod.Post,
            path,
            null,
            JsonSerializer.SerializeToUtf8Bytes(body, bodyType),
            ct,
            once: once ? Guid.CreateVersion7().ToString("D") : null
        );
        return await ReadAsync(answer, resultType, ct);
    }

    private async IAsyncEnumerable<T> ListAsync<T>(
        Func<string?, string> path,
        JsonTypeInfo<Page<T>> type,
        [EnumeratorCancellation] CancellationToken ct
    )
    {
        string? cursor = null;
        do
        {
            var page = await GetAsync(path(cursor), type, ct);
            foreach (var item in OrEmpty(page.Items))
                yield return item;
            cursor = page.NextCursor;
        } while (cursor is not null);
    }
}
