using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Platen.Kernel;

namespace Platen.Platform.Embedding;

/// <summary>
/// What shows one instance that is not public to the pages of some origins. As text a JWT (RFC 7519) in compact form, signed with ES256
/// (RFC 7518 section 3.4), so that who verifies cannot sign:
/// <code>
/// {"alg":"ES256","kid":KEY,"typ":"JWT"} . {"aud":"embed","own":OWNER,"sub":PUBLIC_ID,"iat":S,"exp":S,"jti":ID,"act":ID,"nam":NAME,"o":"ORIGIN …"} . SIGNATURE
/// </code>
/// Immutable.
/// </summary>
/// <param name="Id">Its own id, by which it can be revoked.</param>
/// <param name="Owner">Whose the instance is.</param>
/// <param name="PublicId">The only instance that it opens.</param>
/// <param name="Origins">The origins whose pages may use it, as browsers write them; none: no page, only programs.</param>
/// <param name="Actor">Who had it made.</param>
/// <param name="IssuedAt">When, by the database's clock, to the microsecond: what is revoked is what was made by then.</param>
/// <param name="ExpiresAt">Until when, to the second.</param>
public sealed record EmbedToken(
    Guid Id,
    OwnerId Owner,
    string PublicId,
    IReadOnlyList<string> Origins,
    Actor Actor,
    DateTimeOffset IssuedAt,
    DateTimeOffset ExpiresAt
)
{
    /// <summary>Characters of a token at most.</summary>
    public const int MaxLength = 4096;

    /// <summary>The longest life of a token.</summary>
    public static readonly TimeSpan MaxLife = TimeSpan.FromHours(24);

    /// <summary>How far apart the clocks of two nodes may be.</summary>
    public static readonly TimeSpan Skew = TimeSpan.FromMinutes(5);

    private const string Audience = "embed";

    /// <summary>The text.</summary>
    /// <param name="keyId">The key's name, 12 letters and digits.</param>
    /// <param name="key">Its private half, on P-256. Not used by anybody else meanwhile.</param>
    /// <exception cref="ArgumentException">It would be longer than <see cref="MaxLength"/>.</exception>
    public string Sign(string keyId, ECDsa key)
    {
        var payload = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(payload))
        {
            json.WriteStartObject();
            json.WriteString("aud", Audience);
            json.WriteString("own", Owner.Value);
            json.WriteString("sub", PublicId);
            json.WriteNumber("iat", (decimal)(IssuedAt - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerSecond);
            json.WriteNumber("exp", ExpiresAt.ToUnixTimeSeconds());
            json.WriteString("jti", Id);
            json.WriteString("act", Actor.Id.Value);
            json.WriteString("nam", Actor.Name);
            json.WriteString("o", string.Join(' ', Origins));
            json.WriteEndObject();
        }
        var signed = HeaderOf(keyId) + Base64Url.EncodeToString(payload.WrittenSpan);
        var signature = key.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256);
        var text = signed + "." + Base64Url.EncodeToString(signature);
        return text.Length <= MaxLength
            ? text
            : throw new ArgumentException($"The token would have {text.Length} characters.", nameof(keyId));
    }

    /// <summary>The first part of every token that a key signs, with its dot: what is not exactly that is not its token.</summary>
    internal static string HeaderOf(string keyId) =>
        Base64Url.EncodeToString(
            Encoding.ASCII.GetBytes("{\"alg\":\"ES256\",\"kid\":\"" + keyId + "\",\"typ\":\"JWT\"}")
        ) + ".";

    // The signature holds, so a server of this platform wrote it; one of another version may have written it otherwise.
    internal static bool TryRead(ReadOnlySpan<char> payload, [NotNullWhen(true)] out EmbedToken? token)
    {
        token = null;
        try
        {
            using var document = JsonDocument.Parse(Base64Url.DecodeFromChars(payload));
            var claims = document.RootElement;
            if (claims.GetProperty("aud").GetString() != Audience)
                return false;
            token = new EmbedToken(
                claims.GetProperty("jti").GetGuid(),
                new OwnerId(claims.GetProperty("own").GetGuid()),
                claims.GetProperty("sub").GetString()!,
                claims.GetProperty("o").GetString()!.Split(' ', StringSplitOptions.RemoveEmptyEntries),
                new Actor(new ActorId(claims.GetProperty("act").GetGuid()), claims.GetProperty("nam").GetString()!),
                DateTimeOffset.UnixEpoch.AddTicks(
                    (long)(claims.GetProperty("iat").GetDecimal() * TimeSpan.TicksPerSecond)
                ),
                DateTimeOffset.FromUnixTimeSeconds(claims.GetProperty("exp").GetInt64())
            );
            return true;
        }
        catch (Exception e)
            when (e is JsonException or FormatException or KeyNotFoundException or InvalidOperationException)
        {
            return false;
        }
    }
}

/// <summary>What came of looking at a token that a page presents for an instance.</summary>
public abstract record EmbedTokenCheck
{
    private EmbedTokenCheck() { }

    /// <summary>It opens the instance.</summary>
    /// <param name="Token">What it says.</param>
    public sealed record Valid(EmbedToken Token) : EmbedTokenCheck;

    /// <summary>
    /// It opens nothing any more, but did, and was made less than <see cref="EmbedToken.MaxLife"/> ago: what a visitor began with it may be
    /// ended. One that was revoked as well is <see cref="Refused"/>.
    /// </summary>
    /// <param name="Token">What it says.</param>
    public sealed record Expired(EmbedToken Token) : EmbedTokenCheck
    {
        /// <summary>A sentence that may be told to whoever presented it.</summary>
        public const string Why = "The token has expired: get a new one.";
    }

    /// <summary>It opens nothing: it was changed, expired long ago, was revoked, or is for something else.</summary>
    /// <param name="Why">A sentence that may be told to whoever presented it.</param>
    public sealed record Refused(string Why) : EmbedTokenCheck;

    /// <summary>Nobody can tell: this node has not read the keys yet.</summary>
    public sealed record Unknown : EmbedTokenCheck
    {
        /// <summary>The only one.</summary>
        public static readonly Unknown Instance = new();

        private Unknown() { }
    }
}
