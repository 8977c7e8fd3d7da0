using System.Globalization;
using System.Text;

namespace Platen.Access.People.Mail;

/// <summary>
/// A mail as it goes over the wire (RFC 5322, RFC 2045 to 2047): ASCII, lines of at most 76 characters, the text quoted-printable so
/// that its links can be read in the file as well.
/// </summary>
internal static class MailText
{
    private const int LineLength = 76;

    public static byte[] Render(MailMessage message, string from, string id, DateTimeOffset at)
    {
        var text = new StringBuilder();
        text.Append("From: \"Platen\" <").Append(OneLine(from)).Append(">\r\n");
        text.Append("To: ").Append(OneLine(message.To)).Append("\r\n");
        text.Append("Subject: ").Append(EncodedWords(message.Subject)).Append("\r\n");
        text.Append("Date: ").Append(at.ToString("ddd, dd MMM yyyy HH':'mm':'ss +0000", CultureInfo.InvariantCulture));
        text.Append("\r\nMessage-ID: <").Append(id).Append('@').Append(OneLine(from.Split('@')[^1])).Append(">\r\n");
        // Out-of-office answers to a link help nobody (RFC 3834 section 5).
        text.Append("Auto-Submitted: auto-generated\r\n");
        text.Append("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n");
        text.Append("Content-Transfer-Encoding: quoted-printable\r\n\r\n");
        foreach (var line in message.Text.Replace("\r\n", "\n", StringComparison.Ordinal).TrimEnd('\n').Split('\n'))
            AppendQuoted(text, line);
        return Encoding.ASCII.GetBytes(text.ToString());
    }

    // A line break in a header would begin another header.
    private static string OneLine(string value) =>
        value.Any(char.IsControl) ? throw new MailException("A header has a line break in it.") : value;

    private static void AppendQuoted(StringBuilder text, string line)
    {
        var bytes = Encoding.UTF8.GetBytes(line);
        var column = 0;
        for (var i = 0; i < bytes.Length; i++)
        {
            var plain =
                bytes[i] is >= 33 and <= 126 and not (byte)'='
                || (bytes[i] is (byte)' ' or (byte)'\t' && i < bytes.Length - 1);
            var width = plain ? 1 : 3;
            if (column + width > LineLength - 1)
            {
                text.Append("=\r\n");
                column = 0;
            }
            if (plain)
                text.Append((char)bytes[i]);
            else
                text.Append('=').Append(bytes[i].ToString("X2", CultureInfo.InvariantCulture));
            column += width;
        }
        text.Append("\r\n");
    }

    // Words of 45 bytes each, cut between characters (RFC 2047 section 5).
    private static string EncodedWords(string subject)
    {
        OneLine(subject);
        if (Ascii.IsValid(subject) && subject.Length < 60)
            return subject;
        var words = new List<string>();
        var word = new List<byte>();
        foreach (var rune in subject.EnumerateRunes())
        {
            var bytes = Encoding.UTF8.GetBytes(rune.ToString());
            if (word.Count + bytes.Length > 45)
            {
                words.Add(Word(word));
                word.Clear();
            }
            word.AddRange(bytes);
        }
        words.Add(Word(word));
        return string.Join("\r\n ", words);

        static string Word(List<byte> bytes) => $"=?utf-8?B?{Convert.ToBase64String([.. bytes])}?=";
    }
}
