using System.Buffers.Text;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Platen.Client;

namespace Platen.Cli;

/// <summary>
/// Signs this terminal in by way of a browser (OAuth 2.0 with PKCE, RFC 7636): the secret stays here, its hash goes into the address that
/// the browser opens, and what comes back, to a port of the loopback or pasted by hand, is worth nothing without the secret.
/// </summary>
internal sealed class BrowserLogin(Invocation run, Uri server)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    private const string Done = """
        <!doctype html><html lang="en"><head><meta charset="utf-8"><title>Signed in</title><meta name="viewport" content="width=device-width,initial-scale=1">
        <style>:root{color-scheme:light dark}body{font:1rem/1.6 system-ui,sans-serif;max-width:27rem;margin:0 auto;padding:clamp(2rem,8vw,5rem) 1.25rem}</style></head>
        <body><h1>Your terminal is signed in</h1><p>You can close this window.</p></body></html>
        """;

    /// <summary>Waits until the person has said yes in the browser.</summary>
    /// <param name="opens">Whether to open the browser here, and not only print the address.</param>
    /// <param name="ct">Cancels.</param>
    /// <exception cref="CliException">Nobody did within ten minutes.</exception>
    public async Task<TerminalKey> RunAsync(bool opens, CancellationToken ct)
    {
        var verifier = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        var state = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(16));
        // Over ssh the browser is elsewhere: it could not reach this machine's loopback.
        var isRemote = run.Terminal.Variable("SSH_CONNECTION") is { Length: > 0 };
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        if (!isRemote)
            listener.Start();
        var query =
            $"?challenge={Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(verifier)))}&state={state}"
            + $"&name={Uri.EscapeDataString(MachineName(run.Terminal))}"
            + (
                isRemote
                    ? ""
                    : string.Create(CultureInfo.InvariantCulture, $"&port={((IPEndPoint)listener.LocalEndpoint).Port}")
            );
        var address = new Uri(server, "terminal-login" + query);
        run.Output.Progress("Open this address in a browser, and say there what this terminal may do:");
        run.Output.Progress("");
        run.Output.Progress("  " + address.AbsoluteUri);
        run.Output.Progress("");
        if (opens && !isRemote)
            Open(address);
        run.Output.Progress(isRemote ? "Paste the code:" : "Waiting for the browser; or paste the code here:");

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(Patience);
        try
        {
            var pasted = Task.Run(ReadCode, CancellationToken.None);
            var heard = isRemote ? pasted : ListenAsync(listener, state, limit.Token);
            var first = await Task.WhenAny(pasted, heard).WaitAsync(limit.Token);
            // An input that has ended says nothing: the browser still may.
            var code = await first ?? await heard.WaitAsync(limit.Token) ?? throw NothingCame();
            using var client = new PlatenClient(server, key: null);
            return await client.ExchangeTerminalLoginAsync(code, verifier, ct);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            throw NothingCame();
        }
    }

    /// <summary>What the key is named after: the program, the person and the machine.</summary>
    public static string MachineName(Terminal terminal)
    {
        var user = terminal.Variable("USER") is { Length: > 0 } name ? name + "@" : "";
        var text = $"platen on {user}{Environment.MachineName}";
        return text.Length <= 100 ? text : text[..100];
    }

    // A line that is empty is not a code: whoever pressed return is still waited for in the browser.
    private string? ReadCode()
    {
        using var input = new StreamReader(run.Terminal.OpenInput());
        while (input.ReadLine() is { } line)
        {
            if (line.Trim() is { Length: > 0 } code)
                return code;
        }
        return null;
    }

    private static async Task<string?> ListenAsync(TcpListener listener, string state, CancellationToken ct)
    {
        while (true)
        {
            using var socket = await listener.AcceptTcpClientAsync(ct);
            await using var stream = socket.GetStream();
            var code = await ReadRequestAsync(stream, state, ct);
            var body = Encoding.UTF8.GetBytes(code is null ? "" : Done);
            var head = string.Create(
                CultureInfo.InvariantCulture,
                $"HTTP/1.1 {(code is null ? "404 Not Found" : "200 OK")}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {body.Length}\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n"
            );
            await stream.WriteAsync(Encoding.ASCII.GetBytes(head), ct);
            await stream.WriteAsync(body, ct);
            if (code is not null)
                return code;
        }
    }

    // The first line is all that counts: "GET /?state=…&code=… HTTP/1.1". Whatever else knocks here gets a 404.
    private static async Task<string?> ReadRequestAsync(NetworkStream stream, string state, CancellationToken ct)
    {
        using var reader = new StreamReader(stream, Encoding.ASCII, false, 8192, leaveOpen: true);
        if (await reader.ReadLineAsync(ct) is not { Length: < 8192 } line)
            return null;
        while (await reader.ReadLineAsync(ct) is { Length: > 0 }) { }
        if (line.Split(' ') is not ["GET", var target, _])
            return null;
        var values = System.Web.HttpUtility.ParseQueryString(
            target[(target.IndexOf('?', StringComparison.Ordinal) + 1)..]
        );
        return values["state"] == state ? values["code"] : null;
    }

    // The address is printed as well, so nothing is lost where there is no browser to open.
    private void Open(Uri address)
    {
        var (program, arguments) =
            run.Terminal.Variable("BROWSER") is { Length: > 0 } named ? (named, new[] { address.AbsoluteUri })
            : OperatingSystem.IsMacOS() ? ("open", [address.AbsoluteUri])
            : OperatingSystem.IsWindows() ? ("rundll32", ["url.dll,FileProtocolHandler", address.AbsoluteUri])
            : ("xdg-open", [address.AbsoluteUri]);
        try
        {
            var start = new ProcessStartInfo(program, arguments)
            {
                UseShellExecute = false,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            using var browser = Process.Start(start);
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            run.Output.Detail($"{program} could not be started: {e.Message}");
        }
    }

    private static CliException NothingCame() =>
        new(
            ExitCode.No,
            "no-answer",
            "Nobody said yes in the browser within ten minutes.",
            "Run 'platen login' again; or pass a key: 'platen login --server URL < FILE'."
        );
}
