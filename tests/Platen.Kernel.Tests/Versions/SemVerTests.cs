using FsCheck;
using FsCheck.Fluent;
using Platen.Kernel.Versions;

namespace Platen.Kernel.Tests.Versions;

public sealed class SemVerTests
{
    [Theory]
    [InlineData("0.0.0")]
    [InlineData("1.2.3")]
    [InlineData("1.0.0-alpha")]
    [InlineData("1.0.0-0.3.7")]
    [InlineData("1.0.0-x.7.z.92")]
    [InlineData("1.0.0-x-y-z.--")]
    [InlineData("1.0.0-0a.-0")]
    [InlineData("1.0.0+001")]
    [InlineData("1.0.0-beta+exp.sha.5114f85")]
    [InlineData("1.0.0+21AF26D3---117B344092BD")]
    [InlineData("1.0.0+a-b")]
    [InlineData("9007199254740991.9007199254740991.9007199254740991")]
    [InlineData("1.0.0-99999999999999999999999")]
    public void A_version_reads_back_as_it_was_printed(string text) => SemVer.Parse(text).ToString().ShouldBe(text);

    [Theory]
    [InlineData("")]
    [InlineData("1")]
    [InlineData("1.2")]
    [InlineData("1.2.")]
    [InlineData("1.2.3.4")]
    [InlineData("v1.2.3")]
    [InlineData("=1.2.3")]
    [InlineData(" 1.2.3")]
    [InlineData("1.2.3 ")]
    [InlineData("1.2.3\n")]
    [InlineData("01.2.3")]
    [InlineData("1.02.3")]
    [InlineData("1.2.03")]
    [InlineData("-1.2.3")]
    [InlineData("1.2.3-")]
    [InlineData("1.2.3+")]
    [InlineData("1.2.3-+a")]
    [InlineData("1.2.3-a+")]
    [InlineData("1.2.3-a..b")]
    [InlineData("1.2.3-01")]
    [InlineData("1.2.3-a.01")]
    [InlineData("1.2.3+a+b")]
    [InlineData("1.2.3-é")]
    [InlineData("1.2.3beta")]
    [InlineData("1.2.\u0663")]
    [InlineData("9007199254740992.0.0")]
    [InlineData("1.99999999999999999999999.0")]
    public void What_is_no_version_is_refused(string text)
    {
        SemVer.TryParse(text, out var version).ShouldBeFalse();
        version.ShouldBe(default);
        Should.Throw<FormatException>(() => SemVer.Parse(text)).Message.ShouldContain("1.4.0");
    }

    [Fact]
    public void Length_and_numbers_have_limits()
    {
        var longest = "1.0.0-" + new string('a', SemVer.MaxLength - 6);
        SemVer.Parse(longest).ToString().ShouldBe(longest);
        SemVer.TryParse(longest + "a", out _).ShouldBeFalse();
        SemVer.TryParse(null, out _).ShouldBeFalse();
        new SemVer(1, SemVer.MaxNumber, 0).Minor.ShouldBe(SemVer.MaxNumber);
        Should.Throw<ArgumentOutOfRangeException>(() => new SemVer(0, SemVer.MaxNumber + 1, 0));
        Should.Throw<ArgumentOutOfRangeException>(() => new SemVer(-1, 0, 0));
    }

    [Fact]
    public void The_parts_are_what_stands_between_the_marks()
    {
        var version = SemVer.Parse("1.2.3-rc.1-x+b.2-y");
        (version.Major, version.Minor, version.Patch).ShouldBe((1, 2, 3));
        (version.Prerelease, version.Build, version.IsPrerelease).ShouldBe(("rc.1-x", "b.2-y", true));
        SemVer.Parse("1.2.3+b-2").IsPrerelease.ShouldBeFalse();
        default(SemVer).ShouldBe(SemVer.Parse("0.0.0"));
    }

    // Semantic Versioning 2.0.0, section 11, with numbers beyond every integer type and builds behind it.
    [Fact]
    public void Versions_are_ordered_by_precedence_and_then_by_build()
    {
        string[] ascending =
        [
            "0.9.9",
            "1.0.0-0",
            "1.0.0-2",
            "1.0.0-10",
            "1.0.0-9007199254740992",
            "1.0.0-9007199254740993",
            "1.0.0-99999999999999999999999",
            "1.0.0--",
            "1.0.0-1a",
            "1.0.0-A",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.0+1",
            "1.0.0+01",
            "1.0.0+10",
            "1.0.0+a",
            "1.0.0+a.1",
            "2.0.0",
            "2.1.0",
            "2.1.1",
            "10.0.0",
        ];
        var versions = ascending.Select(text => SemVer.Parse(text)).ToArray();
        new Random(1).Shuffle(versions);
        Array.Sort(versions);
        // Of builds that differ in leading zeros only, the text decides.
        (ascending[18], ascending[19]) = (ascending[19], ascending[18]);
        versions.Select(version => version.ToString()).ShouldBe(ascending);
        SemVer.Parse("1.0.0+1").ComparePrecedence(SemVer.Parse("1.0.0+2")).ShouldBe(0);
    }

    [Fact]
    public void The_order_is_total_and_agrees_with_equality() =>
        Prop.ForAll(
                VersionTexts.Version.Three().ToArbitrary(),
                texts =>
                {
                    var (a, b, c) = (SemVer.Parse(texts.Item1), SemVer.Parse(texts.Item2), SemVer.Parse(texts.Item3));
                    return Math.Sign(a.CompareTo(b)) == -Math.Sign(b.CompareTo(a))
                        && (a.CompareTo(b) == 0) == (a == b)
                        && (a != b || a.GetHashCode() == b.GetHashCode())
                        && (a > b || b > c || a <= c)
                        && (
                            a.ComparePrecedence(b) == 0
                            || Math.Sign(a.ComparePrecedence(b)) == Math.Sign(a.CompareTo(b))
                        );
                }
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(5_000));

    [Fact]
    public void Whatever_is_read_is_printed_as_it_was() =>
        Prop.ForAll(
                VersionTexts.DamagedVersion.ToArbitrary(),
                text => !SemVer.TryParse(text, out var version) || version.ToString() == text
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(10_000));
}
