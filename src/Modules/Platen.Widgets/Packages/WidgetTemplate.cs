using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Text.Unicode;
using HandlebarsDotNet;

namespace Platen.Widgets.Packages;

/// <summary>
/// A package's markup. What a template may use is checked when it is compiled, so that rendering has one way for a value to
/// reach the page: escaped. Thread-safe.
/// </summary>
internal sealed partial class WidgetTemplate
{
    private static readonly IHandlebars Engine = CreateEngine();

    private static readonly JsonSerializerOptions ScriptSafeJson = new()
    {
        // Escapes < > & and the line separators wherever they stand; other letters stay as they are.
        Encoder = JavaScriptEncoder.Create(UnicodeRanges.All),
    };

    /// <summary>The one script element a template may have: data, which a browser does not run.</summary>
    private const string DataScript = """<script type="application/ld+json">""";

    private readonly HandlebarsTemplate<TextWriter, object, object> render;

    private WidgetTemplate(HandlebarsTemplate<TextWriter, object, object> render) => this.render = render;

    /// <summary>Checks and compiles.</summary>
    /// <exception cref="WidgetPackageException">The template uses what a template may not, or is not well-formed.</exception>
    public static WidgetTemplate Compile(string source, string file)
    {
        Refuse(source, file);
        TemplateContexts.Check(source, file);
        try
        {
            using var reader = new StringReader(source);
            return new WidgetTemplate(Engine.Compile(reader));
        }
        catch (HandlebarsException e)
        {
            throw new WidgetPackageException(file, e.Message);
        }
    }

    /// <summary>The markup of a page.</summary>
    /// <param name="config">Dictionaries, lists, texts, numbers and truth values.</param>
    /// <param name="page">What the template knows of its page, as <c>@publicId</c> and <c>@locale</c>.</param>
    public string Render(object config, IReadOnlyDictionary<string, object> page)
    {
        using var writer = new StringWriter();
        render(writer, config, page);
        return writer.ToString();
    }

    private static void Refuse(string source, string file)
    {
        foreach (Match match in Expression().Matches(source))
        {
            var inner = match.Groups["inner"].Value.Trim();
            if (inner.StartsWith('!'))
                continue;
            if (inner.StartsWith('~') || inner.EndsWith('~') || match.Value.StartsWith("{{~", StringComparison.Ordinal))
                throw new WidgetPackageException(file, $"'{match.Value}': white space control is not allowed.");
            if (match.Value.StartsWith("{{{", StringComparison.Ordinal) || inner.StartsWith('&'))
                throw new WidgetPackageException(file, $"'{match.Value}' writes without escaping.");
            if (inner.StartsWith('>') || inner.StartsWith('*'))
                throw new WidgetPackageException(file, $"'{match.Value}': partials and decorators are not allowed.");
            if (inner.StartsWith('#') && !BlockHelper().IsMatch(inner))
                throw new WidgetPackageException(file, $"'{match.Value}' is not one of #each, #if and #eq.");
        }
        foreach (Match match in SuspectMarkup().Matches(source))
        {
            if (!string.Equals(match.Value, DataScript, StringComparison.Ordinal))
                throw new WidgetPackageException(file, $"'{match.Value}' is not allowed in markup.");
        }
    }

    private static IHandlebars CreateEngine()
    {
        var engine = Handlebars.Create(
            // Escapes & < > " ' ` and =, which is what could end a text or an attribute value, and no other letter.
            new HandlebarsConfiguration { TextEncoder = new HandlebarsDotNet.HtmlEncoder() }
        );
        engine.RegisterHelper(
            "eq",
            (output, options, context, arguments) =>
            {
                if (Equals(Plain(arguments[0]), Plain(arguments[1])))
                    options.Template(output, context);
                else
                    options.Inverse(output, context);
            }
        );
        engine.RegisterHelper("url", (output, _, arguments) => output.Write(SafeUrl(arguments[0] as string)));
        engine.RegisterHelper(
            "json",
            (output, _, arguments) =>
                output.WriteSafeString(JsonSerializer.Serialize(Plain(arguments[0]), ScriptSafeJson))
        );
        return engine;
    }

    private static object? Plain(object? value) => value is UndefinedBindingResult ? null : value;

    /// <summary>The address when it leads nowhere surprising, else an empty text. The engine escapes it.</summary>
    private static string SafeUrl(string? value)
    {
        if (string.IsNullOrEmpty(value) || value.AsSpan().ContainsAnyInRange('\0', '\u0020'))
            return "";
        if (value[0] == '#' || (value[0] == '/' && !(value.Length > 1 && value[1] is '/' or '\\')))
            return value;
        return AllowedScheme().IsMatch(value) ? value : "";
    }

    [GeneratedRegex(@"\{\{\{?(?<inner>[^}]*)\}\}", RegexOptions.NonBacktracking)]
    private static partial Regex Expression();

    [GeneratedRegex(@"^#(each|if|eq)\s", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex BlockHelper();

    [GeneratedRegex(
        @"<style|<link|<script[^>]*>?|\sstyle\s*=|\son[a-z]+\s*=",
        RegexOptions.NonBacktracking | RegexOptions.IgnoreCase
    )]
    private static partial Regex SuspectMarkup();

    [GeneratedRegex(
        "^(https?|mailto):",
        RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture | RegexOptions.IgnoreCase
    )]
    private static partial Regex AllowedScheme();
}
