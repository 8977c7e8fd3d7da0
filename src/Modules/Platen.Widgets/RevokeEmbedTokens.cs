using Platen.Access;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Platform.Embedding;
using Platen.Platform.Postgres;

namespace Platen.Widgets;

/// <summary>
/// Takes back the right to show one instance: one token by its id, or every token made so far. Which tokens there are is not kept, so that of
/// one that never was can be taken back as well. Every node hears of it at commit.
/// </summary>
internal sealed class RevokeEmbedTokens(PostgresPools pools, EmbedTokenVerifier verifier)
{
    /// <exception cref="ProblemException"><see cref="KernelProblems.Forbidden"/>, <see cref="KernelProblems.NotFound"/>, or
    /// <see cref="KernelProblems.Conflict"/>: so many were taken back singly that only all can be.</exception>
    public async Task RunAsync(Caller caller, PublicId id, Guid? token, CancellationToken ct)
    {
        IssueEmbedToken.CheckScope(caller);
        var owner = id is PublicId.User ? caller.Owner : OwnerId.Platform;
        if (owner != caller.Owner)
            throw KernelProblems
                .Forbidden.Because("That instance's tokens are the platform's to revoke.")
                .AsException();
        await using var session = await pools.OpenAsync(caller.Operation("revoke embed tokens"), ct);
        if (await Instance.FindAsync(session, id, ct) is null)
            throw InstanceRequests.NotFound(id);
        var at =
            await EmbedTokenVerifier.RevokeAsync(session, id, token, ct)
            ?? throw KernelProblems
                .Conflict.Because(
                    $"{EmbedTokenVerifier.EndedSingly} tokens of the instance were revoked singly within a day: revoke all of them."
                )
                .AsException();
        await AuditLog.RecordAsync(
            session,
            WidgetEvents.TokensRevoked,
            WidgetEvents.Stream(id.ToString()).Value,
            before: null,
            after: null,
            token is null ? new { madeBy = at } : (object)new { token },
            ct
        );
        await session.CommitAsync(ct);
        verifier.Note(owner, id, token, at);
    }
}
