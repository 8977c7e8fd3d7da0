using System.Globalization;
using System.Net;
using System.Net.Mail;
using System.Text;

namespace Platen.Access.People.Mail;

/// <summary>Hands mail to a submission server.</summary>
internal sealed class SmtpMail(MailLocation.Smtp server) : IMail
{
    public async Task SendAsync(MailMessage message, CancellationToken ct)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
        patience.CancelAfter(PeopleLimits.MailPatience);
        using var client = new SmtpClient(server.Host, server.Port) { EnableSsl = server.Tls };
        if (server.User is not null)
            client.Credentials = new NetworkCredential(server.User, server.Password);
        using var mail = Envelope.Of(message, server.From);
        try
        {
            await client.SendMailAsync(mail, patience.Token);
        }
        catch (OperationCanceledException late) when (!ct.IsCancellationRequested)
        {
            throw new SmtpException(
                $"{server} took longer than {PeopleLimits.MailPatience.TotalSeconds} s to take a mail.",
                late
            );
        }
    }
}

/// <summary>Keeps each mail as a file that mail programs open, newest last by name.</summary>
internal sealed class FolderMail(MailLocation.Folder folder, TimeProvider clock) : IMail
{
    public async Task SendAsync(MailMessage message, CancellationToken ct)
    {
        Directory.CreateDirectory(folder.Path);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(
                folder.Path,
                UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
            );
        // Written aside and moved, so that whoever watches the folder sees whole mails only.
        var aside = Directory.CreateDirectory(
            Path.Combine(folder.Path, ".writing-" + Guid.CreateVersion7().ToString("N"))
        );
        try
        {
            using (
                var client = new SmtpClient
                {
                    DeliveryMethod = SmtpDeliveryMethod.SpecifiedPickupDirectory,
                    PickupDirectoryLocation = aside.FullName,
                }
            )
            {
                using var mail = Envelope.Of(message, "platen@localhost");
                await client.SendMailAsync(mail, ct);
            }
            var name = clock.GetUtcNow().ToString("yyyyMMdd'T'HHmmss'.'fff", CultureInfo.InvariantCulture);
            File.Move(
                aside.EnumerateFiles().Single().FullName,
                Path.Combine(folder.Path, $"{name}-{aside.Name[^12..]}.eml")
            );
        }
        finally
        {
            aside.Delete(recursive: true);
        }
    }
}

/// <summary>Our mails in the framework's form.</summary>
internal static class Envelope
{
    public static System.Net.Mail.MailMessage Of(MailMessage message, string from)
    {
        var mail = new System.Net.Mail.MailMessage
        {
            From = new MailAddress(from, "Platen"),
            Subject = message.Subject,
            SubjectEncoding = Encoding.UTF8,
            Body = message.Text,
            // Quoted-printable: links stay in one piece for the reader and readable in the file.
            BodyTransferEncoding = System.Net.Mime.TransferEncoding.QuotedPrintable,
            BodyEncoding = Encoding.UTF8,
            IsBodyHtml = false,
        };
        mail.To.Add(new MailAddress(message.To));
        // Out-of-office answers to a link help nobody (RFC 3834 section 5).
        mail.Headers.Add("Auto-Submitted", "auto-generated");
        return mail;
    }
}
