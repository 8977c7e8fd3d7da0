using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Platen.Client;
using Platen.Kernel;

namespace Platen.Cli;

/// <summary>
/// A widget instance in a file: <c>{ "publicId", "widgetType", "status"?, "baseLocale"?, "allowedOrigins"?, "config", "locales"?: { tag: ops } }</c>.
/// </summary>
internal sealed class InstanceFile
{
    /// <summary>A file with a config and a dozen overlays of the largest size; more is not such a file.</summary>
    public const int MostBytes = 16 * Limits.JsonBodyBytes;

    private static readonly string[] Statuses = ["published", "unpublished", "deprecated"];
    private static readonly string[] Members =
    [
        "publicId",
        "widgetType",
        "status",
        "baseLocale",
        "allowedOrigins",
        "config",
        "locales",
    ];
    private readonly JsonPlaces places;

    private InstanceFile(string name, PublicId id, InstanceContent content, JsonPlaces places)
    {
        Name = name;
        Id = id;
        Content = content;
        this.places = places;
    }

    /// <summary>The file's name as it was given.</summary>
    public string Name { get; }

    public PublicId Id { get; }

    public InstanceContent Content { get; }

    /// <summary>By locale, in the file's order.</summary>
    public required ImmutableArray<(string Locale, Overlay Overlay)> Overlays { get; init; }

    /// <summary>Where in the file a pointer into its document points: <c>file:line:column (pointer)</c>.</summary>
    public string PlaceOf(string pointer) => $"{places.Of(pointer)} {pointer}".TrimEnd();

    /// <summary>Reads a file strictly: valid UTF-8, no duplicate or unknown members, no comments, bounded size and depth.</summary>
    /// <exception cref="CliException">With every fault, each at its line.</exception>
    public static async Task<InstanceFile> ReadAsync(string path, string name, CancellationToken ct)
    {
        byte[] bytes;
        try
        {
            if (new FileInfo(path).Length > MostBytes)
            {
                throw Unreadable(string.Create(CultureInfo.InvariantCulture, $"Larger than {MostBytes:N0} bytes."), []);
            }
            bytes = await File.ReadAllBytesAsync(path, ct);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unreadable("Cannot be read: " + e.Message, []);
        }
        return Parse(bytes, name);
    }

