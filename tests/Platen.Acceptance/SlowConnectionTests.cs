using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Acceptance;

/// <summary>Slowloris: thousands of connections that never come to the end of their request.</summary>
public sealed class SlowConnectionTests
{
    private const string Page = "/e/wgt_main_content.faq";
    private const int Wanted = 10_000;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ten_thousand_slow_connections_keep_nobody_from_being_served()
    {
        // Each connection is a file in both processes; the rest is for everything else that they have open.
        var count = Math.Min(Wanted, await OpenFilesAsync() - 2_000);
        count.ShouldBeGreaterThan(5_000, "the limit of open files (ulimit -n) is too low for this test");
        TestContext.Current.SendDiagnosticMessage($"{count} slow connections of {Wanted}");
        await using var server = await PlatenServer.StartWithSamplesAsync(PostgresFixture.NewFolder(), Ct);
        using var visitor = new HttpClient { BaseAddress = server.Address };
        var page = await visitor.GetByteArrayAsync(Page, Ct);

        var slow = new List<Socket>(count);
        try
        {
            var start = Encoding.ASCII.GetBytes($"GET {Page} HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
            while (slow.Count < count)
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                slow.Add(socket);
                await socket.ConnectAsync(IPAddress.Loopback, server.Address.Port, Ct);
                await socket.SendAsync(start, Ct);
            }
            // Beside them, over new connections and over one that is kept.
            var times = new List<double>();
            for (var i = 0; i < 200; i++)
            {
                if (i < slow.Count)
                    await slow[i].SendAsync("a"u8.ToArray(), Ct);
                var began = Stopwatch.GetTimestamp();
                using var other = new HttpClient { BaseAddress = server.Address };
                (await (i % 2 == 0 ? other : visitor).GetByteArrayAsync(Page, Ct)).ShouldBe(page);
                times.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
            }
            times.Sort();
            times[times.Count * 9 / 10].ShouldBeLessThan(1_000, "milliseconds of nine requests in ten");
            // What a connection costs that has said half a line.
            ResidentMiB(server.ProcessId).ShouldBeLessThan(800);
        }
        finally
        {
            foreach (var socket in slow)
                socket.Dispose();
        }
        (await visitor.GetByteArrayAsync(Page, Ct)).ShouldBe(page);
    }

    private static async Task<int> OpenFilesAsync()
    {
        var line = (await File.ReadAllLinesAsync("/proc/self/limits", Ct)).Single(text =>
            text.StartsWith("Max open files", StringComparison.Ordinal)
        );
        var soft = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[3];
        return soft == "unlimited" ? int.MaxValue : int.Parse(soft, CultureInfo.InvariantCulture);
    }

    private static long ResidentMiB(int process) =>
        long.Parse(
            File.ReadLines($"/proc/{process}/status")
                .Single(line => line.StartsWith("VmRSS:", StringComparison.Ordinal))
                .Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
            CultureInfo.InvariantCulture
        ) / 1024;
}
