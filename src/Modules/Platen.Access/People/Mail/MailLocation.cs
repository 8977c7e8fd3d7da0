using System.Diagnostics.CodeAnalysis;
using System.Net.Mail;

namespace Platen.Access.People.Mail;

/// <summary>Where mail goes, as <c>PLATEN_MAIL</c> names it.</summary>
public abstract record MailLocation
{
    private MailLocation() { }

    /// <summary><c>file:PATH</c>: each mail becomes an <c>.eml</c> file in the folder. For development.</summary>
    public sealed record Folder(string Path) : MailLocation;

    /// <summary><c>smtp://[USER:PASSWORD@]HOST[:PORT]?from=ADDRESS[&amp;tls=off]</c>: a submission server (RFC 6409).</summary>
    /// <param name="Host">The server's name.</param>
    /// <param name="Port">587 unless said.</param>
    /// <param name="From">The sender's mailbox.</param>
    /// <param name="User">Null for a server that asks for none.</param>
    /// <param name="Password">With <paramref name="User"/>.</param>
    /// <param name="Tls">Whether STARTTLS (RFC 3207) is required; off only for a server on the same machine or network.</param>
    public sealed record Smtp(string Host, int Port, string From, string? User, string? Password, bool Tls)
        : MailLocation
    {
        /// <summary>Without the password.</summary>
        public override string ToString() => $"smtp://{Host}:{Port}";
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
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Scheme != "smtp" || uri.Host.Length == 0)
        {
            wrong = $"it is neither a folder nor a server; {form}.";
            return false;
        }
        string? from = null;
        var tls = true;
        foreach (var pair in uri.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var (name, value) = pair.Split('=', 2) is [var n, var v] ? (n, Uri.UnescapeDataString(v)) : (pair, "");
            switch (name, value)
            {
                case ("from", _) when MailAddress.TryCreate(value, out _):
                    from = value;
                    break;
                case ("tls", "off"):
                    tls = false;
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
            uri.Port > 0 ? uri.Port : 587,
            from,
            login is [{ Length: > 0 }, ..] ? Uri.UnescapeDataString(login[0]) : null,
            login is [_, var password] ? Uri.UnescapeDataString(password) : null,
            tls
        );
        return true;
    }
}
