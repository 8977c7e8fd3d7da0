using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Platen.Kernel;
using Platen.Kernel.Json;
using Platen.Kernel.Schemas;

namespace Platen.Widgets.Packages;

/// <summary>A widget package that cannot be used: which file, and why.</summary>
public sealed class WidgetPackageException(string file, string reason) : Exception($"{file}: {reason}")
{
    public string File { get; } = file;
}

/// <summary>What the forms of a type's pages may do. A page without forms is not allowed any.</summary>
internal enum PageForms
{
    /// <summary>There are none.</summary>
    None,

    /// <summary>They close a <c>dialog</c> and send nothing.</summary>
    Dialog,

    /// <summary>They post to the server that the page came from.</summary>
    Post,
}

/// <summary>
/// A widget type as <c>widgets/README.md</c> defines it: schema, template, styles and manifest, read once from a folder, checked
/// and compiled. Immutable and thread-safe.
/// </summary>
public sealed partial class WidgetPackage
{
    private static readonly FrozenSet<string> Members = FrozenSet.Create(
        StringComparer.Ordinal,
        "formatVersion",
        "widgetType",
        "title",
        "description",
        "version",
        "schema",
        "template",
        "styles",
        "shared",
        "forms",
        "meta",
        "cssVariables",
        "budgets"
    );

    private WidgetPackage(JsonElement manifest, string folder, string tokens)
    {
        var files = new SortedDictionary<string, string>(StringComparer.Ordinal);
        string File(string name) => files[$"{Path.GetFileName(folder)}/{name}"] = ReadFile(folder, name);
        Type = WidgetType.TryParse(Text(manifest, "widgetType"), out var type)
            ? type
            : throw Bad("'widgetType' is not a widget type.");
        if (Type.Value != Path.GetFileName(folder))
            throw Bad($"'widgetType' is '{Type}', but the folder is '{Path.GetFileName(folder)}'.");
        Title = Text(manifest, "title", 80);
        Description = Text(manifest, "description", 300);
        Version = Text(manifest, "version", 100);

        var schemaFile = Text(manifest, "schema");
        var schemaBytes = Encoding.UTF8.GetBytes(File(schemaFile));
        SchemaBytes = schemaBytes;
        Schema = CompileSchema(schemaBytes, schemaFile);

        var templateFile = Text(manifest, "template");
        var template = File(templateFile);
        Template = WidgetTemplate.Compile(template, templateFile);
        Forms = ReadForms(manifest);
        if (Forms == PageForms.None && template.Contains("<form", StringComparison.OrdinalIgnoreCase))
            throw new WidgetPackageException(templateFile, "A form needs 'forms' in widget.json.");

        var styles = FileNames(Required(manifest, "styles"), "styles", 8);
        if (styles.Count == 0)
            throw Bad("'styles' lists 1 to 8 files.");
        var shared = manifest.TryGetProperty("shared", out var sheets) ? FileNames(sheets, "shared", 4) : [];
        var above = Path.GetDirectoryName(Path.GetFullPath(folder))!;
        Styles =
            tokens
            + string.Concat(shared.Select(name => files[name] = CheckStyles(ReadFile(above, name), name)))
            + string.Concat(styles.Select(name => CheckStyles(File(name), name)));
        (TitleAt, DescriptionAt) = ReadMeta(manifest);

        CssVariables = manifest.TryGetProperty("cssVariables", out var variables) ? ReadCssVariables(variables) : [];
        GzipBudgetBytes = Required(manifest, "budgets").TryGetProperty("gzipBytes", out var budget)
            ? budget.TryGetInt32(out var bytes)
                ? bytes
                : throw Bad("'gzipBytes' is a whole number.")
            : throw Bad("'budgets' has no 'gzipBytes'.");

        var content = string.Join('\n', [manifest.GetRawText(), File(schemaFile), File(templateFile), Styles]);
        Digest = Digest.Of(Encoding.UTF8.GetBytes(content));
        files[$"{Type}/widget.json"] = manifest.GetRawText();
        if (tokens.Length > 0)
            files["tokens.css"] = tokens;
        Files = files.ToImmutableSortedDictionary(StringComparer.Ordinal);
    }

