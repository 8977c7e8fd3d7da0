using FsCheck;
using FsCheck.Fluent;
using Platen.Access.SignIn;

namespace Platen.Access.Tests.SignIn;

public sealed class PasswordRulesTests
{
    [Theory]
    [InlineData("short")]
    [InlineData("nine char")]
    [InlineData("password123")]
    [InlineData("P@ssw0rd2026!")]
    [InlineData("!!!qwertyuiop99")]
    [InlineData("Liverpool2026")]
    [InlineData("aaaaaaaaaaaa")]
    [InlineData("abababababab")]
    [InlineData("1234567890")]
    [InlineData("0987654321")]
    [InlineData("abcdefghijkl")]
    [InlineData("qwertyuiop")]
    [InlineData("ada@example.org")]
    [InlineData("Ada Lovelace1")]
    [InlineData("adalovelace99")]
    [InlineData("platen2026!")]
    [InlineData("corr\u0001ect horse battery")]
    public void What_guessing_begins_with_is_refused(string password) =>
        PasswordRules.Fault(password, "Ada Lovelace", "ada@example.org").ShouldNotBeNull();

    [Theory]
    [InlineData("correct horse battery")]
    [InlineData("kaffee um halb vier")]
    [InlineData("Ünïcödé geht auch")]
    [InlineData("4 lovelace engines and a loom")]
    [InlineData("xK9#mQ2$vL")]
    public void What_is_long_and_unusual_is_accepted(string password) =>
        PasswordRules.Fault(password, "Ada Lovelace", "ada@example.org").ShouldBeNull();

    [Fact]
    public void A_password_has_a_longest_length() =>
        PasswordRules
            .Fault(string.Concat(Enumerable.Range(0, 90).Select(i => $"w{i} ")), "Ada", "ada@example.org")
            .ShouldNotBeNull();

    [Fact]
    public void No_text_breaks_the_rules_themselves() =>
        Prop.ForAll<string, string, string>(
                (password, name, email) =>
                {
                    if (password is null || name is null || email is null)
                        return true;
                    return PasswordRules.Fault(password, name, email) is null or { Length: > 0 };
                }
            )
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Every_line_of_the_list_is_found_and_nothing_beside_it()
    {
        using var stream = typeof(PasswordRules).Assembly.GetManifestResourceStream("common-passwords.txt")!;
        using var reader = new StreamReader(stream);
        var lines = reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        lines.Length.ShouldBe(46_881);
        lines.ShouldBe(lines.Order(StringComparer.Ordinal));
        var all = lines.ToHashSet(StringComparer.Ordinal);
        foreach (var line in lines)
        {
            CommonPasswords.Contains(line).ShouldBeTrue(line);
            foreach (var near in (string[])[line + "~", "~" + line, line[1..]])
                CommonPasswords.Contains(near).ShouldBe(near.Length >= 5 && all.Contains(near), near);
        }
        CommonPasswords.Contains("LIVERPOOL").ShouldBeTrue();
        CommonPasswords.Contains("").ShouldBeFalse();
        CommonPasswords.Contains(new string('x', 10_000)).ShouldBeFalse();
    }
}
