using Platen.Access.People;

namespace Platen.Access.Tests.People;

public sealed class EmailAddressTests
{
    [Theory]
    [InlineData("ada@example.org")]
    [InlineData("  Ada.Lovelace+x@Sub.Example.ORG ")]
    [InlineData("a@localhost")]
    [InlineData("o'brien@example.ie")]
    public void A_mailbox_is_read(string text)
    {
        EmailAddress.TryParse(text, out var address).ShouldBeTrue();
        address.Text.ShouldBe(text.Trim());
        address.Normalized.ShouldBe(text.Trim().ToLowerInvariant());
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("ada")]
    [InlineData("@example.org")]
    [InlineData("ada@")]
    [InlineData("ada@@example.org")]
    [InlineData("a..b@example.org")]
    [InlineData(".a@example.org")]
    [InlineData("a@-example.org")]
    [InlineData("a@example..org")]
    [InlineData("a b@example.org")]
    [InlineData("a@example.org\r\nBcc: x@example.org")]
    [InlineData("a@exämple.org")]
    [InlineData("\"a b\"@example.org")]
    [InlineData("a@[127.0.0.1]")]
    [InlineData("Ada <ada@example.org>")]
    public void What_is_no_plain_mailbox_is_refused(string? text) => EmailAddress.TryParse(text, out _).ShouldBeFalse();

    [Fact]
    public void An_address_has_a_longest_length()
    {
        EmailAddress.TryParse(new string('a', 65) + "@example.org", out _).ShouldBeFalse();
        var labels = string.Join('.', Enumerable.Repeat(new string('b', 60), 4));
        EmailAddress.TryParse("a@" + labels, out _).ShouldBeTrue();
        EmailAddress.TryParse("a@" + labels + ".ccccccccccc", out _).ShouldBeFalse();
    }
}