    public WidgetType Type { get; }

    public string Title { get; }

    public string Description { get; }

    /// <summary>The package's own version, SemVer.</summary>
    public string Version { get; }

    /// <summary>Of everything in the package that shapes a page.</summary>
    public Digest Digest { get; }

    /// <summary>What a config must be.</summary>
    public JsonSchema Schema { get; }

    /// <summary>The schema as it stands in the package.</summary>
    public ReadOnlyMemory<byte> SchemaBytes { get; }

    internal WidgetTemplate Template { get; }

    /// <summary>
    /// Every file it was read from, by its path below the widgets folder; a folder with these files is the same package.
    /// </summary>
    internal ImmutableSortedDictionary<string, string> Files { get; }

    /// <summary>The shared tokens followed by the package's styles, as they go into a page.</summary>
    internal string Styles { get; }

    /// <summary>What the forms of a page may do.</summary>
    internal PageForms Forms { get; }

    /// <summary>Where in the config the page's title is; null means that <see cref="Title"/> is the title.</summary>
    internal JsonPointer? TitleAt { get; }

    /// <summary>Where in the config the page's description is; null when it has none.</summary>
    internal JsonPointer? DescriptionAt { get; }

    /// <summary>CSS custom properties and where in the config their values are.</summary>
    internal ImmutableArray<(string Name, JsonPointer Pointer)> CssVariables { get; }

    /// <summary>What a whole page may measure with gzip -9, in bytes.</summary>
    internal int GzipBudgetBytes { get; }

