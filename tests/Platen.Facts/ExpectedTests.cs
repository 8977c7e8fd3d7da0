namespace Platen.Facts;

public sealed class ExpectedTests
{
    [Fact]
    public void The_first_line_that_differs_is_named()
    {
        var difference = Expected.Difference("a\nb\nc\n", "a\nB\nc\n");

        difference.ShouldBe("line 2\n  file: b\n  code: B");
    }

    [Fact]
    public void A_missing_line_is_a_difference()
    {
        Expected.Difference("a\nb", "a").ShouldNotBeNull();
        Expected.Difference("a", "a\nb").ShouldNotBeNull();
    }

    [Fact]
    public void Equal_texts_do_not_differ() => Expected.Difference("a\nb\n", "a\nb\n").ShouldBeNull();
}
