using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Platen.Access.SignIn;

namespace Platen.Access.Tests.SignIn;

public sealed class SecretTests
{
    [Fact]
    public void A_secret_is_256_bits_and_only_its_own_text_reads_as_it()
    {
        var secret = Secret256.Generate();
        secret.Reveal().Length.ShouldBe(43);
        secret.Hash.ShouldBe(SHA256.HashData(Encoding.ASCII.GetBytes(secret.Reveal())));
        Secret256.TryParse(secret.Reveal(), out var read).ShouldBeTrue();
        read.Hash.ShouldBe(secret.Hash);
        secret.ToString().ShouldNotContain(secret.Reveal());
        string.Create(CultureInfo.InvariantCulture, $"{secret}").ShouldNotContain(secret.Reveal());
    }

    [Fact]
    public void A_derived_secret_tells_nothing_of_the_one_it_comes_from_and_differs_by_purpose()
    {
        var secret = Secret256.Generate();
        secret.Derive("csrf").ShouldBe(secret.Derive("csrf"));
        secret.Derive("csrf").ShouldNotBe(secret.Derive("other"));
        secret.Derive("csrf").ShouldNotBe(secret.Reveal());
        Secret256.Generate().Derive("csrf").ShouldNotBe(secret.Derive("csrf"));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("abc")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAé")]
    public void What_is_no_secret_is_not_looked_up(string? text) => Secret256.TryParse(text, out _).ShouldBeFalse();

    [Theory]
    [InlineData("/account", "/account")]
    [InlineData("/a?b=c#d", "/a?b=c#d")]
    [InlineData("//evil.example", "/x")]
    [InlineData("/\\evil.example", "/x")]
    [InlineData("https://evil.example", "/x")]
    [InlineData("/a\r\nSet-Cookie: b", "/x")]
    [InlineData("", "/x")]
    [InlineData(null, "/x")]
    public void Nobody_is_sent_elsewhere_after_signing_in(string? asked, string goes) =>
        LocalPath.Or(asked, "/x").ShouldBe(goes);
}
