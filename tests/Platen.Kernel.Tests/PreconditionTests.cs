using FsCheck;
using FsCheck.Fluent;

namespace Platen.Kernel.Tests;

public sealed class PreconditionTests
{
    [Theory]
    [InlineData("\"7\"", "\"7\"", true)]
    [InlineData("\"7\"", "\"8\"", false)]
    [InlineData("\"6\", \"7\"", "\"7\"", true)]
    [InlineData("*", "\"7\"", true)]
    [InlineData("*", null, false)]
    [InlineData("\"7\"", null, false)]
    [InlineData("W/\"7\"", "\"7\"", false)]
    [InlineData("\"a,b\"", "\"a,b\"", true)]
    public void If_match_compares_strongly(string field, string? current, bool allowed) =>
        Precondition.Require(field, null).Allows(current).ShouldBe(allowed);

    [Fact]
    public void If_none_match_star_allows_a_create_only()
    {
        Precondition.Require(null, "*").Allows(null).ShouldBeTrue();
        Precondition.Require(null, "*").Allows("\"1\"").ShouldBeFalse();
    }

    [Fact]
    public void A_write_without_a_version_is_428() =>
        Should
            .Throw<ProblemException>(() => Precondition.Require(null, null))
            .Problem.Type.ShouldBe(KernelProblems.PreconditionRequired);

    [Fact]
    public void A_stale_version_is_412_with_the_current_one()
    {
        var problem = Should.Throw<ProblemException>(() => Precondition.Require("\"1\"", null).Check("\"2\"")).Problem;
        problem.Type.Status.ShouldBe(412);
        problem.Extensions["currentVersion"].ShouldBe("\"2\"");
    }

    [Theory]
    [InlineData("7")]
    [InlineData("\"7")]
    [InlineData("\"7\" \"8\"")]
    [InlineData("W/7")]
    [InlineData(",")]
    public void What_is_not_a_tag_list_is_400(string field) =>
        Should
            .Throw<ProblemException>(() => Precondition.Require(field, null))
            .Problem.Type.ShouldBe(KernelProblems.Malformed);

    [Fact]
    public void Any_text_is_read_or_is_400() =>
        Prop.ForAll<string>(text =>
            {
                try
                {
                    Precondition.Read(text, null);
                    return true;
                }
                catch (ProblemException e)
                {
                    return e.Problem.Type == KernelProblems.Malformed;
                }
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public void More_tags_than_any_client_sends_are_refused() =>
        Should.Throw<ProblemException>(() =>
            Precondition.Read(string.Join(", ", Enumerable.Repeat("\"1\"", Precondition.MostTags + 1)), null)
        );
}
