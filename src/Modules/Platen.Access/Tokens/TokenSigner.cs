using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Platen.Kernel;
using Platen.Platform.Embedding;
using Platen.Platform.Owners;
using Platen.Platform.Postgres;

namespace Platen.Access.Tokens;

/// <summary>What came of looking at a token.</summary>
public abstract record TokenCheck
{
    private TokenCheck() { }

    /// <summary>It is what it says.</summary>
    public sealed record Valid(TokenClaims Claims) : TokenCheck;

    /// <summary>It is not to be trusted.</summary>
    /// <param name="Why">A sentence that may be told to whoever presented it.</param>
    public sealed record Refused(string Why) : TokenCheck;
}

/// <summary>
/// Issues and verifies short-lived tokens, from the key ring in memory: neither takes a query. A token is a JWT (RFC 7519) in compact
/// form, signed with HMAC-SHA-256, whose header is one of the few that this server writes:
/// <code>
/// {"alg":"HS256","kid":KEY,"typ":"JWT"} . {"aud":PURPOSE,"own":OWNER,"sub":SUBJECT,"iat":S,"exp":S,"jti":ID,"act":ID,"nam":NAME,"f":{…}} . MAC
/// </code>
/// It works wherever the ring is the same, with clocks up to <see cref="Skew"/> apart, until it expires: it cannot be revoked by itself,
/// so keep its life short; those of a closed owner open nothing; <see cref="SpendAsync"/> makes one work once. Thread-safe.
/// </summary>
public sealed class TokenSigner
{
    /// <summary>The longest life of a token.</summary>
    public static readonly TimeSpan MaxLife = TimeSpan.FromHours(24);

    /// <summary>How far apart the clocks of two nodes may be.</summary>
    public static readonly TimeSpan Skew = TimeSpan.FromMinutes(5);

    /// <summary>Characters of a token at most.</summary>
    public const int MaxLength = 4096;

    private static readonly string[] Purposes = ["realtime", "snapshot", "registry", "terminal-login"];
    private readonly KeyRing ring;
    private readonly ClosedOwners closed;
    private readonly TimeProvider clock;

    internal TokenSigner(KeyRing ring, ClosedOwners closed, TimeProvider clock)
    {
        this.ring = ring;
        this.closed = closed;
        this.clock = clock;
    }