    /// <summary>Reads a file's bytes.</summary>
    /// <exception cref="CliException">With every fault, each at its line.</exception>
    public static InstanceFile Parse(ReadOnlyMemory<byte> bytes, string name)
    {
        if (bytes.Span.StartsWith(Encoding.UTF8.Preamble))
            bytes = bytes[Encoding.UTF8.Preamble.Length..];
        var read = JsonPlaces.Read(bytes.Span, name);
        using var document = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = Limits.JsonDepth });
        var root = document.RootElement.Clone();

        var faults = new List<InputFault>();
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw Unreadable("Not a widget instance.", [new InputFault(read.Of(""), "an object is expected here")]);
        }
        foreach (var member in root.EnumerateObject())
        {
            if (!Members.Contains(member.Name))
                Fault("/" + JsonPlaces.Escape(member.Name), $"no such member; there are {string.Join(", ", Members)}");
        }

        PublicId? id = null;
        if (Text("publicId", required: true) is { } publicId && !PublicId.TryParse(publicId, out id))
        {
            Fault(
                "/publicId",
                $"'{publicId}' is not a public id: write wgt_main_{{type}}, wgt_curated_{{key}} or wgt_{{type}}_u_{{key}}"
            );
        }
        if (Text("widgetType", required: true) is { } widgetType && !WidgetType.TryParse(widgetType, out _))
            Fault(
                "/widgetType",
                $"'{widgetType}' is not a widget type: write words joined by dots, such as content.faq"
            );
        if (Text("status", required: false) is { } status && !Statuses.Contains(status))
            Fault("/status", $"'{status}' is not a status; there are {string.Join(", ", Statuses)}");
        var baseLocale = Text("baseLocale", required: false);
        if (!root.TryGetProperty("config", out var config))
            Fault("", "the member 'config' is missing");
        else if (config.ValueKind != JsonValueKind.Object)
            Fault("/config", "an object is expected here");
        var origins = ReadOrigins();
        var overlays = ReadOverlays();

        if (faults.Count > 0)
            throw Unreadable("Not a widget instance.", faults);
        return new InstanceFile(
            name,
            id!,
            new InstanceContent(
                root.GetProperty("widgetType").GetString()!,
                Text("status", required: false),
                baseLocale,
                config,
                origins
            ),
            read
        )
        {
            Overlays = overlays,
        };

        void Fault(string pointer, string message) =>
            faults.Add(new InputFault($"{read.Of(pointer)} {pointer}".TrimEnd(), message));

        string? Text(string member, bool required)
        {
            if (!root.TryGetProperty(member, out var value))
            {
                if (required)
                    Fault("", $"the member '{member}' is missing");
                return null;
            }
            if (value.ValueKind == JsonValueKind.String)
                return value.GetString();
            Fault("/" + member, "a text is expected here");
            return null;
        }

        string[]? ReadOrigins()
        {
            if (!root.TryGetProperty("allowedOrigins", out var value))
                return null;
            if (
                value.ValueKind == JsonValueKind.Array
                && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String)
            )
            {
                return [.. value.EnumerateArray().Select(item => item.GetString()!)];
            }
            Fault("/allowedOrigins", "an array of origins is expected here: [ \"https://www.example.org\" ]");
            return null;
        }

        ImmutableArray<(string, Overlay)> ReadOverlays()
        {
            if (!root.TryGetProperty("locales", out var locales))
                return [];
            if (locales.ValueKind != JsonValueKind.Object)
            {
                Fault("/locales", "an object is expected here: { \"de\": [ … ] }");
                return [];
            }
            return [.. locales.EnumerateObject().Select(locale => (locale.Name, new Overlay(ReadOps(locale))))];
        }

        ImmutableArray<OverlayOp> ReadOps(JsonProperty locale)
        {
            var at = "/locales/" + JsonPlaces.Escape(locale.Name);
            if (locale.Value.ValueKind != JsonValueKind.Array)
            {
                Fault(at, "an array of operations is expected here");
                return [];
            }
            var ops = ImmutableArray.CreateBuilder<OverlayOp>();
            foreach (var (index, op) in locale.Value.EnumerateArray().Index())
            {
                var opAt = string.Create(CultureInfo.InvariantCulture, $"{at}/{index}");
                if (ReadOp(op, opAt) is { } parsed)
                    ops.Add(parsed);
            }
            return ops.ToImmutable();
        }

        OverlayOp? ReadOp(JsonElement op, string at)
        {
            const string Shape =
                "write { \"op\": \"set\", \"path\": \"/…\", \"value\": … } or { \"op\": \"remove\", \"path\": \"/…\" }";
            if (op.ValueKind != JsonValueKind.Object)
            {
                Fault(at, Shape);
                return null;
            }
            var verb =
                op.TryGetProperty("op", out var verbValue) && verbValue.ValueKind == JsonValueKind.String
                    ? verbValue.GetString()
                    : null;
            var path =
                op.TryGetProperty("path", out var pathValue) && pathValue.ValueKind == JsonValueKind.String
                    ? pathValue.GetString()
                    : null;
            var hasValue = op.TryGetProperty("value", out var value);
            var unknown = op.EnumerateObject().Any(member => member.Name is not ("op" or "path" or "value" or "base"));
            if (path is null || unknown || !(verb == "set" && hasValue || verb == "remove" && !hasValue))
            {
                Fault(at, Shape);
                return null;
            }
            if (path.Length > 0 && path[0] != '/')
            {
                Fault(at + "/path", $"'{path}' is not a JSON Pointer: it starts with '/'");
                return null;
            }
            return new OverlayOp(
                verb!,
                path,
                hasValue ? value : null,
                op.TryGetProperty("base", out var made) ? made : null
            );
        }
    }

    private static CliException Unreadable(string what, IReadOnlyList<InputFault> faults) =>
        new(ExitCode.Usage, "unreadable-file", what, "Mend the file and run the command again.") { Faults = faults };
}
