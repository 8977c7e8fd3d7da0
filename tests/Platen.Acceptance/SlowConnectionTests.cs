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

    /// <summary>Connections that stand open while others are served.</summary>
    private const int Wanted = 10_000;

    /// <summary>Files that both processes have open beside them.</summary>
    private const int OtherFiles = 3_000;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ten_thousand_slow_connections_keep_nobody_from_being_served()
    {
        // Each connection is a file in both processes. Root may have as many as it likes; others have what the system lets them.
        var files = await OpenFilesAsync();
        if (files < Wanted + OtherFiles && Environment.IsPrivilegedProcess)
        {
            await ServerProcess.RunAsync("prlimit", [$"--pid={Environment.ProcessId}", "--nofile=65536:65536"], Ct);
            files = await OpenFilesAsync();
        }
        var wanted = Math.Min(Wanted, files - OtherFiles);
        if (wanted < Wanted)
            TestContext.Current.AddWarning(
                $"{wanted} slow connections of {Wanted}: the limit of open files is {files}"
            );
        wanted.ShouldBeGreaterThan(1_000, "the limit of open files (ulimit -n) is too low for this test");

        await using var server = await PlatenServer.StartWithSamplesAsync(PostgresFixture.NewFolder(), Ct);
        using var visitor = new HttpClient { BaseAddress = server.Address };
        var page = await visitor.GetByteArrayAsync(Page, Ct);
        var times = new List<double>();
        await using (var slow = SlowCrowd.Start(server.Address, wanted + 500, posts: 200))
        {
            // Beside them, over new connections and over one that is kept. The server ends a request that takes too long, and they come
            // again: a batch counts when they stood there before it and after.
            for (int held = 0, batch = 1; held < 10; batch++)
            {
                batch.ShouldBeLessThan(100, "they do not stand there for as long as twenty requests take");
                await ServerProcess.WaitUntilAsync(
                    "the slow connections",
                    TimeSpan.FromSeconds(120),
                    _ => Task.FromResult(slow.CountOpen() >= wanted),
                    Ct
                );
                for (var i = 0; i < 20; i++)
                {
                    var began = Stopwatch.GetTimestamp();
                    using var other = new HttpClient { BaseAddress = server.Address };
                    (await (i % 2 == 0 ? other : visitor).GetByteArrayAsync(Page, Ct)).ShouldBe(page);
                    times.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
                }
                if (slow.CountOpen() >= wanted)
                    held++;
            }
            // What a connection costs that has said half a line.
            ResidentMiB(server.ProcessId).ShouldBeLessThan(800);
            slow.Posts.ShouldBeGreaterThan(0);
        }
        times.Sort();
        times[times.Count * 9 / 10].ShouldBeLessThan(5_000, "milliseconds of nine requests in ten");
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

    /// <summary>
    /// So many connections, each with a byte now and then. Before the server has lost its patience with one, another has taken its place: a
    /// request's fields have 15 seconds, a body that comes more slowly than 240 bytes a second has 5.
    /// </summary>
    private sealed class SlowCrowd : IAsyncDisposable
    {
        private const int Workers = 4;
        private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);
        private static readonly TimeSpan OldestRequest = TimeSpan.FromSeconds(8);
        private static readonly TimeSpan OldestPost = TimeSpan.FromSeconds(3);

        private readonly IPEndPoint server;
        private readonly (Socket Socket, long Since)?[] slow;
        private readonly int posts;
        private readonly CancellationTokenSource stop = new();
        private readonly Task[] working;
        private int posted;

        private SlowCrowd(Uri server, int count, int posts)
        {
            this.server = new IPEndPoint(IPAddress.Loopback, server.Port);
            this.posts = posts;
            slow = new (Socket, long)?[count];
            working = [.. Enumerable.Range(0, Workers).Select(first => Task.Run(() => KeepAsync(first)))];
        }

        /// <summary>Posts that were begun and not ended.</summary>
        public int Posts => Volatile.Read(ref posted);

        public static SlowCrowd Start(Uri server, int count, int posts) => new(server, count, posts);

        /// <summary>
        /// Requests that the server has neither answered nor cut off. What slow posts are beside them is not counted: their time is too short to
        /// count on.
        /// </summary>
        public int CountOpen()
        {
            var open = 0;
            for (var i = posts; i < slow.Length; i++)
            {
                try
                {
                    if (slow[i] is { Socket: var socket } && !socket.Poll(0, SelectMode.SelectRead))
                        open++;
                }
                catch (ObjectDisposedException)
                {
                    // Another has taken its place meanwhile, which is open.
                    open++;
                }
            }
            return open;
        }

        public async ValueTask DisposeAsync()
        {
            await stop.CancelAsync();
            await Task.WhenAll(working);
            foreach (var one in slow)
                one?.Socket.Dispose();
            stop.Dispose();
        }

        private async Task KeepAsync(int first)
        {
            using var pause = new PeriodicTimer(Pause);
            try
            {
                do
                {
                    for (var i = first; i < slow.Length; i += Workers)
                        await TrickleAsync(i);
                } while (await pause.WaitForNextTickAsync(stop.Token));
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                // The test is over.
            }
        }

        private async Task TrickleAsync(int i)
        {
            var oldest = i < posts ? OldestPost : OldestRequest;
            if (slow[i] is not { Socket: var former, Since: var since } || Stopwatch.GetElapsedTime(since) > oldest)
            {
                var next = await BeginAsync(i);
                var left = slow[i]?.Socket;
                slow[i] = next;
                left?.Dispose();
                return;
            }
            try
            {
                await former.SendAsync("a"u8.ToArray(), stop.Token);
            }
            catch (SocketException)
            {
                // The server was faster: it is replaced in the next turn.
                slow[i] = null;
                former.Dispose();
            }
        }

        private async Task<(Socket, long)?> BeginAsync(int i)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                await socket.ConnectAsync(server, stop.Token);
                await socket.SendAsync(
                    Encoding.ASCII.GetBytes(
                        i < posts
                            ? "POST /s/wgt_main_forms.contact HTTP/1.1\r\nHost: localhost\r\n"
                                + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 5000\r\n\r\nname="
                            : $"GET {Page} HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
                    ),
                    stop.Token
                );
                if (i < posts)
                    Interlocked.Increment(ref posted);
                return (socket, Stopwatch.GetTimestamp());
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException)
            {
                socket.Dispose();
                return null;
            }
        }
    }
}
