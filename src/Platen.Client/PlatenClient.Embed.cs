using System.Text.Json;
using Platen.Kernel;

namespace Platen.Client;

public sealed partial class PlatenClient
{
    /// <summary>Makes a token that shows one instance for a while.</summary>
    /// <param name="id">The instance.</param>
    /// <param name="origins">Whose pages may use it, each exactly; none: programs only.</param>
    /// <param name="lifeSeconds">60 to 86,400.</param>
    /// <param name="ct">Cancels.</param>
    public Task<EmbedToken> IssueEmbedTokenAsync(
        PublicId id,
        IReadOnlyList<string> origins,
        int lifeSeconds,
        CancellationToken ct
    ) =>
        PostAsync(
            $"v1/instances/{id}/embed-tokens",
            new EmbedTokenOrder(origins, lifeSeconds),
            EmbedClientJson.Default.EmbedTokenOrder,
            EmbedClientJson.Default.EmbedToken,
            once: false,
            ct
        );

    /// <summary>Takes back the right to show one instance; every node refuses it as soon as it hears of it.</summary>
    /// <param name="id">The instance.</param>
    /// <param name="token">The token's id; null for every token made so far.</param>
    /// <param name="ct">Cancels.</param>
    public async Task RevokeEmbedTokensAsync(PublicId id, Guid? token, CancellationToken ct)
    {
        using var answer = await SendAsync(
            HttpMethod.Delete,
            $"v1/instances/{id}/embed-tokens" + (token is { } one ? $"/{one:D}" : ""),
            null,
            null,
            ct
        );
    }

    /// <summary>Says who sees an instance from its next publish on.</summary>
    /// <param name="id">The instance.</param>
    /// <param name="access"><c>public</c>, or <c>token</c>: who has an embed token.</param>
    /// <param name="condition">The version that was seen.</param>
    /// <param name="ct">Cancels.</param>
    public async Task SetAccessAsync(PublicId id, string access, Precondition condition, CancellationToken ct)
    {
        using var answer = await SendAsync(
            HttpMethod.Patch,
            $"v1/instances/{id}",
            condition,
            JsonSerializer.SerializeToUtf8Bytes(new AccessOrder(access), EmbedClientJson.Default.AccessOrder),
            ct
        );
    }
}
