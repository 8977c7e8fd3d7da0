using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Platen.Kernel.Schemas;

/// <summary>
/// Turns documents into <see cref="SchemaNode"/>s: finds every schema, resource and anchor of a document, then builds the
/// schemas that can be reached and ties their references.
/// </summary>
internal sealed class SchemaCompiler
{
    private static readonly JsonDocumentOptions ParseOptions = new()
    {
        MaxDepth = SchemaLimits.SchemaDepth,
        AllowDuplicateProperties = false,
    };

    private static readonly Lazy<SchemaNode> MetaSchema = new(() =>
    {
        var compiler = new SchemaCompiler(SchemaOptions.Default, new SchemaRegistry());
        return compiler.CompileRoot(SchemaRegistry.MetaSchema, Dialect.Draft202012, check: false);
    });

    private readonly SchemaOptions options;
    private readonly SchemaRegistry registry;
    private readonly Dictionary<string, SchemaResource> resources = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Dialect> dialects = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Pattern> patterns = new(StringComparer.Ordinal);
    private readonly Queue<SchemaNode> unbuilt = new();
    private int count;

    private SchemaCompiler(SchemaOptions options, SchemaRegistry registry)
    {
        this.options = options;
        this.registry = registry;
    }

    public static JsonSchema Compile(JsonElement document, SchemaOptions options, SchemaRegistry? registry)
    {
        var compiler = new SchemaCompiler(options, registry ?? new SchemaRegistry());
        return new JsonSchema(document, compiler.CompileRoot(document, options.BaseUri, check: true));
    }

    public static JsonElement Parse(ReadOnlyMemory<byte> utf8, string location)
    {
        if (utf8.Length > SchemaLimits.SchemaBytes)
        {
            throw new SchemaCompileException(
                location,
                string.Create(CultureInfo.InvariantCulture, $"A schema has at most {SchemaLimits.SchemaBytes} bytes.")
            );
        }
        try
        {
            using var document = JsonDocument.Parse(utf8, ParseOptions);
            return document.RootElement.Clone();
        }
        catch (JsonException fault)
        {
            throw new SchemaCompileException(location, JsonFault.Describe(fault));
        }
    }

    private SchemaNode CompileRoot(JsonElement root, string baseUri, bool check)
    {
        if (root.ValueKind is not (JsonValueKind.Object or JsonValueKind.True or JsonValueKind.False))
            throw new SchemaCompileException(baseUri, "A schema is an object, true or false.");
        var dialect = DialectOf(root, baseUri, Dialect.Standard);
        if (check)
            CheckByMetaSchema(root, baseUri, dialect);
        var resource = Load(root, SchemaUri.Parse(baseUri).WithoutFragment());
        var node = resource.Document.Nodes[""];
        foreach (var known in resource.Document.Nodes.Values.ToArray())
            Enqueue(known);
        Drain();
        RefuseCycles(node);
        return node;
    }

    // Dialects

    private Dialect DialectOf(JsonElement schema, string location, Dialect inherited)
    {
        if (
            schema.ValueKind != JsonValueKind.Object
            || !schema.TryGetProperty("$schema", out var named)
            || named.ValueKind != JsonValueKind.String
        )
            return inherited;
        var uri = SchemaUri.Parse(TextOf(named)) is { Fragment: "" } bare
            ? bare.WithoutFragment().ToString()
            : TextOf(named);
        return uri switch
        {
            Dialect.Draft202012 => Dialect.Standard,
            Dialect.Draft201909 => Dialect.Older,
            _ => CustomDialect(uri, location),
        };
    }

