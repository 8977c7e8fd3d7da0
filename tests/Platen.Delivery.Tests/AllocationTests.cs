using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Platen.Testing;

namespace Platen.Delivery.Tests;

/// <summary>Tests that measure the whole process: nothing else runs beside them.</summary>
[CollectionDefinition(nameof(AloneInTheProcess), DisableParallelization = true)]
public sealed class AloneInTheProcess;

/// <summary>What a request on the hot path leaves to the garbage collector, Kestrel's part included.</summary>
[Collection(nameof(AloneInTheProcess))]
public sealed class AllocationTests(PostgresFixture postgres)
{
    private const int Most = 1_024;
    private const int Requests = 2_000;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_page_and_its_304_allocate_at_most_a_kibibyte(bool notModified)
    {
        await using var host = await DeliveryHost.StartAsync(postgres.Pools, asServed: true);
        var id = Publisher.NewId();
        await host.Publisher.PublishAsync(id, "1", locales: ["en", "de", "fr"]);
        var condition = "";
        await DeliveryHost.UntilAsync(
            async () =>
            {
                using var page = await host.GetAsync($"/e/{id}", ("Accept-Encoding", "br"));
                condition = $"If-None-Match: {page.Headers.ETag}\r\n";
                return page.Content.Headers.LastModified is not null;
            },
            "no date is sent"
        );
        // As a browser asks.
        var request = Encoding.ASCII.GetBytes(
            $"GET /e/{id}?theme=dark HTTP/1.1\r\nHost: {host.Client.BaseAddress!.Authority}\r\nAccept: text/html\r\n"
                + "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: de-CH, de;q=0.9, en;q=0.8\r\n"
                + "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nSec-Fetch-Dest: iframe\r\n"
        );
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, host.Client.BaseAddress.Port, Ct);
        if (notModified)
            condition = "If-None-Match: " + TagOf(socket, [.. request, .. "\r\n"u8]) + "\r\n";
        request = [.. request, .. Encoding.ASCII.GetBytes((notModified ? condition : "") + "\r\n")];

        var buffer = new byte[64 * 1024];
        var length = Answer(socket, request, buffer);
        Encoding.ASCII.GetString(buffer, 0, 12).ShouldBe(notModified ? "HTTP/1.1 304" : "HTTP/1.1 200");
        Ask(socket, request, buffer, length, Requests);
        var least = double.MaxValue;
        // Something of the process may stir beside it: in the quietest round nothing did.
        for (var round = 0; round < 5; round++)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            Ask(socket, request, buffer, length, Requests);
            least = Math.Min(least, (GC.GetTotalAllocatedBytes(precise: true) - before) / (double)Requests);
        }
        TestContext.Current.SendDiagnosticMessage(
            string.Create(CultureInfo.InvariantCulture, $"{(notModified ? "304" : "200")}: {least:F0} B a request")
        );
        least.ShouldBeLessThanOrEqualTo(Most);
    }

    private static string TagOf(Socket socket, byte[] request)
    {
        var buffer = new byte[64 * 1024];
        var head = Encoding.ASCII.GetString(buffer, 0, Answer(socket, request, buffer));
        return head.Split("\r\nETag: ")[1].Split("\r\n")[0];
    }

    /// <summary>Asks once, and returns how long the answer is, which is as long each time.</summary>
    private static int Answer(Socket socket, byte[] request, byte[] buffer)
    {
        socket.Send(request);
        var received = 0;
        while (true)
        {
            received += socket.Receive(buffer, received, buffer.Length - received, SocketFlags.None);
            var text = Encoding.ASCII.GetString(buffer, 0, received);
            var end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4;
            if (end < 4)
                continue;
            var named = text[..end].Split("\r\nContent-Length: ");
            var body = named.Length == 1 ? 0 : int.Parse(named[1].Split("\r\n")[0], CultureInfo.InvariantCulture);
            if (received == end + body)
                return received;
        }
    }

    // Without a thing that would be collected: what is measured is the server's.
    private static void Ask(Socket socket, byte[] request, byte[] buffer, int length, int times)
    {
        for (var i = 0; i < times; i++)
        {
            socket.Send(request);
            for (var received = 0; received < length; )
                received += socket.Receive(buffer, 0, buffer.Length, SocketFlags.None);
        }
    }
}
