using System.Text;

namespace Platen.Access.SignIn;

/// <summary>
/// The passwords people choose most: 46,881 of five letters and more from the password dictionary of zxcvbn-ts 4.1.3 (MIT), which
/// was counted in published breaches. It is a list of the common, not of every password that was ever breached. Sorted, in
/// lower case, one a line; held as bytes, because it is looked at seldom.
/// </summary>
internal static class CommonPasswords
{
    private static readonly Lazy<byte[]> List = new(Read);

    /// <summary>Whether the list has it; case does not matter.</summary>
    public static bool Contains(ReadOnlySpan<char> password)
    {
        if (password.Length is < 5 or > 40)
            return false;
        Span<char> folded = stackalloc char[password.Length];
        password.ToLowerInvariant(folded);
        Span<byte> wanted = stackalloc byte[40 * 3];
        wanted = wanted[..Encoding.UTF8.GetBytes(folded, wanted)];

        ReadOnlySpan<byte> lines = List.Value;
        while (!lines.IsEmpty)
        {
            // The line around the middle; what is left is before it or after it.
            var middle = lines.Length / 2;
            var start = lines[..middle].LastIndexOf((byte)'\n') + 1;
            var length = lines[start..].IndexOf((byte)'\n');
            var order = wanted.SequenceCompareTo(lines.Slice(start, length));
            if (order == 0)
                return true;
            lines = order < 0 ? lines[..start] : lines[(start + length + 1)..];
        }
        return false;
    }

    private static byte[] Read()
    {
        using var stream =
            typeof(CommonPasswords).Assembly.GetManifestResourceStream("common-passwords.txt")
            ?? throw new InvalidOperationException("The list of common passwords is not in the assembly.");
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}
