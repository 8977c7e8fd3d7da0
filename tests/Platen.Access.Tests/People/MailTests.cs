using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Platen.Access.People.Mail;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Access.Tests.People;

/// <summary>Mail to a real server, aiosmtpd, and to a folder.</summary>
public sealed class MailTests
{
    private static readonly MailMessage Letter = new(
        "ada@example.org",
        "Grüße — a link",
        "Hello Ada,\r\n\r\nhttp://localhost:5080/reset/"
            + new string('x', 43)
            + "\r\n.\r\n.. dots at the start of a line\r\nÄ ö ü 漢字\r\n"
    );

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_server_that_asks_for_a_password_gets_it_and_the_whole_letter()
    {
        await using var server = await MailServer.StartAsync(tls: false, Ct);
        await new SmtpMail(Smtp(server, "platen", "secret", MailTls.Off), TimeProvider.System).SendAsync(Letter, Ct);
        var received = await server.ReceivedAsync(Ct);
        received.ShouldContain("X-Peer-User: platen");
        received.ShouldContain("X-MailFrom: platen@example.org");
        received.ShouldContain("X-RcptTo: ada@example.org");
        received.ShouldContain("Auto-Submitted: auto-generated");
        received.ShouldContain("--- Grüße — a link");
        received.ShouldContain("--- " + Letter.Text.Replace("\r\n", "\n", StringComparison.Ordinal).TrimEnd());
    }

    [Fact]
    public async Task A_mailbox_that_the_server_does_not_know_is_final()
    {
        await using var server = await MailServer.StartAsync(tls: false, Ct);
        var mail = new SmtpMail(Smtp(server, "platen", "secret", MailTls.Off), TimeProvider.System);
        var refused = await Should.ThrowAsync<MailException>(() =>
            mail.SendAsync(Letter with { To = "nobody@example.org" }, Ct)
        );
        refused.IsFinal.ShouldBeTrue();
        refused.Message.ShouldContain("550");
    }

    [Theory]
    [InlineData("a@example.org>\r\nRCPT TO:<b@example.org", "s")]
    [InlineData("a@example.org", "s\r\nBcc: b@example.org")]
    public async Task No_line_break_in_a_value_becomes_a_command_or_a_header(string to, string subject)
    {
        await using var server = await MailServer.StartAsync(tls: false, Ct);
        var mail = new SmtpMail(Smtp(server, "platen", "secret", MailTls.Off), TimeProvider.System);
        await Should.ThrowAsync<MailException>(() => mail.SendAsync(new MailMessage(to, subject, "t"), Ct));
        Directory.GetFiles(server.Folder, "*.txt").ShouldBeEmpty();
    }

    [Fact]
    public async Task A_wrong_password_is_a_failure_that_says_so()
    {
        await using var server = await MailServer.StartAsync(tls: false, Ct);
        var mail = new SmtpMail(Smtp(server, "platen", "wrong", MailTls.Off), TimeProvider.System);
        await Should.ThrowAsync<MailException>(() => mail.SendAsync(Letter, Ct));
    }

    [Fact]
    public async Task A_password_is_not_sent_to_a_server_that_cannot_encrypt_unless_that_is_said()
    {
        await using var server = await MailServer.StartAsync(tls: false, Ct);
        var mail = new SmtpMail(Smtp(server, "platen", "secret", MailTls.Upgraded), TimeProvider.System);
        await Should.ThrowAsync<MailException>(() => mail.SendAsync(Letter, Ct));
    }

