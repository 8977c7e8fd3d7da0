using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;

namespace Platen.Kernel.Tests;

public sealed class DigestTests
{
    [Fact]
    public void The_digest_of_nothing_is_the_known_one() =>
        Digest.Of([]).ToString().ShouldBe("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");

    [Fact]
    public void Print_and_parse_are_inverse() =>
        Prop.ForAll<byte[]>(bytes => Digest.Parse(Digest.Of(bytes).ToString()) == Digest.Of(bytes))
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Garbage_is_refused_and_never_throws() =>
        Prop.ForAll<string>(text => !Digest.TryParse(text, out _)).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData("")]
    [InlineData("sha256:")]
    [InlineData("sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855")]
    [InlineData("sha512:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    [InlineData("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    [InlineData("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85")]
    [InlineData("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85g")]
    public void Only_the_one_printed_form_is_read(string text) => Digest.TryParse(text, out _).ShouldBeFalse();

    [Fact]
    public void Order_is_that_of_the_printed_forms() =>
        Prop.ForAll<byte[], byte[]>(
                (a, b) =>
                    Math.Sign(Digest.Of(a).CompareTo(Digest.Of(b)))
                    == Math.Sign(string.CompareOrdinal(Digest.Of(a).ToString(), Digest.Of(b).ToString()))
            )
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Json_is_the_printed_form()
    {
        var digest = Digest.Of("platen"u8);
        JsonSerializer.Serialize(digest).ShouldBe($"\"{digest}\"");
        JsonSerializer.Deserialize<Digest>($"\"{digest}\"").ShouldBe(digest);
        Should.Throw<JsonException>(() => JsonSerializer.Deserialize<Digest>("\"x\""));
    }
}
