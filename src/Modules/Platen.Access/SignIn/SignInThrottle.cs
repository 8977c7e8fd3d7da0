using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Platen.Access.People;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.SignIn;

/// <summary>
/// Counts attempts to sign in with a password, by what was tried and by address. An attempt is counted before it is made and
/// forgiven when it succeeds, so that a hundred at once are no more than a hundred in turn. What was tried is counted whether
/// or not such a person exists: a lock tells nothing.
/// </summary>
internal sealed class SignInThrottle(PostgresPools pools)
{
    /// <summary>Counts an attempt.</summary>
    /// <exception cref="ProblemException"><see cref="PeopleProblems.SignInLocked"/>, with <c>Retry-After</c>.</exception>
    public async Task<Attempt> BeginAsync(string normalizedEmail, HttpContext context, CancellationToken ct)
    {
        var attempt = new Attempt(
            SHA256.HashData(Encoding.UTF8.GetBytes(normalizedEmail)),
            SHA256.HashData(Encoding.UTF8.GetBytes(Network(context.Connection.RemoteIpAddress)))
        );
        await using var session = await pools.OpenAsync(Person.ByServer("count sign-in"), ct);
        var seconds = await session.FirstAsync(
            "select access.begin_sign_in($1, $2)",
            row => row.GetInt32(0),
            ct,
            Sql.Bytes(attempt.Account),
            Sql.Bytes(attempt.Address)
        );
        await session.CommitAsync(ct);
        if (seconds == 0)
            return attempt;
        context.Response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        throw PeopleProblems
            .SignInLocked.Because($"There were too many attempts. Try again in {seconds} s.")
            .With("retryAfterSeconds", seconds)
            .AsException();
    }

    /// <summary>The attempt was right: forgotten for the account, forgiven for the address.</summary>
    public static Task ForgiveAsync(Session session, Attempt attempt, CancellationToken ct) =>
        session.ExecuteAsync(
            "select access.forgive_sign_in($1, $2)",
            ct,
            Sql.Bytes(attempt.Account),
            Sql.Bytes(attempt.Address)
        );

    /// <summary>The person has proved themself otherwise, by a mailed link.</summary>
    public static Task ForgetAsync(Session session, string normalizedEmail, CancellationToken ct) =>
        session.ExecuteAsync(
            "delete from access.sign_in_failure where kind = 'account' and key = $1",
            ct,
            Sql.Bytes(SHA256.HashData(Encoding.UTF8.GetBytes(normalizedEmail)))
        );

    public sealed record Attempt(byte[] Account, byte[] Address);

    // Whoever has one IPv6 address has a /64 of them.
    private static string Network(IPAddress? address)
    {
        if (address is null)
            return "";
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        return address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6
            ? Convert.ToHexString(address.GetAddressBytes().AsSpan(0, 8))
            : address.ToString();
    }
}
