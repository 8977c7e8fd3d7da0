using System.Buffers;
using System.Globalization;
using System.Numerics;
using System.Text.Json;

namespace Platen.Kernel.Schemas;

/// <summary>Every keyword that looks at an array's items.</summary>
internal sealed class ArrayRule(SchemaNode node) : Rule
{
    private const int PairwiseItems = 8;

    public Child[] Prefix { get; init; } = [];

    public Child? Items { get; init; }

    public Child? Contains { get; init; }

    /// <summary>Whether items that <c>contains</c> accepts count as evaluated: from 2020-12 on.</summary>
    public bool ContainsEvaluates { get; init; } = true;

    public long MinContains { get; init; } = 1;

    public long MaxContains { get; init; } = long.MaxValue;

    public long MinItems { get; init; }

    public long MaxItems { get; init; } = long.MaxValue;

    public bool IsUnique { get; init; }

    public override JsonTypes Kinds => JsonTypes.Array;

    public override bool Evaluate(scoped in Subject subject, Evaluation run, scoped ref Marks marks)
    {
        var count = subject.Element.GetArrayLength();
        var valid = true;
        if (count < MinItems)
        {
            valid = run.Fail(
                node,
                "minItems",
                run.IsCollecting ? Messages.AtLeast(MinItems, "item", "items", count) : ""
            );
        }
        if (count > MaxItems)
        {
            valid = run.Fail(
                node,
                "maxItems",
                run.IsCollecting ? Messages.AtMost(MaxItems, "item", "items", count) : ""
            );
        }
        if (!valid && !run.IsCollecting)
            return false;
        if ((Prefix.Length > 0 || Items is not null) && !CheckItems(subject, run, ref marks))
        {
            if (!run.IsCollecting)
                return false;
            valid = false;
        }
        if (Contains is not null && !CheckContains(subject, run, ref marks))
        {
            if (!run.IsCollecting)
                return false;
            valid = false;
        }
        if (IsUnique && count > 1 && FindDuplicate(subject.Element, count, run) is var (first, second) && first >= 0)
        {
            return run.Fail(
                node,
                "uniqueItems",
                run.IsCollecting
                    ? string.Create(
                        CultureInfo.InvariantCulture,
                        $"Must not have the same item twice: items {first} and {second} are equal."
                    )
                    : ""
            );
        }
        return valid;
    }

    private bool CheckItems(scoped in Subject subject, Evaluation run, scoped ref Marks marks)
    {
        var valid = true;
        var place = -1;
        foreach (var item in subject.Element.EnumerateArray())
        {
            place++;
            var child = place < Prefix.Length ? Prefix[place] : Items;
            if (child is null)
                break;
            run.PushItem(place);
            var passes = child.Evaluate(new Subject(item), run);
            run.PopInstance();
            if (!passes)
            {
                if (!run.IsCollecting)
                    return false;
                valid = false;
            }
            if (marks.IsTracking)
                run.Mark(marks, place);
        }
        return valid;
    }

    private bool CheckContains(scoped in Subject subject, Evaluation run, scoped ref Marks marks)
    {
        var wasCollecting = run.Quiet();
        var found = 0L;
        var place = -1;
        var mustSeeAll = marks.IsTracking && ContainsEvaluates;
        foreach (var item in subject.Element.EnumerateArray())
        {
            place++;
            if (!mustSeeAll && found >= MinContains && (MaxContains == long.MaxValue || found > MaxContains))
                break;
            if (!Contains!.Evaluate(new Subject(item), run))
                continue;
            found++;
            if (mustSeeAll)
                run.Mark(marks, place);
        }
        run.Resume(wasCollecting);
        if (found >= MinContains && found <= MaxContains)
            return true;
        var keyword =
            found > MaxContains ? "maxContains"
            : MinContains == 1 ? "contains"
            : "minContains";
        return run.Fail(node, keyword, run.IsCollecting ? Messages.Contains(MinContains, MaxContains, found) : "");
    }

    private static (int First, int Second) FindDuplicate(in JsonElement array, int count, Evaluation run)
    {
        run.Charge(count);
        return count <= PairwiseItems ? FindPairwise(array) : FindByHash(array, count);
    }

    private static (int First, int Second) FindPairwise(in JsonElement array)
    {
        var second = -1;
        foreach (var item in array.EnumerateArray())
        {
            second++;
            var first = -1;
            foreach (var earlier in array.EnumerateArray())
            {
                if (++first == second)
                    break;
                if (JsonEquality.Same(earlier, item))
                    return (first, second);
            }
        }
        return (-1, -1);
    }

    // Reaching array[i] of a document whose items are not plain values walks from its start, so the items are kept.
    private static (int First, int Second) FindByHash(in JsonElement array, int count)
    {
        var size = (int)BitOperations.RoundUpToPowerOf2((uint)count * 2);
        var slots = ArrayPool<int>.Shared.Rent(size);
        var hashes = ArrayPool<int>.Shared.Rent(count);
        var items = ArrayPool<JsonElement>.Shared.Rent(count);
        slots.AsSpan(0, size).Clear();
        try
        {
            var place = 0;
            foreach (var item in array.EnumerateArray())
            {
                var hash = JsonEquality.Hash(item);
                var slot = hash & (size - 1);
                for (; slots[slot] != 0; slot = (slot + 1) & (size - 1))
                {
                    var earlier = slots[slot] - 1;
                    if (hashes[earlier] == hash && JsonEquality.Same(items[earlier], item))
                        return (earlier, place);
                }
                slots[slot] = place + 1;
                hashes[place] = hash;
                items[place] = item;
                place++;
            }
            return (-1, -1);
        }
        finally
        {
            ArrayPool<int>.Shared.Return(slots);
            ArrayPool<int>.Shared.Return(hashes);
            ArrayPool<JsonElement>.Shared.Return(items, clearArray: true);
        }
    }
}

/// <summary><c>unevaluatedItems</c>: last of its schema's rules, when every other has marked what it looked at.</summary>
internal sealed class UnevaluatedItemsRule(Child child) : Rule
{
    public override JsonTypes Kinds => JsonTypes.Array;

    public override bool Evaluate(scoped in Subject subject, Evaluation run, scoped ref Marks marks)
    {
        if (marks.All)
            return true;
        var valid = true;
        var place = -1;
        foreach (var item in subject.Element.EnumerateArray())
        {
            if (run.IsMarked(marks, ++place))
                continue;
            run.PushItem(place);
            var passes = child.Evaluate(new Subject(item), run);
            run.PopInstance();
            if (passes)
                continue;
            if (!run.IsCollecting)
                return false;
            valid = false;
        }
        marks.All = true;
        return valid;
    }
}