    private Dialect CustomDialect(string uri, string location)
    {
        if (dialects.TryGetValue(uri, out var known))
            return known;
        if (!registry.TryGet(uri, out var metaSchema))
            throw new SchemaCompileException(location, $"The meta-schema {uri} is not known.");
        var vocabularies = Vocabularies.None;
        if (
            metaSchema.ValueKind != JsonValueKind.Object
            || !metaSchema.TryGetProperty("$vocabulary", out var listed)
            || listed.ValueKind != JsonValueKind.Object
        )
            return dialects[uri] = Dialect.Standard with { Uri = uri };
        foreach (var entry in listed.EnumerateObject())
        {
            if (Dialect.FindVocabulary(entry.Name) is { } found)
                vocabularies |= found;
            else if (entry.Value.ValueKind == JsonValueKind.True)
            {
                throw new SchemaCompileException(
                    location,
                    $"The meta-schema {uri} requires the vocabulary {entry.Name}, which is not known."
                );
            }
        }
        return dialects[uri] = new Dialect(uri, vocabularies | Vocabularies.Core);
    }

    private void CheckByMetaSchema(JsonElement root, string baseUri, Dialect dialect)
    {
        if (dialect.IsDraft2019)
            throw new SchemaCompileException(baseUri, "A schema of draft 2019-09 can be referred to, not compiled.");
        var metaSchema = MetaSchema.Value;
        if (dialect.Uri != Dialect.Draft202012)
        {
            registry.TryGet(dialect.Uri, out var custom);
            metaSchema = new SchemaCompiler(SchemaOptions.Default, registry).CompileRoot(
                custom,
                dialect.Uri,
                check: false
            );
        }
        var result = Evaluation.Run(metaSchema, root, SchemaOutput.Basic);
        if (result.IsValid)
            return;
        var fault = result.Errors[0];
        throw new SchemaCompileException(
            $"{baseUri}#{fault.InstanceLocation}",
            $"Not a schema: {fault.Message}",
            result.Errors
        );
    }

    // Documents, resources and anchors

    private SchemaResource Load(JsonElement root, SchemaUri retrieval)
    {
        var document = new SchemaDocument(root);
        var resource = new SchemaResource(
            retrieval.ToString(),
            DialectOf(root, retrieval.ToString(), Dialect.Standard),
            document,
            ""
        );
        resources.TryAdd(resource.Uri, resource);
        Index(root, resource, "");
        var actual = document.Nodes[""].Resource;
        resources[resource.Uri] = actual;
        return actual;
    }

    private SchemaNode Index(JsonElement schema, SchemaResource resource, string pointer)
    {
        if (schema.ValueKind is not (JsonValueKind.Object or JsonValueKind.True or JsonValueKind.False))
            throw Fault(resource, pointer, "A schema is an object, true or false.");
        if (++count > SchemaLimits.Subschemas)
        {
            throw Fault(
                resource,
                pointer,
                string.Create(CultureInfo.InvariantCulture, $"More than {SchemaLimits.Subschemas} schemas are reached.")
            );
        }
        if (schema.ValueKind != JsonValueKind.Object)
            return resource.Document.Nodes[pointer] = new SchemaNode(resource, schema, pointer);

        if (TryText(schema, "$id", out var id))
        {
            var uri = SchemaUri.Parse(resource.Uri).Resolve(id);
            if (string.IsNullOrEmpty(uri.Fragment))
            {
                var text = uri.WithoutFragment().ToString();
                var own = new SchemaResource(
                    text,
                    DialectOf(schema, $"{resource.Uri}#{pointer}", resource.Dialect),
                    resource.Document,
                    pointer
                );
                if (
                    pointer.Length > 0
                    && resources.TryGetValue(text, out var other)
                    && ReferenceEquals(other.Document, resource.Document)
                )
                    throw Fault(resource, pointer, $"The identifier {text} is used twice.");
                resources[text] = own;
                resource = own;
            }
        }
        var node = new SchemaNode(resource, schema, pointer);
        resource.Document.Nodes[pointer] = node;
        IndexAnchors(schema, resource, node);

        foreach (var property in schema.EnumerateObject())
        {
            var shape = Keywords.ShapeOf(property.Name, resource.Dialect);
            if (shape == KeywordShape.Value)
                continue;
            var at = SchemaPointer.Append(pointer, property.Name);
            var value = property.Value;
            if ((shape & KeywordShape.Map) != KeywordShape.Value && value.ValueKind == JsonValueKind.Object)
            {
                foreach (var entry in value.EnumerateObject())
                {
                    if (entry.Value.ValueKind != JsonValueKind.Array)
                        Index(entry.Value, resource, SchemaPointer.Append(at, entry.Name));
                }
            }
            else if ((shape & KeywordShape.List) != KeywordShape.Value && value.ValueKind == JsonValueKind.Array)
            {
                var index = 0;
                foreach (var entry in value.EnumerateArray())
                    Index(entry, resource, SchemaPointer.Append(at, index++));
            }
            else if ((shape & KeywordShape.Schema) != KeywordShape.Value)
                Index(value, resource, at);
        }
        return node;
    }

