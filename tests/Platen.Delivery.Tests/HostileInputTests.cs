using System.Net.Sockets;
using System.Text;
using FsCheck.Fluent;
using Platen.Testing;
using Platen.Testing.Widgets;

namespace Platen.Delivery.Tests;

/// <summary>Whatever a query or a field says, a visitor gets one of the pages that there are, or a refusal that nobody keeps.</summary>
public sealed class HostileInputTests(PostgresFixture postgres)
{
    private static readonly string[] Locales = ["en", "de", "fr"];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task No_query_makes_a_page_that_is_not_one_of_the_published_ones()
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        var (id, known) = await PublishAsync(host);
        await using var connection = await RawAsync(host);
        // What Kestrel takes for a request line: everything but controls and spaces.
        var bytes = Gen.Choose(0x21, 0xFE).Select(b => (char)b).Where(c => c is not '\u007f');
        var queries = bytes
            .ArrayOf()
            .Select(chars => new string(chars))
            .Or(
                Gen.Elements(
                        "theme=",
                        "locale=",
                        "device=",
                        "&",
                        "%",
                        "%zz",
                        "%00",
                        "=",
                        ";",
                        "[]",
                        "explain",
                        "..",
                        "#"
                    )
                    .ArrayOf()
                    .Select(string.Concat)
            );
        foreach (var query in queries.Sample(600).Where(query => query.Length < 2_000))
            await ExpectKnownAsync(connection, $"/e/{id}?{query}", known);
        host.Cache.Count.ShouldBe(1);
    }

    [Fact]
    public async Task No_naughty_string_in_the_query_or_a_field_is_shown_or_kept()
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        var (id, known) = await PublishAsync(host);
        await using var connection = await RawAsync(host);
        foreach (var text in NaughtyStrings.Injections.Concat(await NaughtyStrings.BigListAsync(Ct)))
        {
            var escaped = Uri.EscapeDataString(text);
            foreach (var name in (string[])["theme", "locale", "device", escaped])
                await ExpectKnownAsync(connection, $"/e/{id}?{name}={escaped}", known);
            // Not every text can stand in a field: those that can are sent there too.
            if (text.All(c => c is >= ' ' and <= '~') && text.Length < 500)
            {
                await ExpectKnownAsync(connection, $"/e/{id}", known, $"Accept-Language: {text}", $"Accept: {text}");
                foreach (var field in UnkeyedFields.Names.Where(field => field is not ("If-Range" or "Range")))
                    await ExpectKnownAsync(connection, $"/e/{id}", known, $"{field}: {text}");
            }
        }
    }

    [Fact]
    public async Task Ten_thousand_bytes_of_fields_get_the_page_that_is_there()
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools, asServed: true);
        var (id, known) = await PublishAsync(host);
        var long10 = new string('x', 10_000);
        string[][] floods =
        [
            ["X-Nothing: " + long10],
            [.. Enumerable.Range(0, 60).Select(n => $"X-Nothing-{n:00}: {new string('x', 155)}")],
            ["Accept-Language: " + string.Join(", ", Enumerable.Range(0, 1_450).Select(n => $"x{n:0000}"))],
            ["Accept-Language: " + long10],
            ["Accept-Encoding: " + string.Join(",", Enumerable.Range(0, 1_400).Select(n => $"x{n:00000}"))],
            ["If-None-Match: " + string.Join(",", Enumerable.Range(0, 1_200).Select(n => $"\"{n:00000}\""))],
            ["If-None-Match: \"" + long10],
            ["If-Modified-Since: " + long10],
            ["Range: bytes=" + string.Join(",", Enumerable.Range(0, 1_600).Select(n => $"{n:00}-{n:00}"))],
            ["Cookie: " + string.Join("; ", Enumerable.Range(0, 1_000).Select(n => $"c{n:0000}=abc"))],
            ["Authorization: Bearer " + long10],
            ["X-Embed-Token: " + long10],
        ];
        foreach (var fields in floods)
        {
            fields.Sum(field => field.Length).ShouldBeGreaterThan(9_500);
            foreach (var path in new[] { $"/e/{id}", $"/w/{id}/manifest.json", "/embed/v1/loader.js", $"/p/{id}" })
            {
                await using var connection = await RawAsync(host);
                var answer = await AskAsync(connection, path, fields);
                answer.Status.ShouldBe(200, $"{path} {fields[0][..20]}");
                if (path.StartsWith("/e/", StringComparison.Ordinal))
                    known.ShouldContain(answer.Body, fields[0][..20]);
            }
        }
        // More than the server reads is refused, and the next visitor is served.
        await using var beyond = await RawAsync(host);
        (await AskAsync(beyond, $"/e/{id}", "X-Nothing: " + long10 + long10)).Status.ShouldBe(431);
        await beyond.ReopenAsync(Ct);
        (await AskAsync(beyond, $"/e/{id}")).Status.ShouldBe(200);
    }

    public static TheoryData<string> Unkeyed => [.. UnkeyedFields.Names, "X-Forwarded-Host\tX"];

    [Theory]
    [MemberData(nameof(Unkeyed))]
    public async Task A_field_that_no_cache_keeps_apart_changes_nothing(string field)
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        var (id, _) = await PublishAsync(host);
        // Not within the second of the publish, after which a date is sent.
        await DeliveryHost.UntilAsync(
            async () =>
            {
                using var page = await host.GetAsync($"/e/{id}?locale=de");
                return page.Content.Headers.LastModified is not null;
            },
            "no date is sent"
        );
        foreach (var path in new[] { $"/e/{id}?locale=de", $"/w/{id}/manifest.json", "/embed/v1/loader.js" })
        {
            await using var connection = await RawAsync(host);
            var plain = await AskAsync(connection, path);
            var poisoned = await AskAsync(connection, path, $"{field}: evil.example/\"'><b>1</b>");
            if (poisoned.Status == 400)
                continue;
            poisoned.Status.ShouldBe(200, $"{field} {path}");
            Without(poisoned.Head, "Date").ShouldBe(Without(plain.Head, "Date"), $"{field} {path}");
            poisoned.Body.ShouldBe(plain.Body);
        }
    }

    [Theory]
    [InlineData("/e/%2e%2e%2f%2e%2e%2fetc/passwd")]
    [InlineData("/e/%c0%ae%c0%ae%c0%afetc%c0%afpasswd")]
    [InlineData("/e/%e0%80%ae%e0%80%ae")]
    [InlineData("/e/%f0%80%80%ae")]
    [InlineData("/e/wgt_main_content%2efaq%00.html")]
    [InlineData("/e/wgt_main_content.faq%0d%0aX-Evil:%201")]
    [InlineData("/e/wgt_main_content.faq%20")]
    [InlineData("/e/wgt_main_content.faq%2f..")]
    [InlineData("/e/WGT_MAIN_CONTENT.FAQ")]
    [InlineData("/e/wgt_main_content.faq;jsessionid=1")]
    [InlineData("/e/wgt_main_content.faq\\..\\x")]
    [InlineData("/w/%2e%2e/%2e%2e/etc/passwd")]
    [InlineData("/w/wgt_main_content.faq/%2e%2e%2fmanifest.json")]
    [InlineData("/embed/v1/%2e%2e/%2e%2e/etc/passwd")]
    [InlineData("/embed/%00/loader.js")]
    [InlineData("//e/wgt_main_content.faq")]
    public async Task No_path_leads_where_it_should_not(string path)
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools);
        await using var connection = await RawAsync(host);
        var answer = await AskAsync(connection, path);
        // 418 is what stands behind delivery here.
        answer.Status.ShouldBeOneOf(400, 404, 418);
        answer.Head.ShouldNotContain("X-Evil");
        answer.Body.ShouldNotContain("root:");
    }

    private static async Task<(string Id, HashSet<string> Pages)> PublishAsync(DeliveryHost host)
    {
        var id = Publisher.NewId();
        await host.Publisher.PublishAsync(id, "1", locales: Locales);
        return (
            id,
            [
                .. Locales.SelectMany(locale =>
                    new[] { "auto", "light", "dark" }.Select(theme => Publisher.PageText(id, "1", locale, theme))
                ),
            ]
        );
    }

    private static async Task ExpectKnownAsync(
        RawConnection connection,
        string target,
        HashSet<string> known,
        params string[] fields
    )
    {
        var answer = await AskAsync(connection, target, fields);
        if (answer.Status == 200)
            known.ShouldContain(answer.Body, target);
        else
        {
            answer.Status.ShouldBeOneOf(400, 414, 431);
            await connection.ReopenAsync(Ct);
        }
    }

    private static string Without(string head, string field) =>
        string.Join(
            '\n',
            head.Split("\r\n").Where(line => !line.StartsWith(field + ":", StringComparison.OrdinalIgnoreCase))
        );

    private static async Task<(int Status, string Head, string Body)> AskAsync(
        RawConnection connection,
        string target,
        params string[] fields
    )
    {
        var request =
            $"GET {target} HTTP/1.1\r\nHost: platen.example\r\n{string.Concat(fields.Select(f => f + "\r\n"))}\r\n";
        return await connection.AskAsync(Encoding.Latin1.GetBytes(request), Ct);
    }

    private static async Task<RawConnection> RawAsync(DeliveryHost host)
    {
        var connection = new RawConnection(host.Client.BaseAddress!);
        await connection.ReopenAsync(Ct);
        return connection;
    }

    /// <summary>Bytes over one connection: an HTTP client would mend what is to be tried.</summary>
    private sealed class RawConnection(Uri server) : IAsyncDisposable
    {
        private TcpClient? client;

        public async Task ReopenAsync(CancellationToken ct)
        {
            client?.Dispose();
            client = new TcpClient();
            await client.ConnectAsync(server.Host, server.Port, ct);
        }

        public async Task<(int Status, string Head, string Body)> AskAsync(byte[] request, CancellationToken ct)
        {
            var stream = client!.GetStream();
            await stream.WriteAsync(request, ct);
            var received = new List<byte>();
            var buffer = new byte[16 * 1024];
            var end = -1;
            var length = 0;
            while (end < 0 || received.Count < end + length)
            {
                var count = await stream.ReadAsync(buffer, ct);
                if (count == 0)
                    break;
                received.AddRange(buffer.AsSpan(0, count));
                if (end < 0 && received.ToArray().AsSpan().IndexOf("\r\n\r\n"u8) is >= 0 and var at)
                {
                    end = at + 4;
                    var fields = Encoding.Latin1.GetString([.. received[..at]]);
                    var named = fields
                        .Split("\r\n")
                        .FirstOrDefault(line => line.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase));
                    length = named is null ? 0 : int.Parse(named["Content-Length:".Length..]);
                }
            }
            var text = Encoding.UTF8.GetString([.. received]);
            var split = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
            return (int.Parse(text.Split(' ')[1]), text[..split], text[(split + 4)..]);
        }

        public ValueTask DisposeAsync()
        {
            client?.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
