using System.Globalization;
using Platen.Access;
using Platen.Access.Tokens;
using Platen.Kernel;
using Platen.Platform.Embedding;
using Platen.Platform.Postgres;

namespace Platen.Widgets;

/// <summary>A token that shows one instance.</summary>
/// <param name="Id">Its own id, by which it can be revoked.</param>
/// <param name="Token">For <c>Authorization: Bearer</c>, <c>X-Embed-Token</c>, <c>?token=</c>, or the attribute <c>token</c> of the loader.</param>
/// <param name="PublicId">The only instance that it opens.</param>
/// <param name="Origins">Whose pages may use it; none: programs only.</param>
/// <param name="ExpiresAt">Until when.</param>
/// <param name="Url">The page, with the token.</param>
internal sealed record EmbedTokenView(
    Guid Id,
    string Token,
    string PublicId,
    IReadOnlyList<string> Origins,
    DateTimeOffset ExpiresAt,
    string Url
);

/// <summary>Hands out the right to show one instance, for a while, on pages of some origins.</summary>
internal sealed class IssueEmbedToken(PostgresPools pools, TokenSigner signer)
{
    /// <param name="Origins">Whose pages may use it, each exactly; none: programs only.</param>
    /// <param name="LifeSeconds">60 to 86,400; an hour unless said.</param>
    public sealed record Body(IReadOnlyList<string> Origins, int LifeSeconds = 3600);

    /// <exception cref="ProblemException"><see cref="KernelProblems.Invalid"/> or <see cref="KernelProblems.NotFound"/>.</exception>
    public async Task<EmbedTokenView> RunAsync(Caller caller, PublicId id, Body body, CancellationToken ct)
    {
        CheckScope(caller);
        Instance instance;
        DateTimeOffset now;
        await using (var session = await pools.OpenAsync(caller.Operation("issue embed token"), ct))
        {
            instance = await Instance.FindAsync(session, id, ct) ?? throw InstanceRequests.NotFound(id);
            now = await EmbedTokenVerifier.NowAsync(session, ct);
        }
        var faults = new List<Fault>();
        var origins = AllowedOrigins.Check(body.Origins, "/origins", faults);
        if (body.Origins.Count > EmbedTokens.Origins)
            faults.Add(new Fault("/origins", $"At most {EmbedTokens.Origins} origins."));
        else if (faults.Count == 0 && origins.Sum(origin => origin.Length) > EmbedTokens.OriginsLength)
            faults.Add(new Fault("/origins", $"At most {EmbedTokens.OriginsLength} characters in all."));
        for (var at = 0; at < body.Origins.Count && faults.Count == 0; at++)
        {
            var place = string.Create(CultureInfo.InvariantCulture, $"/origins/{at}");
            if (body.Origins[at].Contains('*', StringComparison.Ordinal))
                faults.Add(new Fault(place, "A token names each origin exactly."));
            else if (!AllowedOrigins.Cover(instance.AllowedOrigins, body.Origins[at]))
                faults.Add(new Fault(place, "The instance may not be shown there: see its allowedOrigins."));
        }
        if (body.LifeSeconds is < EmbedTokens.LeastSeconds or > EmbedTokens.MostSeconds)
            faults.Add(new Fault("/lifeSeconds", $"Must be {EmbedTokens.LeastSeconds} to {EmbedTokens.MostSeconds}."));
        if (faults.Count > 0)
            throw KernelProblems.Invalid.Because("There can be no such token.", faults).AsException();
        var life = TimeSpan.FromSeconds(body.LifeSeconds);
        if (caller.ExpiresAt is { } end && now + life > end)
            life = end - now;
        var token = new EmbedToken(
            Guid.CreateVersion7(now),
            id is PublicId.User ? caller.Owner : OwnerId.Platform,
            id.ToString(),
            origins,
            caller.Actor,
            now,
            DateTimeOffset.FromUnixTimeSeconds((now + life).ToUnixTimeSeconds())
        );
        var text = signer.Issue(token);
        return new EmbedTokenView(
            token.Id,
            text,
            token.PublicId,
            token.Origins,
            token.ExpiresAt,
            $"/e/{id}?token={text}"
        );
    }

    /// <summary>Who hands tokens out takes them back.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Forbidden"/>.</exception>
    internal static void CheckScope(Caller caller)
    {
        if (!caller.Has(Scopes.EmbedIssue))
        {
            throw KernelProblems
                .Forbidden.Because($"The credential lacks the scope '{Scopes.EmbedIssue}'.")
                .AsException();
        }
    }
}