    private void IndexAnchors(JsonElement schema, SchemaResource resource, SchemaNode node)
    {
        if (TryText(schema, "$anchor", out var anchor) && !resource.Anchors.TryAdd(anchor, node))
            throw Fault(resource, node.DocumentPointer, $"The anchor {anchor} is used twice.");
        if (resource.Dialect.IsDraft2019)
        {
            if (
                schema.TryGetProperty("$recursiveAnchor", out var recursive)
                && recursive.ValueKind == JsonValueKind.True
            )
                AddDynamic(Keywords.RecursiveAnchor);
        }
        else if (TryText(schema, "$dynamicAnchor", out var dynamic))
        {
            if (!resource.Anchors.TryAdd(dynamic, node))
                throw Fault(resource, node.DocumentPointer, $"The anchor {dynamic} is used twice.");
            AddDynamic(dynamic);
        }

        void AddDynamic(string name)
        {
            resource.DynamicAnchors[name] = node;
            Enqueue(node);
        }
    }

    private SchemaNode Resolve(SchemaNode from, string reference, out string? anchor)
    {
        anchor = null;
        var target = SchemaUri.Parse(from.Resource.Uri).Resolve(reference);
        var uri = target.WithoutFragment().ToString();
        if (!resources.TryGetValue(uri, out var resource))
        {
            if (!registry.TryGet(uri, out var document))
                throw Unresolvable();
            resource = Load(document, target.WithoutFragment());
        }
        var fragment = target.Fragment is null
            ? ""
            : SchemaPointer.DecodeFragment(target.Fragment) ?? throw Unresolvable();
        if (fragment.Length == 0)
            return resource.Document.Nodes[resource.DocumentPointer];
        if (fragment[0] != '/')
        {
            anchor = fragment;
            return resource.Anchors.TryGetValue(fragment, out var anchored) ? anchored : throw Unresolvable();
        }
        return Follow(resource, fragment) ?? throw Unresolvable();

        SchemaCompileException Unresolvable() =>
            Fault(from.Resource, from.DocumentPointer, $"The reference {reference} leads to nothing known ({target}).");
    }

    // A pointer may lead to a schema no keyword announces (an unknown keyword, an example): it is one from then on.
    private SchemaNode? Follow(SchemaResource resource, string pointer)
    {
        var steps = SchemaPointer.Steps(pointer);
        if (steps is null)
            return null;
        var document = resource.Document;
        var at = resource.DocumentPointer;
        var element = document.Nodes[at].Source;
        var nearest = resource;
        foreach (var step in steps)
        {
            if (!SchemaPointer.TryStep(element, step, out element))
                return null;
            at = SchemaPointer.Append(at, step);
            if (document.Nodes.TryGetValue(at, out var passed))
                nearest = passed.Resource;
        }
        return document.Nodes.TryGetValue(at, out var node) ? node : Index(element, nearest, at);
    }

    // Building

    private void Enqueue(SchemaNode node)
    {
        if (node.IsQueued)
            return;
        node.IsQueued = true;
        unbuilt.Enqueue(node);
    }

    private void Drain()
    {
        while (unbuilt.TryDequeue(out var node))
        {
            if (node.Source.ValueKind == JsonValueKind.Object)
                new NodeBuilder(this, node).Build();
            else
                node.CompleteBoolean(node.Source.ValueKind == JsonValueKind.True);
        }
    }

