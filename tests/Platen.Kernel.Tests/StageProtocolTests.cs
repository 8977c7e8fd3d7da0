namespace Platen.Kernel.Tests;

public sealed class StageProtocolTests
{
    [Theory]
    [InlineData(1, 1, 1, 1, 1)]
    [InlineData(1, 3, 2, 5, 3)]
    [InlineData(2, 5, 1, 3, 3)]
    [InlineData(1, 2, 2, 2, 2)]
    [InlineData(1, 1, 2, 3, null)]
    [InlineData(3, 4, 1, 2, null)]
    public void The_newest_version_that_all_speak_is_agreed_on(int a, int b, int c, int d, int? agreed) =>
        StageProtocol.Agree(new StageProtocol(a, b), new StageProtocol(c, d)).ShouldBe(agreed);

    [Fact]
    public void One_alone_agrees_with_itself_and_three_only_on_what_all_of_them_speak()
    {
        StageProtocol.Agree(StageProtocol.Spoken).ShouldBe(StageProtocol.Spoken.Newest);
        StageProtocol.Agree(new StageProtocol(1, 2), new StageProtocol(2, 3), new StageProtocol(1, 3)).ShouldBe(2);
        StageProtocol.Agree(new StageProtocol(1, 2), new StageProtocol(2, 3), new StageProtocol(3, 4)).ShouldBeNull();
        new StageProtocol(2, 4).ToString().ShouldBe("2 to 4");
        StageProtocol.Spoken.Has(StageProtocol.First).ShouldBeTrue();
    }
}
