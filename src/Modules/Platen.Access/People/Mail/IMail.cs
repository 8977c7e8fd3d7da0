namespace Platen.Access.People.Mail;

/// <summary>One mail in plain text.</summary>
/// <param name="To">The mailbox it goes to.</param>
/// <param name="Subject">One line.</param>
/// <param name="Text">The body; its lines end with <c>\n</c> or <c>\r\n</c>.</param>
public sealed record MailMessage(string To, string Subject, string Text);

/// <summary>Sends mail. It has happened when the call returns: taken over by a server, or kept in a folder.</summary>
public interface IMail
{
    /// <exception cref="MailException">The server does not take it.</exception>
    /// <exception cref="IOException">It cannot be kept.</exception>
    Task SendAsync(MailMessage message, CancellationToken ct);
}

/// <summary>A mail was not taken; the message says by whom and why, and has no secret in it.</summary>
public sealed class MailException : Exception
{
    public MailException(string message)
        : base(message) { }

    public MailException(string message, Exception inner)
        : base(message, inner) { }

    /// <summary>Whether another try would end the same: the server knows no such mailbox.</summary>
    public bool IsFinal { get; init; }
}