    /// <summary>
    /// A schema that comes back to itself without moving into the instance would never end (Core 9.4.1). Dynamic
    /// references can do so too, and are stopped by <see cref="SchemaLimits.Depth"/> when it happens.
    /// </summary>
    private static void RefuseCycles(SchemaNode root)
    {
        var state = new Dictionary<SchemaNode, bool>(ReferenceEqualityComparer.Instance);
        var open = new Stack<(SchemaNode Node, IEnumerator<SchemaNode> Next)>();
        foreach (var start in root.Resource.Document.Nodes.Values)
        {
            Enter(start);
            while (open.TryPeek(out var top))
            {
                if (top.Next.MoveNext())
                {
                    if (state.TryGetValue(top.Next.Current, out var isDone))
                    {
                        if (!isDone)
                        {
                            throw Fault(
                                top.Node.Resource,
                                top.Node.DocumentPointer,
                                "The schema refers back to itself for the same value, without end."
                            );
                        }
                        continue;
                    }
                    Enter(top.Next.Current);
                    continue;
                }
                state[top.Node] = true;
                top.Next.Dispose();
                open.Pop();
            }
        }

        void Enter(SchemaNode node)
        {
            if (state.TryAdd(node, false))
                open.Push((node, node.Rules.SelectMany(rule => rule.InPlace).GetEnumerator()));
        }
    }

    private static SchemaCompileException Fault(SchemaResource resource, string documentPointer, string reason) =>
        new($"{resource.Uri}#{documentPointer[resource.DocumentPointer.Length..]}", reason);

    private static string TextOf(JsonElement text) => JsonText.ToText(JsonEquality.Raw(text));

    private static bool TryText(JsonElement schema, string keyword, out string text)
    {
        var found = schema.TryGetProperty(keyword, out var value) && value.ValueKind == JsonValueKind.String;
        text = found ? TextOf(value) : "";
        return found;
    }

    /// <summary>Reads the keywords of one schema object into rules.</summary>
    private sealed class NodeBuilder(SchemaCompiler compiler, SchemaNode node)
    {
        private readonly JsonElement schema = node.Source;
        private readonly Dialect dialect = node.Resource.Dialect;
        private readonly List<Rule> rules = [];

        public void Build()
        {
            if (dialect.Has(Vocabularies.Validation))
            {
                AddValues();
                AddNumber();
            }
            AddString();
            AddObject();
            AddArray();
            AddReferences();
            if (dialect.Has(Vocabularies.Applicator))
                AddCombinations();

            Child? restProperties = null;
            Child? restItems = null;
            if (dialect.Has(Vocabularies.Unevaluated))
            {
                restProperties = ChildAt("unevaluatedProperties");
                restItems = ChildAt("unevaluatedItems");
                if (restProperties is not null)
                    rules.Add(new UnevaluatedPropertiesRule(restProperties));
                if (restItems is not null)
                    rules.Add(new UnevaluatedItemsRule(restItems));
            }
            node.Complete(
                dialect.Has(Vocabularies.Validation) ? Types() : JsonTypes.None,
                rules,
                restProperties is not null,
                restItems is not null
            );
        }

        private JsonTypes Types()
        {
            if (!schema.TryGetProperty("type", out var value))
                return JsonTypes.None;
            if (value.ValueKind == JsonValueKind.String)
                return TypeOf(value);
            var types = JsonTypes.None;
            if (value.ValueKind == JsonValueKind.Array)
            {
                foreach (var item in value.EnumerateArray())
                    types |= TypeOf(item);
            }
            return types;
        }

        private JsonTypes TypeOf(JsonElement name) =>
            (name.ValueKind == JsonValueKind.String ? TextOf(name) : "") switch
            {
                "null" => JsonTypes.Null,
                "boolean" => JsonTypes.Boolean,
                "object" => JsonTypes.Object,
                "array" => JsonTypes.Array,
                "number" => JsonTypes.Number,
                "integer" => JsonTypes.Integer,
                "string" => JsonTypes.String,
                _ => throw Wrong("type", "names no type"),
            };

