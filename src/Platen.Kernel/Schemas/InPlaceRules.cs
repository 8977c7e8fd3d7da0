using System.Globalization;

namespace Platen.Kernel.Schemas;

/// <summary>A rule that hands the same value to other schemas.</summary>
internal abstract class InPlaceRule : Rule
{
    public override JsonTypes Kinds =>
        JsonTypes.Null | JsonTypes.Boolean | JsonTypes.Object | JsonTypes.Array | JsonTypes.Number | JsonTypes.String;
}

/// <summary><c>$ref</c>, and <c>$dynamicRef</c> where its target is settled when the schema is compiled.</summary>
internal sealed class RefRule(Child target) : InPlaceRule
{
    public override IEnumerable<SchemaNode> InPlace => [target.Node];

    public override bool Evaluate(scoped in Subject subject, Evaluation run, scoped ref Marks marks) =>
        target.Evaluate(subject, run, ref marks);
}

/// <summary><c>$dynamicRef</c> to a dynamic anchor: the outermost schema resource in scope that has it is meant.</summary>
internal sealed class DynamicRefRule(string keyword, string anchor, SchemaNode initial) : InPlaceRule
{
    private readonly string path = "/" + keyword;

    public override bool Evaluate(scoped in Subject subject, Evaluation run, scoped ref Marks marks)
    {
        run.PushKeyword(path);
        var valid = run.Dynamic(anchor, initial).Evaluate(subject, run, ref marks);
        run.PopKeyword();
        return valid;
    }
}

internal sealed class AllOfRule(Child[] branches) : InPlaceRule
{
    public override IEnumerable<SchemaNode> InPlace => branches.Select(branch => branch.Node);

    public override bool Evaluate(scoped in Subject subject, Evaluation run, scoped ref Marks marks)
    {
        var valid = true;
        foreach (var branch in branches)
        {
            if (branch.Evaluate(subject, run, ref marks))
                continue;
            if (!run.IsCollecting)
                return false;
            valid = false;
        }
        return valid;
    }
}

/// <summary><c>anyOf</c> and <c>oneOf</c>. Branches are tried without listing faults, which are fetched if none passes.</summary>
internal sealed class ChoiceRule(SchemaNode node, Child[] branches, bool exactlyOne) : InPlaceRule
{
    private string Keyword => exactlyOne ? "oneOf" : "anyOf";

    public override IEnumerable<SchemaNode> InPlace => branches.Select(branch => branch.Node);

    public override bool Evaluate(scoped in Subject subject, Evaluation run, scoped ref Marks marks)
    {
        var wasCollecting = run.Quiet();
        var first = -1;
        var second = -1;
        for (var i = 0; i < branches.Length; i++)
        {
            var own = run.Branch(marks);
            var passes = branches[i].Evaluate(subject, run, ref own);
            if (passes)
                run.Merge(own, ref marks);
            run.Release(own);
            if (!passes)
                continue;
            if (first < 0)
            {
                first = i;
                if (!exactlyOne && !marks.IsTracking)
                    break;
            }
            else if (exactlyOne)
            {
                second = i;
                break;
            }
        }
        run.Resume(wasCollecting);
        if (first >= 0 && second < 0)
            return true;
        if (!run.IsCollecting)
            return false;

        if (first >= 0)
        {
            return run.Fail(
                node,
                Keyword,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"Must match exactly one of {branches.Length} alternatives, and matches {first + 1} and {second + 1}."
                )
            );
        }
        run.Fail(
            node,
            Keyword,
            string.Create(CultureInfo.InvariantCulture, $"Matches none of {branches.Length} alternatives.")
        );
        foreach (var branch in branches)
        {
            if (run.IsCollecting)
                branch.Evaluate(subject, run);
        }
        return false;
    }
}

internal sealed class NotRule(SchemaNode node, Child child) : InPlaceRule
{
    public override IEnumerable<SchemaNode> InPlace => [child.Node];

    public override bool Evaluate(scoped in Subject subject, Evaluation run, scoped ref Marks marks)
    {
        var wasCollecting = run.Quiet();
        var matches = child.Evaluate(subject, run);
        run.Resume(wasCollecting);
        return !matches || run.Fail(node, "not", "Must not have this form.");
    }
}

internal sealed class ConditionalRule(Child condition, Child? then, Child? otherwise) : InPlaceRule
{
    public override IEnumerable<SchemaNode> InPlace
    {
        get
        {
            yield return condition.Node;
            if (then is not null)
                yield return then.Node;
            if (otherwise is not null)
                yield return otherwise.Node;
        }
    }

    public override bool Evaluate(scoped in Subject subject, Evaluation run, scoped ref Marks marks)
    {
        var wasCollecting = run.Quiet();
        var own = run.Branch(marks);
        var holds = condition.Evaluate(subject, run, ref own);
        if (holds)
            run.Merge(own, ref marks);
        run.Release(own);
        run.Resume(wasCollecting);
        var branch = holds ? then : otherwise;
        return branch is null || branch.Evaluate(subject, run, ref marks);
    }
}
