using System.Buffers;
using System.Globalization;
using Microsoft.AspNetCore.Identity;
using Platen.Access.People;
using Platen.Kernel;

namespace Platen.Access.SignIn;

/// <summary>
/// What a password must be: long enough, and nothing that guessing begins with (NIST SP 800-63B section 3.1.1.2). No rules of
/// composition: they make people write the same passwords with a digit after them.
/// </summary>
internal sealed class PasswordRules : IPasswordValidator<Person>
{
    private static readonly SearchValues<char> Letters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz");

    public Task<IdentityResult> ValidateAsync(UserManager<Person> manager, Person user, string? password)
    {
        var wrong = Fault(password ?? "", user.DisplayName, user.Email);
        return Task.FromResult(
            wrong is null
                ? IdentityResult.Success
                : IdentityResult.Failed(new IdentityError { Code = "password", Description = wrong })
        );
    }

    /// <exception cref="ProblemException"><see cref="KernelProblems.Invalid"/>, with the fault at <paramref name="pointer"/>.</exception>
    public static void Check(string? password, string displayName, string email, string pointer)
    {
        if (Fault(password ?? "", displayName, email) is { } wrong)
            throw KernelProblems
                .Invalid.Because("The password is not accepted.", [new Fault(pointer, wrong)])
                .AsException();
    }

    /// <summary>What is wrong with the password and what would be right, or null.</summary>
    public static string? Fault(string password, string displayName, string email)
    {
        if (password.Length < PeopleLimits.PasswordMin)
            return $"A password has at least {PeopleLimits.PasswordMin} characters; a few words in a row are easy to remember.";
        if (password.Length > PeopleLimits.PasswordMax)
            return $"A password has at most {PeopleLimits.PasswordMax} characters.";
        if (password.Any(char.IsControl))
            return "A password has no control characters.";
        var folded = password.ToLowerInvariant();
        if (folded.Distinct().Count() < 5)
            return "This repeats a few characters; use more different ones.";
        if (IsSequence(folded))
            return "This is a row of letters or digits as they follow each other; use words that do not.";
        if (CommonPasswords.Contains(folded) || CommonPasswords.Contains(Bare(folded)))
            return "Many people use this password, or it with a few characters added; it would be guessed first.";
        foreach (var name in Names(displayName, email))
        {
            if (
                Bare(folded) == name
                || folded.Length - name.Length < 4 && folded.Contains(name, StringComparison.Ordinal)
            )
                return "This is little more than your name or e-mail address.";
        }
        return null;
    }

    /// <summary>Without the digits and signs around it, and with the letters that digits and signs stand for.</summary>
    private static string Bare(string folded)
    {
        var start = folded.AsSpan().IndexOfAny(Letters);
        var end = folded.AsSpan().LastIndexOfAny(Letters);
        // Not a letter in it: the digits themselves may be the common password.
        if (start < 0)
            return new string([.. folded.Where(char.IsAsciiDigit)]);
        return string.Create(
            end - start + 1,
            folded.Substring(start, end - start + 1),
            static (bare, text) =>
            {
                for (var i = 0; i < text.Length; i++)
                {
                    bare[i] = text[i] switch
                    {
                        '0' => 'o',
                        '1' or '!' => 'i',
                        '3' => 'e',
                        '4' or '@' => 'a',
                        '5' or '$' => 's',
                        '7' => 't',
                        var letter => letter,
                    };
                }
            }
        );
    }

    private static bool IsSequence(string folded)
    {
        var step = folded[2] - folded[1];
        if (Math.Abs(step) > 1)
            return false;
        for (var i = 1; i < folded.Length; i++)
        {
            // 9 and 0 stand beside each other in such a row.
            if (folded[i] - folded[i - 1] != step && !((folded[i - 1], folded[i]) is ('9', '0') or ('0', '9')))
                return false;
        }
        return true;
    }

    private static IEnumerable<string> Names(string displayName, string email)
    {
        var at = email.IndexOf('@', StringComparison.Ordinal);
        string[] names =
        [
            email,
            at > 0 ? email[..at] : email,
            displayName,
            displayName.Replace(" ", "", StringComparison.Ordinal),
            "platen",
        ];
        return names.Select(name => name.ToLower(CultureInfo.InvariantCulture)).Where(name => name.Length >= 4);
    }
}