        private void AddValues()
        {
            if (schema.TryGetProperty("const", out var only))
                rules.Add(new EnumRule(node, "const", [only]));
            if (schema.TryGetProperty("enum", out var values) && values.ValueKind == JsonValueKind.Array)
                rules.Add(new EnumRule(node, "enum", values.EnumerateArray()));
        }

        private void AddNumber()
        {
            var rule = new NumberRule(node)
            {
                MultipleOf = Bound("multipleOf", "Must be a multiple of"),
                Minimum = Bound("minimum", "Must be at least"),
                ExclusiveMinimum = Bound("exclusiveMinimum", "Must be more than"),
                Maximum = Bound("maximum", "Must be at most"),
                ExclusiveMaximum = Bound("exclusiveMaximum", "Must be less than"),
            };
            if (rule.MultipleOf is { Value.IsPositive: false })
                throw Wrong("multipleOf", "is not above zero");
            if (
                rule.MultipleOf is not null
                || rule.Minimum is not null
                || rule.ExclusiveMinimum is not null
                || rule.Maximum is not null
                || rule.ExclusiveMaximum is not null
            )
                rules.Add(rule);
        }

        private NumberRule.Bound? Bound(string keyword, string says)
        {
            if (!schema.TryGetProperty(keyword, out var value))
                return null;
            if (value.ValueKind != JsonValueKind.Number)
                throw Wrong(keyword, "is not a number");
            var number = ExactNumber.Parse(JsonMarshal.GetRawUtf8Value(value));
            if (number.Precision > SchemaLimits.SchemaNumberDigits)
                throw Wrong(keyword, "has too many digits");
            return new NumberRule.Bound(number, $"{says} {Messages.Show(value.GetRawText())}.");
        }

        private void AddString()
        {
            var validates = dialect.Has(Vocabularies.Validation);
            var asserts =
                dialect.Has(Vocabularies.FormatAssertion)
                || (compiler.options.AssertFormat && dialect.Has(Vocabularies.FormatAnnotation));
            var name = asserts && TryText(schema, "format", out var format) ? format : null;
            var rule = new StringRule(node)
            {
                MinLength = validates ? Count("minLength", 0) : 0,
                MaxLength = validates ? Count("maxLength", long.MaxValue) : long.MaxValue,
                Pattern =
                    validates && TryText(schema, "pattern", out var pattern) ? PatternOf(pattern, "pattern") : null,
                FormatName = name,
                Format = name is null ? null : Formats.Find(name),
            };
            if (
                rule.MinLength > 0
                || rule.MaxLength < long.MaxValue
                || rule.Pattern is not null
                || rule.Format is not null
            )
                rules.Add(rule);
        }