    /// <summary>Reads a package.</summary>
    /// <param name="folder">Holds <c>widget.json</c>.</param>
    /// <param name="tokens">The shared token sheet.</param>
    /// <exception cref="WidgetPackageException">A file is missing, too large, or breaks a rule.</exception>
    public static WidgetPackage Load(string folder, string tokens)
    {
        JsonDocument manifest;
        try
        {
            manifest = JsonDocument.Parse(
                ReadFile(folder, "widget.json"),
                new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = Limits.JsonDepth }
            );
        }
        catch (JsonException e)
        {
            throw new WidgetPackageException(Path.Combine(folder, "widget.json"), e.Message);
        }
        using (manifest)
        {
            var root = manifest.RootElement;
            if (root.ValueKind != JsonValueKind.Object)
                throw Bad("The manifest is not an object.");
            foreach (var member in root.EnumerateObject())
            {
                if (!Members.Contains(member.Name))
                    throw Bad($"'{member.Name}' is not a member of a package manifest.");
            }
            if (!root.TryGetProperty("formatVersion", out var format) || !format.TryGetInt32(out var n) || n != 1)
                throw Bad("'formatVersion' must be 1.");
            try
            {
                return new WidgetPackage(root, folder, tokens);
            }
            catch (InvalidOperationException e)
            {
                throw new WidgetPackageException(Path.Combine(folder, "widget.json"), e.Message);
            }
        }
    }

    /// <summary>The shared token sheet beside the packages; empty when there is none.</summary>
    public static string LoadTokens(string widgetsFolder) =>
        System.IO.File.Exists(Path.Combine(widgetsFolder, "tokens.css"))
            ? CheckStyles(ReadFile(widgetsFolder, "tokens.css"), "tokens.css")
            : "";

    private static List<string> FileNames(JsonElement list, string member, int most)
    {
        var names = list.EnumerateArray().Select(s => s.GetString() ?? "").ToList();
        return names.Count <= most ? names : throw Bad($"'{member}' lists at most {most} files.");
    }

    private static PageForms ReadForms(JsonElement manifest)
    {
        if (!manifest.TryGetProperty("forms", out var forms))
            return PageForms.None;
        return forms.GetString() switch
        {
            "dialog" => PageForms.Dialog,
            "post" => PageForms.Post,
            _ => throw Bad("'forms' is 'dialog' or 'post'."),
        };
    }

    private static (JsonPointer? Title, JsonPointer? Description) ReadMeta(JsonElement manifest)
    {
        if (!manifest.TryGetProperty("meta", out var meta))
            return (null, null);
        JsonPointer? title = null;
        JsonPointer? description = null;
        foreach (var member in meta.EnumerateObject())
        {
            if (!JsonPointer.TryParse(member.Value.GetString(), out var pointer))
                throw Bad($"The value of '{member.Name}' in 'meta' is not a JSON Pointer.");
            if (member.Name == "title")
                title = pointer;
            else if (member.Name == "description")
                description = pointer;
            else
                throw Bad($"'{member.Name}' is not a member of 'meta'.");
        }
        return (title, description);
    }

    private static JsonSchema CompileSchema(byte[] utf8, string file)
    {
        try
        {
            return JsonSchema.Compile(utf8);
        }
        catch (SchemaCompileException e)
        {
            throw new WidgetPackageException(file, e.Message);
        }
    }

    private static ImmutableArray<(string, JsonPointer)> ReadCssVariables(JsonElement members)
    {
        var variables = ImmutableArray.CreateBuilder<(string, JsonPointer)>();
        foreach (var member in members.EnumerateObject())
        {
            if (!CssVariableName().IsMatch(member.Name))
                throw Bad($"'{member.Name}' is not the name of a CSS custom property.");
            if (!JsonPointer.TryParse(member.Value.GetString(), out var pointer))
                throw Bad($"The value of '{member.Name}' is not a JSON Pointer.");
            variables.Add((member.Name, pointer));
        }
        return variables.Count <= 16 ? variables.ToImmutable() : throw Bad("'cssVariables' has more than 16 members.");
    }

    private static string CheckStyles(string css, string file)
    {
        var plain = CssComments().Replace(css, "").Trim() + "\n";
        foreach (var refused in (ReadOnlySpan<string>)["@import", "url(", "</"])
        {
            if (plain.Contains(refused, StringComparison.OrdinalIgnoreCase))
                throw new WidgetPackageException(file, $"'{refused}' is not allowed: a page fetches nothing.");
        }
        return plain;
    }

    private static string ReadFile(string folder, string name)
    {
        if (!FileName().IsMatch(name))
            throw Bad($"'{name}' is not the name of a file in the package.");
        var path = Path.Combine(folder, name);
        var info = new FileInfo(path);
        if (!info.Exists)
            throw new WidgetPackageException(path, "The file is missing.");
        if (info.Length > WidgetsLimits.PackageFileBytes)
            throw new WidgetPackageException(path, $"The file is larger than {WidgetsLimits.PackageFileBytes} bytes.");
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true)
                .GetString(System.IO.File.ReadAllBytes(path))
                // As a browser reads them, so that the hash of the style is the one it computes.
                .ReplaceLineEndings("\n");
        }
        catch (DecoderFallbackException)
        {
            throw new WidgetPackageException(path, "The file is not valid UTF-8.");
        }
    }

    private static JsonElement Required(JsonElement manifest, string name) =>
        manifest.TryGetProperty(name, out var value) ? value : throw Bad($"'{name}' is missing.");

    private static string Text(JsonElement manifest, string name, int maxLength = 200) =>
        Required(manifest, name) is { ValueKind: JsonValueKind.String } value
        && value.GetString() is { Length: > 0 } text
        && text.Length <= maxLength
            ? text
            : throw Bad($"'{name}' is a text of 1 to {maxLength} characters.");

    private static WidgetPackageException Bad(string reason) => new("widget.json", reason);

    [GeneratedRegex("^[a-z0-9][a-z0-9.-]*$", RegexOptions.NonBacktracking)]
    private static partial Regex FileName();

    [GeneratedRegex("^--[a-z][a-z0-9-]*$", RegexOptions.NonBacktracking)]
    private static partial Regex CssVariableName();

    [GeneratedRegex(@"/\*.*?\*/", RegexOptions.Singleline | RegexOptions.NonBacktracking)]
    private static partial Regex CssComments();
}
