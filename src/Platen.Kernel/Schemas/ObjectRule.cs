using System.Runtime.InteropServices;
using System.Text.Json;

namespace Platen.Kernel.Schemas;

/// <summary>
/// Every keyword that looks at an object's properties, in one pass over them: the schema's own names are found by hash
/// and noted as bits, from which the presence keywords are answered afterwards.
/// </summary>
internal sealed class ObjectRule : Rule
{
    private readonly SchemaNode node;
    private readonly NameTable names;
    private readonly Child?[] properties;
    private readonly Required[] required;
    private readonly Dependency[] dependencies;
    private readonly int words;

    /// <param name="names">Each name the schema mentions, once.</param>
    /// <param name="properties">The schema of each of those names, where <c>properties</c> has one.</param>
    /// <param name="required">Names that must be there, and the place of each in <paramref name="names"/>.</param>
    public ObjectRule(
        SchemaNode node,
        IReadOnlyList<string> names,
        Child?[] properties,
        Required[] required,
        Dependency[] dependencies
    )
    {
        this.node = node;
        this.names = new NameTable([.. names.Select(System.Text.Encoding.UTF8.GetBytes)]);
        this.properties = properties;
        this.required = required;
        this.dependencies = dependencies;
        words = required.Length + dependencies.Length == 0 ? 0 : (names.Count + 63) / 64;
    }

    public PatternChild[] Patterns { get; init; } = [];

    public Child? Additional { get; init; }

    public Child? PropertyNames { get; init; }

    public long MinProperties { get; init; }

    public long MaxProperties { get; init; } = long.MaxValue;

    public override JsonTypes Kinds => JsonTypes.Object;

    public override IEnumerable<SchemaNode> InPlace =>
        dependencies.Where(dependency => dependency.Schema is not null).Select(dependency => dependency.Schema!.Node);

    public override bool Evaluate(scoped in Subject subject, Evaluation run, scoped ref Marks marks)
    {
        var valid = CheckCount(subject, run);
        if (!valid && !run.IsCollecting)
            return false;

        if (words <= 1)
        {
            ulong single = 0;
            return Walk(subject, run, ref marks, new Span<ulong>(ref single)) && valid;
        }
        var rented = System.Buffers.ArrayPool<ulong>.Shared.Rent(words);
        var seen = rented.AsSpan(0, words);
        seen.Clear();
        var walked = Walk(subject, run, ref marks, seen);
        System.Buffers.ArrayPool<ulong>.Shared.Return(rented);
        return walked && valid;
    }

    private bool CheckCount(scoped in Subject subject, Evaluation run)
    {
        if (MinProperties == 0 && MaxProperties == long.MaxValue)
            return true;
        var count = subject.Element.GetPropertyCount();
        var valid = true;
        if (count < MinProperties)
        {
            valid = run.Fail(
                node,
                "minProperties",
                run.IsCollecting ? Messages.AtLeast(MinProperties, "property", "properties", count) : ""
            );
        }
        if (count > MaxProperties)
        {
            valid = run.Fail(
                node,
                "maxProperties",
                run.IsCollecting ? Messages.AtMost(MaxProperties, "property", "properties", count) : ""
            );
        }
        return valid;
    }

    private bool Walk(scoped in Subject subject, Evaluation run, scoped ref Marks marks, scoped Span<ulong> seen)
    {
        var valid = true;
        var place = -1;
        foreach (var property in subject.Element.EnumerateObject())
        {
            place++;
            var rawName = JsonMarshal.GetRawUtf8PropertyName(property);
            if (PropertyNames is not null && !CheckName(rawName, run))
            {
                if (!run.IsCollecting)
                    return false;
                valid = false;
            }

            Child? named = null;
            if (names.Count > 0)
            {
                var index = names.IndexOf(run.Text(rawName));
                if (index >= 0)
                {
                    named = properties[index];
                    if (words > 0)
                        seen[index >> 6] |= 1UL << index;
                }
            }
            var evaluated = named is not null;
            if (named is not null && !Apply(named, property, rawName, run))
            {
                if (!run.IsCollecting)
                    return false;
                valid = false;
            }
            if (Patterns.Length > 0 && !ApplyPatterns(property, rawName, run, ref evaluated))
            {
                if (!run.IsCollecting)
                    return false;
                valid = false;
            }
            if (!evaluated && Additional is not null)
            {
                evaluated = true;
                if (!Apply(Additional, property, rawName, run))
                {
                    if (!run.IsCollecting)
                        return false;
                    valid = false;
                }
            }
            if (evaluated && marks.IsTracking)
                run.Mark(marks, place);
        }
        if (words == 0)
            return valid;
        return CheckPresence(subject, run, ref marks, seen) && valid;
    }

