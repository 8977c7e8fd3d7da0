using System.Text.RegularExpressions;
using Platen.Platform.Http;

namespace Platen.Server.Tests;

/// <summary>Requests that two readers could take for different ones, and clients that take their time.</summary>
public sealed partial class FramingTests(ServerFixture server)
{
    private const string Smuggled = "GET /v1/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";

    [Theory]
    [InlineData(
        "two lengths",
        "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"
    )]
    [InlineData(
        "two equal lengths",
        "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n"
    )]
    [InlineData("a list of lengths", "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0, 0\r\n\r\n")]
    [InlineData("a negative length", "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n")]
    [InlineData("a hexadecimal length", "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0x0\r\n\r\n")]
    [InlineData("a space before the colon", "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length : 0\r\n\r\n")]
    [InlineData(
        "length and chunks",
        "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    )]
    [InlineData(
        "chunks and length",
        "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
    )]
    [InlineData(
        "length and chunks of a beacon",
        "POST /p/wgt_main_content.faq HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    )]
    [InlineData(
        "length and chunks of a page",
        "GET /e/wgt_main_content.faq HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    )]
    [InlineData(
        "chunks that are not last",
        "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"
    )]
    [InlineData(
        "an unknown coding",
        "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"
    )]
    [InlineData("a folded field", "GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n Content-Length: 5\r\n\r\n")]
    [InlineData("a folded first field", "GET /v1/jobs HTTP/1.1\r\n Host: localhost\r\n\r\n")]
    [InlineData("a bare line feed after a field", "GET /v1/jobs HTTP/1.1\r\nHost: localhost\nX-A: b\r\n\r\n")]
    [InlineData("a bare line feed after the request line", "GET /v1/jobs HTTP/1.1\nHost: localhost\r\n\r\n")]
    [InlineData(
        "a bare carriage return in a field",
        "GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nX-A: b\rX-B: c\r\n\r\n"
    )]
    [InlineData("a NUL in a field", "GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nX-A: b\0c\r\n\r\n")]
    [InlineData(
        "a chunk's length with a bare line feed",
        "PUT /v1/instances/wgt_main_content.faq HTTP/1.1\r\nHost: localhost\r\nIf-Match: *\r\nContent-Type: application/json\r\nAuthorization: Bearer KEY\r\nTransfer-Encoding: chunked\r\n\r\n2;\n{}\r\n0\r\n\r\n"
    )]
    [InlineData(
        "a chunk's length that is none",
        "PUT /v1/instances/wgt_main_content.faq HTTP/1.1\r\nHost: localhost\r\nIf-Match: *\r\nContent-Type: application/json\r\nAuthorization: Bearer KEY\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n"
    )]
    [InlineData("two hosts", "GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nHost: evil.test\r\n\r\n")]
    [InlineData("no host", "GET /v1/jobs HTTP/1.1\r\n\r\n")]
    [InlineData("an address of another host", "GET http://evil.test/v1/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n")]
    public async Task A_request_that_can_be_read_in_two_ways_is_refused_and_ends_the_connection(
        string what,
        string request
    )
    {
        using var raw = await RawConnection.OpenAsync(server.Nobody.BaseAddress!);
        await raw.SayAsync(request.Replace("KEY", server.OwnerKeyText) + Smuggled);
        var heard = await raw.HearAllAsync();
        StatusLine().Matches(heard).Select(m => m.Groups["status"].Value).ShouldBe(["400"], what + "\n" + heard);
        heard.ShouldNotContain("smuggled", Case.Insensitive, what);
    }

    [Fact]
    public async Task A_body_that_stops_arriving_is_given_up_with_a_problem()
    {
        await using var node = await server.StartAsync(new HttpGuards { Grace = TimeSpan.FromSeconds(2) });
        using var raw = await RawConnection.OpenAsync(new Uri(node.Urls.Single()));
        await raw.SayAsync(Save("Content-Length: 1000\r\n", "{ \"widget"));
        var heard = await raw.HearAllAsync();
        heard.ShouldStartWith("HTTP/1.1 408 ");
        heard.ShouldContain("/problems/slow-request");
    }

    [Fact]
    public async Task Fields_that_do_not_end_are_given_up()
    {
        await using var node = await server.StartAsync(new HttpGuards { HeaderTime = TimeSpan.FromSeconds(1) });
        using var raw = await RawConnection.OpenAsync(new Uri(node.Urls.Single()));
        await raw.SayAsync("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
        (await raw.HearAllAsync()).ShouldStartWith("HTTP/1.1 408 ");
    }

    [Fact]
    public async Task A_request_that_takes_too_long_is_ended_with_a_problem()
    {
        await using var node = await server.StartAsync(
            new HttpGuards { RequestTimeout = TimeSpan.FromSeconds(1), Grace = TimeSpan.FromSeconds(600) }
        );
        using var raw = await RawConnection.OpenAsync(new Uri(node.Urls.Single()));
        await raw.SayAsync(Save("Content-Length: 1000\r\nConnection: close\r\n", "{"));
        var heard = await raw.HearAllAsync();
        heard.ShouldStartWith("HTTP/1.1 504 ");
        heard.ShouldContain("/problems/timed-out");
    }

    [Fact]
    public async Task Too_many_and_too_long_fields_are_refused()
    {
        var many = string.Concat(Enumerable.Range(0, ServerLimits.HeaderCount).Select(i => $"X-{i}: 1\r\n"));
        await RefusedAsync("431", $"GET /healthz HTTP/1.1\r\nHost: localhost\r\n{many}\r\n");
        var endless = new string('a', ServerLimits.HeaderBytes);
        await RefusedAsync("431", $"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: {endless}\r\n\r\n");
        await RefusedAsync("414", $"GET /{endless} HTTP/1.1\r\nHost: localhost\r\n\r\n");

        async Task RefusedAsync(string status, string request)
        {
            using var raw = await RawConnection.OpenAsync(server.Nobody.BaseAddress!);
            await raw.SayAsync(request);
            (await raw.HearAllAsync()).ShouldStartWith("HTTP/1.1 " + status);
        }
    }

    [Fact]
    public async Task A_body_over_the_limit_of_its_endpoint_is_a_problem()
    {
        var large = new byte[Kernel.Limits.JsonBodyBytes + 1];
        var refused = await server.Owner.SendAsync(HttpMethod.Put, InstanceTests.NewPath(), large, create: true);
        (refused.Status, refused.Problem).ShouldBe((413, "too-large"));

        // Said to be larger than anything: refused before it is sent.
        using var raw = await RawConnection.OpenAsync(server.Nobody.BaseAddress!);
        await raw.SayAsync(Save($"Content-Length: {ServerLimits.BodyBytes + 1L}\r\n", ""));
        var heard = await raw.HearAllAsync();
        heard.ShouldStartWith("HTTP/1.1 413 ");
        heard.ShouldContain("/problems/too-large");
    }

    private string Save(string fields, string body) =>
        $"PUT {InstanceTests.NewPath()} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.OwnerKeyText}\r\n"
        + $"If-None-Match: *\r\nContent-Type: application/json\r\n{fields}\r\n{body}";

    [GeneratedRegex(@"^HTTP/1\.1 (?<status>\d{3})", RegexOptions.Multiline | RegexOptions.NonBacktracking)]
    private static partial Regex StatusLine();
}
