using System.Runtime.InteropServices;
using System.Text.Json;

namespace Platen.Kernel.Schemas;

/// <summary>A schema resource (Core 4.3.5): a root schema or a subschema with its own <c>$id</c>.</summary>
internal sealed class SchemaResource(string uri, Dialect dialect, SchemaDocument document, string documentPointer)
{
    public string Uri { get; } = uri;

    public Dialect Dialect { get; } = dialect;

    public SchemaDocument Document { get; } = document;

    /// <summary>Where the resource begins in its document.</summary>
    public string DocumentPointer { get; } = documentPointer;

    public Dictionary<string, SchemaNode> Anchors { get; } = new(StringComparer.Ordinal);

    public Dictionary<string, SchemaNode> DynamicAnchors { get; } = new(StringComparer.Ordinal);
}

/// <summary>One JSON text that holds schemas.</summary>
internal sealed class SchemaDocument(JsonElement root)
{
    public JsonElement Root { get; } = root;

    /// <summary>Every schema known in the document, by its pointer from the root.</summary>
    public Dictionary<string, SchemaNode> Nodes { get; } = new(StringComparer.Ordinal);
}

/// <summary>The values of the <c>type</c> keyword as a set.</summary>
[Flags]
internal enum JsonTypes : byte
{
    None = 0,
    Null = 1,
    Boolean = 2,
    Object = 4,
    Array = 8,
    Number = 16,
    String = 32,
    Integer = 64,
}

/// <summary>Part of a schema that looks at one kind of value, or at every kind.</summary>
internal abstract class Rule
{
    /// <summary>The kinds of value this rule has an opinion on.</summary>
    public abstract JsonTypes Kinds { get; }

    public abstract bool Evaluate(scoped in Subject subject, Evaluation run, scoped ref Marks marks);

    /// <summary>Schemas applied to the same value, without moving into it.</summary>
    public virtual IEnumerable<SchemaNode> InPlace => [];
}

/// <summary>A subschema with the steps of the path that lead to it from its parent.</summary>
internal sealed class Child(SchemaNode node, string path)
{
    public SchemaNode Node { get; } = node;

    public string Path { get; } = path;

    public bool Evaluate(scoped in Subject subject, Evaluation run, scoped ref Marks marks)
    {
        run.PushKeyword(Path);
        var valid = Node.Evaluate(subject, run, ref marks);
        run.PopKeyword();
        return valid;
    }

    public bool Evaluate(scoped in Subject subject, Evaluation run)
    {
        var marks = default(Marks);
        return Evaluate(subject, run, ref marks);
    }
}

/// <summary>
/// One compiled schema. Built once by <see cref="SchemaCompiler"/>, then only read: any number of threads may evaluate.
/// </summary>
internal sealed class SchemaNode(SchemaResource resource, JsonElement source, string documentPointer)
{
    private bool refusesAll;
    private bool acceptsAll;
    private JsonTypes types;
    private Rule[] nullRules = [];
    private Rule[] booleanRules = [];
    private Rule[] objectRules = [];
    private Rule[] arrayRules = [];
    private Rule[] numberRules = [];
    private Rule[] stringRules = [];
    private bool tracksProperties;
    private bool tracksItems;

    public SchemaResource Resource { get; } = resource;

    public JsonElement Source { get; } = source;

    public string DocumentPointer { get; } = documentPointer;

    public bool IsQueued { get; set; }

    public IReadOnlyList<Rule> Rules { get; private set; } = [];

    public string AbsoluteLocation => Resource.Uri + "#" + DocumentPointer[Resource.DocumentPointer.Length..];

    public void Complete(JsonTypes allowed, List<Rule> rules, bool hasUnevaluatedProperties, bool hasUnevaluatedItems)
    {
        Rules = rules;
        types = allowed;
        nullRules = For(rules, JsonTypes.Null);
        booleanRules = For(rules, JsonTypes.Boolean);
        objectRules = For(rules, JsonTypes.Object);
        arrayRules = For(rules, JsonTypes.Array);
        numberRules = For(rules, JsonTypes.Number);
        stringRules = For(rules, JsonTypes.String);
        tracksProperties = hasUnevaluatedProperties;
        tracksItems = hasUnevaluatedItems;
        acceptsAll = allowed == JsonTypes.None && rules.Count == 0;
    }

    public void CompleteBoolean(bool accepts)
    {
        acceptsAll = accepts;
        refusesAll = !accepts;
    }

    public bool Evaluate(scoped in Subject subject, Evaluation run, scoped ref Marks marks)
    {
        if (acceptsAll)
            return true;
        if (refusesAll)
            return run.Fail(this, "", "Nothing is allowed here.");

        var valid = run.Enter(Resource, out var scoped);
        if (valid)
            valid = EvaluateRules(subject, run, ref marks);
        run.Leave(scoped);
        return valid;
    }

    private bool EvaluateRules(scoped in Subject subject, Evaluation run, scoped ref Marks marks)
    {
        switch (subject.Kind)
        {
            case JsonValueKind.Object:
                if (tracksProperties)
                {
                    var own = run.Track(subject.Element.GetPropertyCount());
                    var valid = Apply(JsonTypes.Object, objectRules, subject, run, ref own);
                    if (valid)
                        run.Merge(own, ref marks);
                    run.Release(own);
                    return valid;
                }
                return Apply(JsonTypes.Object, objectRules, subject, run, ref marks);
            case JsonValueKind.Array:
                if (tracksItems)
                {
                    var own = run.Track(subject.Element.GetArrayLength());
                    var valid = Apply(JsonTypes.Array, arrayRules, subject, run, ref own);
                    if (valid)
                        run.Merge(own, ref marks);
                    run.Release(own);
                    return valid;
                }
                return Apply(JsonTypes.Array, arrayRules, subject, run, ref marks);
            case JsonValueKind.String:
                return Apply(JsonTypes.String, stringRules, subject, run, ref marks);
            case JsonValueKind.Number:
                return Apply(JsonTypes.Number, numberRules, subject, run, ref marks);
            case JsonValueKind.Null:
                return Apply(JsonTypes.Null, nullRules, subject, run, ref marks);
            default:
                return Apply(JsonTypes.Boolean, booleanRules, subject, run, ref marks);
        }
    }

    private bool Apply(JsonTypes kind, Rule[] rules, scoped in Subject subject, Evaluation run, scoped ref Marks marks)
    {
        var valid = true;
        if (types != JsonTypes.None && (types & kind) == JsonTypes.None && !IsInteger(kind, subject))
        {
            run.Fail(this, "type", run.IsCollecting ? Messages.Type(types, subject) : "");
            if (!run.IsCollecting)
                return false;
            valid = false;
        }
        foreach (var rule in rules)
        {
            if (rule.Evaluate(subject, run, ref marks))
                continue;
            if (!run.IsCollecting)
                return false;
            valid = false;
        }
        return valid;
    }

    private bool IsInteger(JsonTypes kind, scoped in Subject subject) =>
        kind == JsonTypes.Number
        && (types & JsonTypes.Integer) != JsonTypes.None
        && ExactNumber.Parse(JsonMarshal.GetRawUtf8Value(subject.Element)).IsInteger;

    private static Rule[] For(List<Rule> rules, JsonTypes kind)
    {
        var chosen = new List<Rule>();
        foreach (var rule in rules)
        {
            if ((rule.Kinds & kind) != JsonTypes.None)
                chosen.Add(rule);
        }
        return [.. chosen];
    }
}