    [Fact]
    public async Task A_server_with_a_certificate_that_nobody_vouches_for_is_refused()
    {
        await using var server = await MailServer.StartAsync(tls: true, Ct);
        var mail = new SmtpMail(Smtp(server, "platen", "secret", MailTls.Upgraded), TimeProvider.System);
        await Should.ThrowAsync<MailException>(() => mail.SendAsync(Letter, Ct));
        Directory.GetFiles(server.Folder, "*.txt").ShouldBeEmpty();
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_a_failure()
    {
        var nowhere = new MailLocation.Smtp(
            "127.0.0.1",
            ServerProcess.FreePort(),
            "a@example.org",
            null,
            null,
            MailTls.Off
        );
        await Should.ThrowAsync<MailException>(() => new SmtpMail(nowhere, TimeProvider.System).SendAsync(Letter, Ct));
    }

    [Fact]
    public async Task A_folder_gets_whole_letters_that_only_the_server_reads()
    {
        var folder = Path.Combine(PostgresFixture.NewFolder(), "mail");
        var mail = new FolderMail(new MailLocation.Folder(folder), TimeProvider.System);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => mail.SendAsync(Letter, Ct)));
        var files = Directory.GetFileSystemEntries(folder);
        files.Length.ShouldBe(8);
        files.ShouldAllBe(file => file.EndsWith(".eml"));
        var text = await File.ReadAllTextAsync(files[0], Ct);
        text.ShouldContain("To: ada@example.org");
        text.ShouldContain("From: \"Platen\" <platen@localhost>", Case.Insensitive);
        if (!OperatingSystem.IsWindows())
            File.GetUnixFileMode(folder)
                .ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Directory.Delete(Path.GetDirectoryName(folder)!, recursive: true);
    }

    [Fact]
    public void A_location_is_read()
    {
        MailLocation
            .TryParse("smtp://u%40x:p%3Aw@mail.example.org:2525?from=a@example.org", out var full, out _)
            .ShouldBeTrue();
        full.ShouldBe(new MailLocation.Smtp("mail.example.org", 2525, "a@example.org", "u@x", "p:w", MailTls.Upgraded));
        full!.ToString().ShouldNotContain("p:w");
        MailLocation
            .TryParse("smtp://mail.example.org?from=a@example.org&tls=off", out var plain, out _)
            .ShouldBeTrue();
        plain.ShouldBe(new MailLocation.Smtp("mail.example.org", 587, "a@example.org", null, null, MailTls.Off));
        MailLocation.TryParse("smtps://mail.example.org?from=a@example.org", out var encrypted, out _).ShouldBeTrue();
        encrypted.ShouldBe(
            new MailLocation.Smtp("mail.example.org", 465, "a@example.org", null, null, MailTls.FromTheStart)
        );
        MailLocation.TryParse("file:/tmp/x", out var folder, out _).ShouldBeTrue();
        folder.ShouldBe(new MailLocation.Folder("/tmp/x"));
    }

    [Theory]
    [InlineData("mail.example.org")]
    [InlineData("file:")]
    [InlineData("smtp://mail.example.org")]
    [InlineData("smtp://mail.example.org?from=nobody")]
    [InlineData("smtp://mail.example.org?from=a@example.org&tls=maybe")]
    [InlineData("https://mail.example.org?from=a@example.org")]
    public void A_location_that_means_nothing_is_refused_with_what_to_write(string text)
    {
        MailLocation.TryParse(text, out _, out var wrong).ShouldBeFalse();
        wrong.ShouldNotBeNull();
        wrong.ShouldContain("write file:PATH or smtp://");
    }

    private static MailLocation.Smtp Smtp(MailServer server, string user, string password, MailTls tls) =>
        new("127.0.0.1", server.Port, "platen@example.org", user, password, tls);

    /// <summary>aiosmtpd, which keeps what it received as files: peer, envelope, headers, and the decoded text.</summary>
    private sealed class MailServer : IAsyncDisposable
    {
        private const string Program = """
            import email, email.policy, os, ssl, sys, threading
            from aiosmtpd.controller import Controller
            from aiosmtpd.smtp import AuthResult, LoginPassword
            folder, port, tls = sys.argv[1], int(sys.argv[2]), sys.argv[3] == 'True'
            def authenticate(server, session, envelope, mechanism, data):
                right = isinstance(data, LoginPassword) and (data.login, data.password) == (b'platen', b'secret')
                return AuthResult(success=right, auth_data=data.login if right else None)
            class Keep:
                async def handle_RCPT(self, server, session, envelope, address, options):
                    if address.startswith('nobody'): return '550 no such mailbox'
                    envelope.rcpt_tos.append(address)
                    return '250 fine'
                async def handle_DATA(self, server, session, envelope):
                    m = email.message_from_bytes(envelope.content, policy=email.policy.default)
                    text = f"X-Peer-User: {session.auth_data.decode()}\nX-MailFrom: {envelope.mail_from}\nX-RcptTo: {envelope.rcpt_tos[0]}\n"
                    text += ''.join(f"{k}: {v}\n" for k, v in m.items()) + f"\n--- {m['subject']}\n--- " + m.get_content().replace('\r\n', '\n')
                    with open(folder + '/writing', 'w', encoding='utf-8') as f: f.write(text)
                    os.rename(folder + '/writing', folder + '/received.txt')
                    return '250 kept'
            context = None
            if tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(folder + '/cert.pem', folder + '/key.pem')
            Controller(Keep(), hostname='127.0.0.1', port=port, tls_context=context, authenticator=authenticate,
                auth_required=True, auth_require_tls=False, require_starttls=False).start()
            open(folder + '/ready', 'w').close()
            threading.Event().wait()
            """;

        private readonly ServerProcess process;

        private MailServer(ServerProcess process, string folder, int port)
        {
            this.process = process;
            Folder = folder;
            Port = port;
        }

        public string Folder { get; }

        public int Port { get; }

        public static async Task<MailServer> StartAsync(bool tls, CancellationToken ct)
        {
            await AptPackages.EnsureAsync("aiosmtpd", ct, "python3-aiosmtpd");
            var folder = PostgresFixture.NewFolder();
            if (tls)
                await WriteCertificateAsync(folder, ct);
            var port = ServerProcess.FreePort();
            var script = Path.Combine(folder, "server.py");
            await File.WriteAllTextAsync(script, Program, ct);
            var started = ServerProcess.Start(
                "/usr/bin/python3",
                [script, folder, port.ToString(), tls.ToString()],
                Path.Combine(folder, "log")
            );
            await ServerProcess.WaitUntilAsync(
                "aiosmtpd",
                TimeSpan.FromSeconds(20),
                _ => Task.FromResult(File.Exists(Path.Combine(folder, "ready"))),
                ct
            );
            return new MailServer(started, folder, port);
        }

        public async Task<string> ReceivedAsync(CancellationToken ct)
        {
            var path = Path.Combine(Folder, "received.txt");
            await ServerProcess.WaitUntilAsync(
                "the mail",
                TimeSpan.FromSeconds(20),
                _ => Task.FromResult(File.Exists(path)),
                ct
            );
            return await File.ReadAllTextAsync(path, ct);
        }

        public async ValueTask DisposeAsync()
        {
            await process.DisposeAsync();
            Directory.Delete(Folder, recursive: true);
        }

        private static async Task WriteCertificateAsync(string folder, CancellationToken ct)
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest("CN=127.0.0.1", key, HashAlgorithmName.SHA256);
            var now = TimeProvider.System.GetUtcNow();
            using var certificate = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
            await File.WriteAllTextAsync(Path.Combine(folder, "cert.pem"), certificate.ExportCertificatePem(), ct);
            await File.WriteAllTextAsync(Path.Combine(folder, "key.pem"), key.ExportPkcs8PrivateKeyPem(), ct);
        }
    }
}
