namespace Platen.Access.People.Mail;

/// <summary>One mail in plain text.</summary>
/// <param name="To">The mailbox it goes to.</param>
/// <param name="Subject">One line.</param>
/// <param name="Text">The body; lines of at most 78 characters read well everywhere.</param>
public sealed record MailMessage(string To, string Subject, string Text);

/// <summary>Sends mail. It has happened when the call returns: taken over by a server, or kept in a folder.</summary>
public interface IMail
{
    /// <exception cref="System.Net.Mail.SmtpException">The server does not take it; another try may succeed.</exception>
    /// <exception cref="IOException">It cannot be kept.</exception>
    Task SendAsync(MailMessage message, CancellationToken ct);
}