    private bool ApplyPatterns(JsonProperty property, ReadOnlySpan<byte> rawName, Evaluation run, ref bool evaluated)
    {
        var valid = true;
        foreach (var pattern in Patterns)
        {
            if (!run.Matches(pattern.Pattern, run.Chars(run.Text(rawName))))
                continue;
            evaluated = true;
            if (Apply(pattern.Child, property, rawName, run))
                continue;
            if (!run.IsCollecting)
                return false;
            valid = false;
        }
        return valid;
    }

    private bool CheckName(ReadOnlySpan<byte> rawName, Evaluation run)
    {
        var wasCollecting = run.Quiet();
        var passes = PropertyNames!.Evaluate(new Subject(rawName), run);
        run.Resume(wasCollecting);
        if (passes || !run.IsCollecting)
            return passes;
        run.PushProperty(rawName);
        run.Fail(node, "propertyNames", $"The name {Messages.Show(JsonText.ToText(rawName))} is not allowed.");
        PropertyNames.Evaluate(new Subject(rawName), run);
        run.PopInstance();
        return false;
    }

    private bool CheckPresence(
        scoped in Subject subject,
        Evaluation run,
        scoped ref Marks marks,
        scoped Span<ulong> seen
    )
    {
        var valid = true;
        foreach (var name in required)
        {
            if (IsSeen(seen, name.Index))
                continue;
            run.Fail(node, "required", name.Message);
            if (!run.IsCollecting)
                return false;
            valid = false;
        }
        foreach (var dependency in dependencies)
        {
            if (!IsSeen(seen, dependency.Index))
                continue;
            foreach (var name in dependency.Required)
            {
                if (IsSeen(seen, name.Index))
                    continue;
                run.Fail(node, dependency.Keyword, name.Message);
                if (!run.IsCollecting)
                    return false;
                valid = false;
            }
            if (dependency.Schema is not null && !dependency.Schema.Evaluate(subject, run, ref marks))
            {
                if (!run.IsCollecting)
                    return false;
                valid = false;
            }
        }
        return valid;
    }

    private static bool IsSeen(scoped Span<ulong> seen, int index) => (seen[index >> 6] & (1UL << index)) != 0;

    private static bool Apply(Child child, JsonProperty property, ReadOnlySpan<byte> rawName, Evaluation run)
    {
        run.PushProperty(rawName);
        var valid = child.Evaluate(new Subject(property.Value), run);
        run.PopInstance();
        return valid;
    }

    internal sealed record Required(int Index, string Message);

    internal sealed record Dependency(int Index, string Keyword, Required[] Required, Child? Schema);

    internal sealed record PatternChild(Pattern Pattern, Child Child);
}

/// <summary><c>unevaluatedProperties</c>: last of its schema's rules, when every other has marked what it looked at.</summary>
internal sealed class UnevaluatedPropertiesRule(Child child) : Rule
{
    public override JsonTypes Kinds => JsonTypes.Object;

    public override bool Evaluate(scoped in Subject subject, Evaluation run, scoped ref Marks marks)
    {
        if (marks.All)
            return true;
        var valid = true;
        var place = -1;
        foreach (var property in subject.Element.EnumerateObject())
        {
            if (run.IsMarked(marks, ++place))
                continue;
            run.PushProperty(JsonMarshal.GetRawUtf8PropertyName(property));
            var passes = child.Evaluate(new Subject(property.Value), run);
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
