using System.Globalization;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;

namespace Platen.Access.People.Mail;

/// <summary>
/// Hands mail to a submission server (RFC 6409): SMTP (RFC 5321) with STARTTLS (RFC 3207), or TLS from the first byte (RFC 8314), and
/// AUTH PLAIN or LOGIN (RFC 4954). One connection a mail: mails are seldom here.
/// </summary>
internal sealed class SmtpMail(MailLocation.Smtp server, TimeProvider clock) : IMail
{
    public async Task SendAsync(MailMessage message, CancellationToken ct)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
        patience.CancelAfter(PeopleLimits.MailPatience);
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync(server.Host, server.Port, patience.Token);
            await using var stream = await SendAsync(client.GetStream(), message, patience.Token);
        }
        catch (OperationCanceledException late) when (!ct.IsCancellationRequested)
        {
            throw new MailException(
                $"{server} took longer than {PeopleLimits.MailPatience.TotalSeconds} s to take a mail.",
                late
            );
        }
        catch (Exception broken) when (broken is IOException or SocketException or AuthenticationException)
        {
            throw new MailException($"{server}: {broken.Message}", broken);
        }
    }

    private async Task<Stream> SendAsync(Stream connected, MailMessage message, CancellationToken ct)
    {
        var talk = new Talk(connected, server.ToString());
        if (server.Tls == MailTls.FromTheStart)
            await talk.EncryptAsync(server.Host, ct);
        await talk.ExpectAsync("220", ct);
        var offers = await talk.HelloAsync(ct);
        if (server.Tls == MailTls.Upgraded)
        {
            if (!offers.Contains("STARTTLS", StringComparer.OrdinalIgnoreCase))
                throw new MailException(
                    $"{server} does not encrypt. Use another port, or tls=off on a network you trust."
                );
            await talk.AskAsync("STARTTLS", "220", ct);
            await talk.EncryptAsync(server.Host, ct);
            // What was offered before could have been anybody's word.
            offers = await talk.HelloAsync(ct);
        }
        if (server.User is not null)
            await SignInAsync(talk, offers, server.User, server.Password ?? "", ct);
        await talk.AskAsync($"MAIL FROM:<{server.From}>", "250", ct);
        await talk.AskAsync($"RCPT TO:<{message.To}>", "25", ct, finalWhen: "55");
        await talk.AskAsync("DATA", "354", ct);
        var id = Guid.CreateVersion7().ToString("N");
        await talk.SendDataAsync(MailText.Render(message, server.From, id, clock.GetUtcNow()), ct);
        await talk.ExpectAsync("250", ct);
        // It is theirs now: how they say goodbye changes nothing.
        await talk.SendAsync("QUIT", ct);
        return talk.Stream;
    }

    private async Task SignInAsync(Talk talk, List<string> offers, string user, string password, CancellationToken ct)
    {
        var ways = offers
            .Where(offer => offer.StartsWith("AUTH ", StringComparison.OrdinalIgnoreCase))
            .SelectMany(offer => offer.Split(' ').Skip(1))
            .ToHashSet(StringComparer.OrdinalIgnoreCase);
        if (ways.Contains("PLAIN"))
        {
            await talk.AskAsync("AUTH PLAIN " + Base64($"\0{user}\0{password}"), "235", ct, shown: "AUTH PLAIN");
            return;
        }
        if (!ways.Contains("LOGIN"))
            throw new MailException(
                $"{server} offers no sign-in that is known here: neither AUTH PLAIN nor AUTH LOGIN."
            );
        await talk.AskAsync("AUTH LOGIN", "334", ct);
        await talk.AskAsync(Base64(user), "334", ct, shown: "the user name");
        await talk.AskAsync(Base64(password), "235", ct, shown: "the password");

        static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
    }

    /// <summary>The dialogue: a line asked, a code and lines answered.</summary>
    private sealed class Talk(Stream stream, string server)
    {
        private const int LongestLine = 2048;
        private const int MostLines = 100;
        private readonly byte[] received = new byte[4096];
        private int start;
        private int end;

        public Stream Stream { get; private set; } = stream;

        public async Task EncryptAsync(string host, CancellationToken ct)
        {
            // Whatever came before the encryption was not theirs to say (CVE-2011-0411).
            if (start != end)
                throw new MailException($"{server} went on in the clear where it should have begun to encrypt.");
            var encrypted = new SslStream(Stream);
            Stream = encrypted;
            await encrypted.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = host }, ct);
        }

        public async Task<List<string>> HelloAsync(CancellationToken ct)
        {
            await SendAsync("EHLO localhost", ct);
            var lines = await ReadAsync(ct);
            return lines[0].StartsWith("250", StringComparison.Ordinal)
                ? [.. lines.Skip(1).Select(line => line.Length > 4 ? line[4..].Trim() : "")]
                : throw Refused("EHLO", lines);
        }

        public async Task AskAsync(
            string line,
            string expected,
            CancellationToken ct,
            string? shown = null,
            string? finalWhen = null
        )
        {
            await SendAsync(line, ct);
            var lines = await ReadAsync(ct);
            if (lines[0].StartsWith(expected, StringComparison.Ordinal))
                return;
            var isFinal = finalWhen is not null && lines[0].StartsWith(finalWhen, StringComparison.Ordinal);
            throw Refused(shown ?? line, lines, isFinal);
        }

        public async Task ExpectAsync(string expected, CancellationToken ct)
        {
            var lines = await ReadAsync(ct);
            if (!lines[0].StartsWith(expected, StringComparison.Ordinal))
                throw Refused("the mail", lines);
        }

        public async Task SendAsync(string line, CancellationToken ct)
        {
            if (line.AsSpan().ContainsAny('\r', '\n'))
                throw new MailException("A line break in an address or a name would be a command of its own.");
            await Stream.WriteAsync(Encoding.UTF8.GetBytes(line + "\r\n"), ct);
            await Stream.FlushAsync(ct);
        }

        // A line that is a dot ends the mail, so a dot at the start of a line is doubled (RFC 5321 section 4.5.2).
        public async Task SendDataAsync(byte[] mail, CancellationToken ct)
        {
            var text = Encoding.ASCII.GetString(mail);
            if (text.StartsWith('.'))
                text = "." + text;
            text = text.Replace("\r\n.", "\r\n..", StringComparison.Ordinal) + ".\r\n";
            await Stream.WriteAsync(Encoding.ASCII.GetBytes(text), ct);
            await Stream.FlushAsync(ct);
        }

        private async Task<List<string>> ReadAsync(CancellationToken ct)
        {
            var lines = new List<string>();
            while (true)
            {
                var line = await ReadLineAsync(ct);
                lines.Add(line);
                if (line.Length < 4 || line[3] != '-')
                    return lines;
                if (lines.Count == MostLines)
                    throw new MailException($"{server} answers without end.");
            }
        }

        private async Task<string> ReadLineAsync(CancellationToken ct)
        {
            var line = new StringBuilder();
            while (line.Length < LongestLine)
            {
                if (start == end)
                {
                    start = 0;
                    end = await Stream.ReadAsync(received, ct);
                    if (end == 0)
                        throw new MailException($"{server} hung up.");
                }
                var letter = (char)received[start++];
                if (letter == '\n')
                    return line.ToString().TrimEnd('\r');
                line.Append(letter);
            }
            throw new MailException($"{server} sends lines without end.");
        }

        private MailException Refused(string what, List<string> lines, bool isFinal = false) =>
            new(string.Create(CultureInfo.InvariantCulture, $"{server} refuses {what}: {string.Join(' ', lines)}"))
            {
                IsFinal = isFinal,
            };
    }
}
