using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Platen.Kernel;

namespace Platen.Submissions;

/// <summary>How the answer to a field is checked.</summary>
internal enum FieldKind
{
    Text,
    Email,
    Url,
    Area,
    Choice,
    Box,
}

/// <summary>One field of a form.</summary>
/// <param name="Key">The name its answer has.</param>
/// <param name="Kind">How it is checked.</param>
/// <param name="Required">Whether it may stay empty.</param>
/// <param name="MaxLength">UTF-16 code units, as browsers count.</param>
/// <param name="Options">What can be chosen; empty for other kinds.</param>
internal sealed record FormField(
    string Key,
    FieldKind Kind,
    bool Required,
    int MaxLength,
    ImmutableHashSet<string> Options
);

/// <summary>
/// The form of a published release, as its config describes it. The browser checks what it can, and this checks everything again. Immutable.
/// </summary>
internal sealed partial class Form
{
    /// <summary>Filled in by programs only.</summary>
    public const string Trap = "website_url";

    /// <summary>
    /// When the page was opened, if a script said so: a time, or <c>+</c> and for how many milliseconds, which no clock has to be right for.
    /// </summary>
    public const string StartedAt = "started_at";

    /// <summary>The language of the page.</summary>
    public const string PageLocale = "page_locale";

    private readonly Dictionary<string, FormField> byKey;

    private Form(IReadOnlyList<FormField> fields)
    {
        Fields = fields;
        byKey = new Dictionary<string, FormField>(StringComparer.Ordinal);
        // Of two alike the first counts.
        foreach (var field in fields)
            byKey.TryAdd(field.Key, field);
    }

    public IReadOnlyList<FormField> Fields { get; }

    /// <summary>Reads the form of a config, which its type's schema has found valid; null when the type has no form.</summary>
    public static Form? Of(string widgetType, JsonElement config) =>
        widgetType switch
        {
            "forms.contact" => new Form([.. config.GetProperty("fields").EnumerateArray().Select(ReadField)]),
            "engagement.newsletter" => new Form([
                new FormField("email", FieldKind.Email, Required: true, SubmissionsLimits.EmailLength, []),
                new FormField("consent", FieldKind.Box, Required: true, 3, []),
                .. config.TryGetProperty("nameLabel", out _)
                    ? [new FormField("name", FieldKind.Text, Required: false, 200, [])]
                    : Array.Empty<FormField>(),
            ]),
            _ => null,
        };

    /// <summary>The answers as they are kept: without the page's own names, without what is empty, in the form's order.</summary>
    /// <param name="given">What was sent.</param>
    /// <param name="dropUnknown">Whether names that the form does not have are left out (a page that was kept can be of a former release), or
    /// refused.</param>
    /// <param name="faults">Takes what is wrong, each with the pointer to its field.</param>
    public SortedDictionary<string, string> Check(
        IReadOnlyDictionary<string, string> given,
        bool dropUnknown,
        List<Fault> faults
    )
    {
        var kept = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var field in byKey.Values)
        {
            var value = given.TryGetValue(field.Key, out var sent) ? Normal(sent, field.Kind) : "";
            if (string.IsNullOrWhiteSpace(value))
            {
                if (field.Required)
                    faults.Add(new Fault("/" + field.Key, "The field must be filled in."));
            }
            else if (FaultOf(field, value) is { } fault)
            {
                faults.Add(new Fault("/" + field.Key, fault));
            }
            else
            {
                kept.Add(field.Key, value);
            }
        }
        if (!dropUnknown)
        {
            foreach (var name in given.Keys.Where(name => !byKey.ContainsKey(name) && !IsOfPage(name)))
                faults.Add(new Fault("/" + Escaped(name), "The form has no such field."));
        }
        return kept;
    }

    private static bool IsOfPage(string name) => name is Trap or StartedAt or PageLocale;

    private static FormField ReadField(JsonElement field)
    {
        var key = field.GetProperty("key").GetString()!;
        var required = field.TryGetProperty("required", out var must) && must.ValueKind == JsonValueKind.True;
        var length = field.TryGetProperty("maxLength", out var most) ? most.GetInt32() : (int?)null;
        var options = field.TryGetProperty("options", out var list)
            ? list.EnumerateArray()
                .Select(option => option.GetProperty("value").GetString()!)
                .ToImmutableHashSet(StringComparer.Ordinal)
            : [];
        return field.GetProperty("type").GetString() switch
        {
            "email" => new FormField(
                key,
                FieldKind.Email,
                required,
                Math.Min(length ?? int.MaxValue, SubmissionsLimits.EmailLength),
                options
            ),
            "url" => new FormField(key, FieldKind.Url, required, length ?? SubmissionsLimits.LineLength, options),
            "textarea" => new FormField(key, FieldKind.Area, required, length ?? SubmissionsLimits.AreaLength, options),
            "select" or "choice" => new FormField(
                key,
                FieldKind.Choice,
                required,
                SubmissionsLimits.LineLength,
                options
            ),
            "checkbox" => new FormField(key, FieldKind.Box, required, 3, options),
            _ => new FormField(key, FieldKind.Text, required, length ?? SubmissionsLimits.LineLength, options),
        };
    }

    // A browser sends the lines of a text area with CR LF, and counts them with LF.
    private static string Normal(string value, FieldKind kind) =>
        kind == FieldKind.Area
            ? value
                .Replace("\r\n", "\n", StringComparison.Ordinal)
                .Replace('\r', '\n')
                .Normalize(NormalizationForm.FormC)
                .TrimEnd()
            : value.Normalize(NormalizationForm.FormC).Trim();

    private static string? FaultOf(FormField field, string value)
    {
        if (value.Length > field.MaxLength)
            return string.Create(CultureInfo.InvariantCulture, $"At most {field.MaxLength} characters.");
        var isArea = field.Kind == FieldKind.Area;
        if (value.Any(c => char.IsControl(c) && !(isArea && c is '\n' or '\t')))
            return "No control characters.";
        return field.Kind switch
        {
            FieldKind.Email when !Email().IsMatch(value) => "Must be an e-mail address such as name@example.org.",
            FieldKind.Url when !IsAddress(value) => "Must be an address such as https://example.org/.",
            FieldKind.Choice when !field.Options.Contains(value) => "Must be one of the options.",
            FieldKind.Box when value != "yes" => "A ticked box is 'yes'; one that is not ticked is left out.",
            _ => null,
        };
    }

    // Whoever reads submissions may follow it: nothing but the web.
    private static bool IsAddress(string value) =>
        Uri.TryCreate(value, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https";

    private static string Escaped(string name)
    {
        var shown = name.Length <= 60 ? name : name[..60] + "…";
        return shown.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);
    }

    // As browsers check it: HTML, section 4.10.5.1.5.
    [GeneratedRegex(
        @"^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*\z",
        RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture
    )]
    private static partial Regex Email();
}
