using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace Platen.Access.People;

/// <summary>
/// A mailbox: an unquoted local part and a host name, in ASCII (RFC 5321 section 4.1.2, without quoting, comments and address
/// literals). Two that differ only in case are one person's.
/// </summary>
internal sealed partial record EmailAddress
{
    /// <summary>Characters at most (RFC 5321 section 4.5.3.1.3, less the brackets).</summary>
    public const int MaxLength = 254;

    private EmailAddress(string text) => Text = text;

    /// <summary>As it was written, for sending to.</summary>
    public string Text { get; }

    /// <summary>What is compared.</summary>
    public string Normalized => Normalize(Text);

    public static bool TryParse(string? text, [NotNullWhen(true)] out EmailAddress? address)
    {
        var trimmed = text?.Trim();
        address = trimmed is { Length: <= MaxLength } && Form().IsMatch(trimmed) ? new EmailAddress(trimmed) : null;
        return address is not null;
    }

    /// <summary>Folds any text as an address is folded, whether or not it is one.</summary>
    public static string Normalize(string text) => text.Trim().ToLowerInvariant();

    public override string ToString() => Text;

    [GeneratedRegex(
        @"^(?=[^@]{1,64}@)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
            + @"@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$",
        RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant,
        matchTimeoutMilliseconds: 200
    )]
    private static partial Regex Form();
}