        private void AddObject()
        {
            var names = new List<string>();
            var places = new Dictionary<string, int>(StringComparer.Ordinal);
            var properties = new Dictionary<int, Child>();
            var required = new List<ObjectRule.Required>();
            var dependencies = new List<ObjectRule.Dependency>();
            var patternChildren = new List<ObjectRule.PatternChild>();
            Child? additional = null;
            Child? propertyNames = null;
            if (dialect.Has(Vocabularies.Applicator))
            {
                foreach (var (name, child) in ChildrenIn("properties"))
                    properties[PlaceOf(name)] = child;
                foreach (var (name, child) in ChildrenIn("patternProperties"))
                    patternChildren.Add(new ObjectRule.PatternChild(PatternOf(name, "patternProperties"), child));
                additional = ChildAt("additionalProperties");
                propertyNames = ChildAt("propertyNames");
                foreach (var (name, child) in ChildrenIn("dependentSchemas"))
                    dependencies.Add(new ObjectRule.Dependency(PlaceOf(name), "dependentSchemas", [], child));
                foreach (var (name, child) in ChildrenIn("dependencies"))
                    dependencies.Add(new ObjectRule.Dependency(PlaceOf(name), "dependencies", [], child));
                AddRequiredBy("dependencies");
            }
            if (dialect.Has(Vocabularies.Validation))
            {
                if (schema.TryGetProperty("required", out var listed))
                    required.AddRange(RequiredNames(listed, "."));
                AddRequiredBy("dependentRequired");
            }
            var rule = new ObjectRule(
                node,
                names,
                [.. names.Select((_, place) => properties.GetValueOrDefault(place))],
                [.. required],
                [.. dependencies]
            )
            {
                Patterns = [.. patternChildren],
                Additional = additional,
                PropertyNames = propertyNames,
                MinProperties = dialect.Has(Vocabularies.Validation) ? Count("minProperties", 0) : 0,
                MaxProperties = dialect.Has(Vocabularies.Validation)
                    ? Count("maxProperties", long.MaxValue)
                    : long.MaxValue,
            };
            if (
                names.Count > 0
                || patternChildren.Count > 0
                || additional is not null
                || propertyNames is not null
                || rule.MinProperties > 0
                || rule.MaxProperties < long.MaxValue
            )
                rules.Add(rule);

            int PlaceOf(string name)
            {
                if (!places.TryGetValue(name, out var place))
                {
                    place = names.Count;
                    places[name] = place;
                    names.Add(name);
                }
                return place;
            }

            IEnumerable<ObjectRule.Required> RequiredNames(JsonElement list, string suffix) =>
                list.ValueKind != JsonValueKind.Array
                    ? []
                    : list.EnumerateArray()
                        .Where(name => name.ValueKind == JsonValueKind.String)
                        .Select(TextOf)
                        .Select(name => new ObjectRule.Required(
                            PlaceOf(name),
                            $"The property {Messages.Show(name)} is required{suffix}"
                        ));

            void AddRequiredBy(string keyword)
            {
                if (!schema.TryGetProperty(keyword, out var map) || map.ValueKind != JsonValueKind.Object)
                    return;
                foreach (var entry in map.EnumerateObject())
                {
                    var wanted = RequiredNames(entry.Value, $" when {Messages.Show(entry.Name)} is present.");
                    if (entry.Value.ValueKind == JsonValueKind.Array)
                        dependencies.Add(new ObjectRule.Dependency(PlaceOf(entry.Name), keyword, [.. wanted], null));
                }
            }
        }

        private void AddArray()
        {
            var applies = dialect.Has(Vocabularies.Applicator);
            var validates = dialect.Has(Vocabularies.Validation);
            var (prefix, items) = applies ? Items() : ([], null);
            var rule = new ArrayRule(node)
            {
                Prefix = prefix,
                Items = items,
                Contains = applies ? ChildAt("contains") : null,
                ContainsEvaluates = !dialect.IsDraft2019,
                MinContains = validates ? Count("minContains", 1) : 1,
                MaxContains = validates ? Count("maxContains", long.MaxValue) : long.MaxValue,
                MinItems = validates ? Count("minItems", 0) : 0,
                MaxItems = validates ? Count("maxItems", long.MaxValue) : long.MaxValue,
                IsUnique =
                    validates
                    && schema.TryGetProperty("uniqueItems", out var unique)
                    && unique.ValueKind == JsonValueKind.True,
            };
            if (
                prefix.Length > 0
                || items is not null
                || rule.Contains is not null
                || rule.MinItems > 0
                || rule.MaxItems < long.MaxValue
                || rule.IsUnique
            )
                rules.Add(rule);
        }

        private (Child[] Prefix, Child? Items) Items()
        {
            if (!dialect.IsDraft2019)
                return (ChildList("prefixItems"), ChildAt("items"));
            return schema.TryGetProperty("items", out var items) && items.ValueKind == JsonValueKind.Array
                ? (ChildList("items"), ChildAt("additionalItems"))
                : ([], ChildAt("items"));
        }

