using System.Text.Json.Serialization;

namespace Platen.Client;

/// <summary>A token that shows one instance.</summary>
/// <param name="Id">Its own id, by which it can be revoked.</param>
/// <param name="Token">The token itself.</param>
/// <param name="PublicId">The only instance that it opens.</param>
/// <param name="Origins">Whose pages may use it; none: programs only.</param>
/// <param name="ExpiresAt">Until when.</param>
/// <param name="Url">The page, with the token; a path on the server.</param>
public sealed record EmbedToken(
    Guid Id,
    string Token,
    string PublicId,
    IReadOnlyList<string> Origins,
    DateTimeOffset ExpiresAt,
    string Url
);

internal sealed record EmbedTokenOrder(IReadOnlyList<string> Origins, int LifeSeconds);

internal sealed record AccessOrder(string Access);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, AllowDuplicateProperties = false)]
[JsonSerializable(typeof(EmbedToken))]
[JsonSerializable(typeof(EmbedTokenOrder))]
[JsonSerializable(typeof(AccessOrder))]
internal sealed partial class EmbedClientJson : JsonSerializerContext;
