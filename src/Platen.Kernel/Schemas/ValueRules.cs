using System.Runtime.InteropServices;
using System.Text.Json;

namespace Platen.Kernel.Schemas;

/// <summary><c>enum</c>, and <c>const</c> as an enum of one.</summary>
internal sealed class EnumRule : Rule
{
    private readonly SchemaNode node;
    private readonly string keyword;
    private readonly JsonElement[] all;
    private readonly JsonElement[] others;
    private readonly NameTable texts;

    public EnumRule(SchemaNode node, string keyword, IEnumerable<JsonElement> values)
    {
        this.node = node;
        this.keyword = keyword;
        all = [.. values];
        others = [.. all.Where(value => value.ValueKind != JsonValueKind.String)];
        texts = new NameTable([
            .. all.Where(value => value.ValueKind == JsonValueKind.String)
                .Select(value => JsonText.ToBytes(JsonEquality.Raw(value))),
        ]);
    }

    public override JsonTypes Kinds =>
        JsonTypes.Null | JsonTypes.Boolean | JsonTypes.Object | JsonTypes.Array | JsonTypes.Number | JsonTypes.String;

    public override bool Evaluate(scoped in Subject subject, Evaluation run, scoped ref Marks marks)
    {
        if (subject.Kind == JsonValueKind.String)
        {
            if (texts.IndexOf(run.Text(subject.RawText)) >= 0)
                return true;
        }
        else
        {
            foreach (var value in others)
            {
                if (JsonEquality.Same(value, subject.Element))
                    return true;
            }
        }
        if (!run.IsCollecting)
            return false;
        return run.Fail(
            node,
            keyword,
            keyword == "const" ? $"Must be {Messages.Show(all[0].GetRawText())}." : Messages.OneOf(all)
        );
    }
}

/// <summary><c>multipleOf</c> and the four bounds.</summary>
internal sealed class NumberRule(SchemaNode node) : Rule
{
    public Bound? MultipleOf { get; init; }

    public Bound? Minimum { get; init; }

    public Bound? ExclusiveMinimum { get; init; }

    public Bound? Maximum { get; init; }

    public Bound? ExclusiveMaximum { get; init; }

    public override JsonTypes Kinds => JsonTypes.Number;

    public override bool Evaluate(scoped in Subject subject, Evaluation run, scoped ref Marks marks)
    {
        var value = ExactNumber.Parse(JsonMarshal.GetRawUtf8Value(subject.Element));
        var valid = true;
        if (Minimum is not null && value < Minimum.Value)
            valid = run.Fail(node, "minimum", Minimum.Message);
        if (ExclusiveMinimum is not null && value <= ExclusiveMinimum.Value)
            valid = run.Fail(node, "exclusiveMinimum", ExclusiveMinimum.Message);
        if (Maximum is not null && value > Maximum.Value)
            valid = run.Fail(node, "maximum", Maximum.Message);
        if (ExclusiveMaximum is not null && value >= ExclusiveMaximum.Value)
            valid = run.Fail(node, "exclusiveMaximum", ExclusiveMaximum.Message);
        if (MultipleOf is not null && !value.IsMultipleOf(MultipleOf.Value))
            valid = run.Fail(node, "multipleOf", MultipleOf.Message);
        return valid;
    }

    internal sealed record Bound(ExactNumber Value, string Message);
}

/// <summary><c>minLength</c>, <c>maxLength</c>, <c>pattern</c> and, where it asserts, <c>format</c>.</summary>
internal sealed class StringRule(SchemaNode node) : Rule
{
    public long MinLength { get; init; }

    public long MaxLength { get; init; } = long.MaxValue;

    public Pattern? Pattern { get; init; }

    public string? FormatName { get; init; }

    public Format? Format { get; init; }

    public override JsonTypes Kinds => JsonTypes.String;

    public override bool Evaluate(scoped in Subject subject, Evaluation run, scoped ref Marks marks)
    {
        var text = run.Text(subject.RawText);
        var valid = true;

        // A code point takes one to four bytes, which settles most lengths without counting.
        if (text.Length > MaxLength && JsonText.CountCodePoints(text) is var length && length > MaxLength)
        {
            valid = run.Fail(
                node,
                "maxLength",
                run.IsCollecting ? Messages.AtMost(MaxLength, "character", "characters", length) : ""
            );
        }
        if (
            MinLength > 0
            && text.Length / 4 < MinLength
            && JsonText.CountCodePoints(text) is var count
            && count < MinLength
        )
        {
            valid = run.Fail(
                node,
                "minLength",
                run.IsCollecting ? Messages.AtLeast(MinLength, "character", "characters", count) : ""
            );
        }
        if (Pattern is null && Format is null)
            return valid;

        var chars = run.Chars(text);
        if (Pattern is not null && !run.Matches(Pattern, chars))
            valid = run.Fail(node, "pattern", $"Must match the pattern {Messages.Show(Pattern.Source)}");
        if (Format is not null && !Format(chars))
            valid = run.Fail(node, "format", $"Must be a valid {FormatName}.");
        return valid;
    }
}