        private void AddReferences()
        {
            if (TryText(schema, "$ref", out var reference))
                rules.Add(new RefRule(new Child(Reach(compiler.Resolve(node, reference, out _)), "/$ref")));
            if (dialect.IsDraft2019)
            {
                if (!TryText(schema, "$recursiveRef", out var recursive))
                    return;
                var root = Reach(compiler.Resolve(node, recursive, out _));
                AddDynamic("$recursiveRef", Keywords.RecursiveAnchor, root);
            }
            else if (TryText(schema, "$dynamicRef", out var dynamic))
            {
                var initial = Reach(compiler.Resolve(node, dynamic, out var anchor));
                AddDynamic("$dynamicRef", anchor, initial);
            }
        }

        private void AddDynamic(string keyword, string? anchor, SchemaNode initial)
        {
            var isDynamic =
                anchor is not null
                && initial.Resource.DynamicAnchors.TryGetValue(anchor, out var anchored)
                && ReferenceEquals(anchored, initial);
            rules.Add(
                isDynamic
                    ? new DynamicRefRule(keyword, anchor!, initial)
                    : new RefRule(new Child(initial, "/" + keyword))
            );
        }

        private void AddCombinations()
        {
            if (ChildList("allOf") is { Length: > 0 } all)
                rules.Add(new AllOfRule(all));
            if (ChildList("anyOf") is { Length: > 0 } any)
                rules.Add(new ChoiceRule(node, any, exactlyOne: false));
            if (ChildList("oneOf") is { Length: > 0 } one)
                rules.Add(new ChoiceRule(node, one, exactlyOne: true));
            if (ChildAt("not") is { } negated)
                rules.Add(new NotRule(node, negated));
            if (ChildAt("if") is { } condition)
                rules.Add(new ConditionalRule(condition, ChildAt("then"), ChildAt("else")));
        }

        private Child? ChildAt(string keyword) =>
            schema.TryGetProperty(keyword, out var value)
            && value.ValueKind is JsonValueKind.Object or JsonValueKind.True or JsonValueKind.False
                ? MakeChild("/" + keyword)
                : null;

        private Child[] ChildList(string keyword)
        {
            if (!schema.TryGetProperty(keyword, out var list) || list.ValueKind != JsonValueKind.Array)
                return [];
            var children = new Child[list.GetArrayLength()];
            for (var i = 0; i < children.Length; i++)
                children[i] = MakeChild(SchemaPointer.Append("/" + keyword, i));
            return children;
        }

        private IEnumerable<(string Name, Child Child)> ChildrenIn(string keyword)
        {
            if (!schema.TryGetProperty(keyword, out var map) || map.ValueKind != JsonValueKind.Object)
                yield break;
            foreach (var entry in map.EnumerateObject())
            {
                if (entry.Value.ValueKind != JsonValueKind.Array)
                    yield return (entry.Name, MakeChild(SchemaPointer.Append("/" + keyword, entry.Name)));
            }
        }

        private Child MakeChild(string path) =>
            new(Reach(node.Resource.Document.Nodes[node.DocumentPointer + path]), path);

        private SchemaNode Reach(SchemaNode target)
        {
            compiler.Enqueue(target);
            return target;
        }

        private Pattern PatternOf(string source, string keyword)
        {
            if (compiler.patterns.TryGetValue(source, out var known))
                return known;
            try
            {
                return compiler.patterns[source] = Pattern.Compile(source);
            }
            catch (PatternException fault)
            {
                throw Wrong(keyword, $"is no pattern: {fault.Message}");
            }
        }

        private long Count(string keyword, long absent)
        {
            if (!schema.TryGetProperty(keyword, out var value))
                return absent;
            var count =
                value.ValueKind == JsonValueKind.Number
                    ? ExactNumber.Parse(JsonMarshal.GetRawUtf8Value(value)).ToCount()
                    : null;
            return count ?? throw Wrong(keyword, "is not a count");
        }

        private SchemaCompileException Wrong(string keyword, string what) =>
            Fault(
                node.Resource,
                SchemaPointer.Append(node.DocumentPointer, keyword),
                $"The value of {keyword} {what}."
            );
    }
}
