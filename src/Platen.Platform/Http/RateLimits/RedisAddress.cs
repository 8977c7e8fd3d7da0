using System.Globalization;

namespace Platen.Platform.Http.RateLimits;

/// <summary>Where Redis is: <c>redis://[user:password@]host[:port][/database]</c>, or <c>rediss://</c> for TLS.</summary>
/// <param name="Host">A name or address.</param>
/// <param name="Port">6379 unless said.</param>
/// <param name="Tls">Whether the connection is encrypted and the server's certificate checked.</param>
/// <param name="User">Null for the default user.</param>
/// <param name="Password">Null when none is needed.</param>
/// <param name="Database">0 unless said.</param>
public sealed record RedisAddress(string Host, int Port, bool Tls, string? User, string? Password, int Database)
{
    /// <exception cref="FormatException">It is not of that form; the message does not repeat it, because it holds a password.</exception>
    public static RedisAddress? Parse(string? text)
    {
        if (string.IsNullOrEmpty(text))
            return null;
        if (
            !Uri.TryCreate(text, UriKind.Absolute, out var uri)
            || uri.Scheme is not ("redis" or "rediss")
            || uri.Host.Length == 0
            || uri.Query.Length + uri.Fragment.Length > 0
            || !TryReadDatabase(uri.AbsolutePath, out var database)
        )
            throw new FormatException(
                "PLATEN_REDIS cannot be read; write redis://[user:password@]host[:port][/database], or rediss:// for TLS."
            );
        var (user, password) = uri.UserInfo.Split(':', 2) switch
        {
            [""] => (null, null),
            [var only] => (null, only),
            ["", var secret] => (null, secret),
            [var name, var secret] => (name, secret),
            _ => (null, null),
        };
        return new RedisAddress(
            uri.IdnHost.Trim('[', ']'),
            uri.Port > 0 ? uri.Port : 6379,
            uri.Scheme == "rediss",
            user is null ? null : Uri.UnescapeDataString(user),
            password is null ? null : Uri.UnescapeDataString(password),
            database
        );
    }

    /// <summary>Without the password.</summary>
    public override string ToString() => $"{(Tls ? "rediss" : "redis")}://{Host}:{Port}/{Database}";

    private static bool TryReadDatabase(string path, out int database)
    {
        database = 0;
        return path is "" or "/"
            || (
                int.TryParse(path.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out database)
                && database < 10_000
            );
    }
}