    /// <summary>A new token.</summary>
    /// <param name="purpose">What it is for; it is refused for everything else.</param>
    /// <param name="owner">Whose.</param>
    /// <param name="subject">What it opens, 1 to 512 characters.</param>
    /// <param name="life">How long it works, more than zero and at most <see cref="MaxLife"/>.</param>
    /// <param name="facts">What else is signed; short.</param>
    /// <param name="actor">Who has it made; null: the server.</param>
    /// <exception cref="ArgumentException">A value is out of range, or the token would be longer than <see cref="MaxLength"/>.</exception>
    public string Issue(
        TokenPurpose purpose,
        OwnerId owner,
        string subject,
        TimeSpan life,
        IReadOnlyDictionary<string, string>? facts = null,
        Actor? actor = null
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(life, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(life, MaxLife);
        if (subject.Length is 0 or > 512)
            throw new ArgumentException("A subject has 1 to 512 characters.", nameof(subject));
        actor ??= Actor.System;
        var now = clock.GetUtcNow();
        var payload = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(payload))
        {
            json.WriteStartObject();
            json.WriteString("aud", Purposes[(int)purpose]);
            json.WriteString("own", owner.Value);
            json.WriteString("sub", subject);
            json.WriteNumber("iat", now.ToUnixTimeSeconds());
            json.WriteNumber("exp", (now + life).ToUnixTimeSeconds());
            json.WriteString("jti", Guid.CreateVersion7(now));
            json.WriteString("act", actor.Id.Value);
            json.WriteString("nam", actor.Name);
            if (facts is { Count: > 0 })
            {
                json.WriteStartObject("f");
                foreach (var (name, value) in facts)
                    json.WriteString(name, value);
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        var key = ring.Signing(now);
        var signed = key.Header + Base64Url.EncodeToString(payload.WrittenSpan);
        Span<byte> mac = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(key.Secret, Encoding.ASCII.GetBytes(signed), mac);
        var token = signed + "." + Base64Url.EncodeToString(mac);
        return token.Length <= MaxLength
            ? token
            : throw new ArgumentException($"The token would have {token.Length} characters.", nameof(facts));
    }

    /// <summary>An embed token as text; <see cref="EmbedTokenVerifier"/> looks at it.</summary>
    /// <exception cref="ArgumentException">It would be longer than <see cref="EmbedToken.MaxLength"/>.</exception>
    public string Issue(EmbedToken token)
    {
        ArgumentNullException.ThrowIfNull(token);
        return ring.Signing(clock.GetUtcNow()).Sign(token);
    }

    /// <summary>Looks whether a text is a token of this purpose that holds now.</summary>
    public TokenCheck Verify(string? token, TokenPurpose purpose)
    {
        if (token is null or { Length: 0 or > MaxLength })
            return new TokenCheck.Refused("That is not a token.");
        var header = token.IndexOf('.', StringComparison.Ordinal) + 1;
        var end = token.LastIndexOf('.');
        if (header < 2 || end < header)
            return new TokenCheck.Refused("That is not a token.");
        var now = clock.GetUtcNow();
        if (ring.Verifying(token[..header], now) is not { } key)
            return new TokenCheck.Refused("The token was not signed here, or so long ago that its key is gone.");
        Span<byte> expected = stackalloc byte[HMACSHA256.HashSizeInBytes];
        Span<byte> mac = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(key.Secret, Encoding.ASCII.GetBytes(token[..end]), expected);
        var text = token.AsSpan(end + 1);
        if (
            !Base64Url.IsValid(text, out var length)
            || length != mac.Length
            || !Base64Url.TryDecodeFromChars(text, mac, out _)
            || !CryptographicOperations.FixedTimeEquals(expected, mac)
            // Several texts decode to the same bytes; one of them is ours.
            || !text.SequenceEqual(Base64Url.EncodeToString(mac))
        )
        {
            return new TokenCheck.Refused("The token was changed, or is not whole.");
        }
        var claims = Read(Base64Url.DecodeFromChars(token.AsSpan(header, end - header)));
        if (claims.Purpose != purpose)
            return new TokenCheck.Refused($"The token is for {Purposes[(int)claims.Purpose]}, and for nothing else.");
        if (now > claims.ExpiresAt + Skew)
            return new TokenCheck.Refused("The token has expired: get a new one.");
        if (now < claims.IssuedAt - Skew)
            return new TokenCheck.Refused("The token is from the future: the clocks differ by more than five minutes.");
        if (closed.IsClosed(claims.Owner))
            return new TokenCheck.Refused("The workspace that the token is for is closed.");
        return new TokenCheck.Valid(claims);
    }

    /// <summary>Spends a token that works once, in the transaction of what it is spent on.</summary>
    /// <param name="session">A session of the token's owner.</param>
    /// <param name="claims">Of a token that was verified.</param>
    /// <param name="ct">Cancels.</param>
    /// <returns>False when it was spent before. One that is being spent by somebody else is waited for.</returns>
    public static async Task<bool> SpendAsync(Session session, TokenClaims claims, CancellationToken ct) =>
        await session.ExecuteAsync(
            """
            insert into access.used_token (owner, id, expires_at) values (platform.current_owner(), $1, $2)
            on conflict (owner, id) do nothing
            """,
            ct,
            Sql.Uuid(claims.Id),
            Keys.StoredKey.Time(claims.ExpiresAt + (2 * Skew))
        ) == 1;

    // The signature holds, so this server wrote it: what does not fit is a bug and not an attack.
    private static TokenClaims Read(byte[] payload)
    {
        using var document = JsonDocument.Parse(payload);
        var claims = document.RootElement;
        return new TokenClaims(
            claims.GetProperty("jti").GetGuid(),
            (TokenPurpose)Array.IndexOf(Purposes, claims.GetProperty("aud").GetString()),
            new OwnerId(claims.GetProperty("own").GetGuid()),
            claims.GetProperty("sub").GetString()!,
            new Actor(new ActorId(claims.GetProperty("act").GetGuid()), claims.GetProperty("nam").GetString()!),
            DateTimeOffset.FromUnixTimeSeconds(claims.GetProperty("iat").GetInt64()),
            DateTimeOffset.FromUnixTimeSeconds(claims.GetProperty("exp").GetInt64()),
            claims.TryGetProperty("f", out var facts)
                ? facts.EnumerateObject().ToDictionary(f => f.Name, f => f.Value.GetString()!, StringComparer.Ordinal)
                : []
        );
    }
}
