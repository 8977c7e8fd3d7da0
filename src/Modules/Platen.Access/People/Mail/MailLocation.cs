using System.Diagnostics.CodeAnalysis;

namespace Platen.Access.People.Mail;

/// <summary>How a connection to a mail server is encrypted.</summary>
public enum MailTls
{
    /// <summary>Not at all.</summary>
    Off,

    /// <summary>By STARTTLS, which is required.</summary>
    Upgraded,

    /// <summary>From its first byte.</summary>
    FromTheStart,
}

/// <summary>Where mail goes, as <c>PLATEN_MAIL</c> names it.</summary>
public abstract record MailLocation
{
    private MailLocation() { }

    /// <summary><c>file:PATH</c>: each mail becomes an <c>.eml</c> file in the folder. For development.</summary>
    public sealed record Folder(string Path) : MailLocation;

    /// <summary>
    /// <c>smtp://[USER:PASSWORD@]HOST[:PORT]?from=ADDRESS[&amp;tls=off]</c>, or <c>smtps://…</c>: a submission server (RFC 6409).
    /// </summary>
    /// <param name="Host">The server's name.</param>
    /// <param name="Port">587 unless said; 465 with <c>smtps</c>.</param>
    /// <param name="From">The sender's mailbox.</param>
    /// <param name="User">Null for a server that asks for none.</param>
    /// <param name="Password">With <paramref name="User"/>.</param>
    /// <param name="Tls">How the connection is encrypted; off is for a server on the same machine or a network that is trusted.</param>
    public sealed record Smtp(string Host, int Port, string From, string? User, string? Password, MailTls Tls)
        : MailLocation
    {
        /// <summary>Without the password.</summary>
        public override string ToString() => $"{Host}:{Port}";
    }

    /// <summary>Reads a location.</summary>
    /// <returns>False, with a sentence that says what to write instead.</returns>
    public static bool TryParse(
        string text,
        [NotNullWhen(true)] out MailLocation? location,
        [NotNullWhen(false)] out string? wrong
    )
    {
        location = null;
        wrong = null;
        if (text.StartsWith("file:", StringComparison.Ordinal) && text.Length > "file:".Length)
        {
            location = new Folder(System.IO.Path.GetFullPath(text["file:".Length..]));
            return true;
        }
        const string form = "write file:PATH or smtp://USER:PASSWORD@HOST:587?from=ADDRESS";
        if (
            !Uri.TryCreate(text, UriKind.Absolute, out var uri)
            || uri.Scheme is not ("smtp" or "smtps")
            || uri.Host.Length == 0
        )
        {
            wrong = $"it is neither a folder nor a server; {form}.";
            return false;
        }
        string? from = null;
        var tls = uri.Scheme == "smtps" ? MailTls.FromTheStart : MailTls.Upgraded;
        foreach (var pair in uri.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var (name, value) = pair.Split('=', 2) is [var n, var v] ? (n, Uri.UnescapeDataString(v)) : (pair, "");
            switch (name, value)
            {
                case ("from", _) when EmailAddress.TryParse(value, out var address):
                    from = address.Text;
                    break;
                case ("tls", "off") when uri.Scheme == "smtp":
                    tls = MailTls.Off;
                    break;
                case ("tls", "on"):
                    break;
                default:
                    wrong = $"'{pair}' means nothing; {form}, and tls=off for a server that cannot encrypt.";
                    return false;
            }
        }
        if (from is null)
        {
            wrong = $"it does not say whom mail is from; {form}.";
            return false;
        }
        var login = uri.UserInfo.Split(':', 2);
        location = new Smtp(
            uri.Host,
            uri.Port > 0 ? uri.Port
                : uri.Scheme == "smtps" ? 465
                : 587,
            from,
            login is [{ Length: > 0 }, ..] ? Uri.UnescapeDataString(login[0]) : null,
            login is [_, var password] ? Uri.UnescapeDataString(password) : null,
            tls
        );
        return true;
    }
}
