using System.Text.Json;
using System.Text.Json.Nodes;
using Platen.Access;
using Platen.Kernel;
using Platen.Kernel.Json;
using Platen.Platform.Postgres;
using Platen.Widgets.Packages;

namespace Platen.Widgets;

/// <summary>
/// Gives an instance another type. What still fits is kept, member by member; what the new type needs and the old did not have is
/// taken from the new type's baseline; and the answer says what was lost and what was filled in. A translation is kept where its text
/// still stands. A user instance's id names its type, so it gets a new id of the same key, as private as the old one, which stays
/// as it is.
/// </summary>
internal sealed class SwitchType(
    PostgresPools pools,
    WidgetRegistry registry,
    ReadInstances read,
    SaveInstance save,
    SaveOverlay saveOverlay
)
{
    /// <param name="WidgetType">What it becomes.</param>
    /// <param name="DryRun">Say what would become of it, and write nothing.</param>
    public sealed record Body(string WidgetType, bool DryRun = false);

    /// <param name="Config">What it would be, or is.</param>
    /// <param name="Lost">Places of the old config that have none in the new, and of its locales, such as <c>/locales/de/heading</c>.</param>
    /// <param name="Filled">Places that were taken from the new type's baseline.</param>
    /// <param name="Saved">The instance as it is now; null when nothing was written.</param>
    public sealed record Outcome(
        string PublicId,
        string WidgetType,
        JsonElement Config,
        IReadOnlyList<string> Lost,
        IReadOnlyList<string> Filled,
        InstanceView? Saved
    );

    public async Task<Outcome> RunAsync(
        Caller caller,
        PublicId id,
        Body body,
        Precondition precondition,
        CancellationToken ct
    )
    {
        var now = (await read.OneAsync(caller, id, ct)).Instance;
        precondition.Check(now.Tag);
        var package = registry.Find(body.WidgetType);
        if (id is PublicId.Baseline)
            throw KernelProblems.Conflict.Because($"'{id}' is the baseline of its type and stays that.").AsException();
        var target = id is PublicId.User user ? new PublicId.User(package.Type, user.Key) : id;
        var (model, overlays) = await SourcesAsync(caller, id, package, ct);
        var (config, gone, filled) = Fit(package, now.Config, model);
        var locales = overlays.Select(overlay => (overlay.Locale, Fitting: overlay.Fitting(package, config))).ToList();
        List<string> lost =
        [
            .. gone,
            .. locales.SelectMany(l => l.Fitting.Lost.Select(place => $"/locales/{l.Locale}{place}")),
        ];
        if (body.DryRun || now.WidgetType == package.Type.Value)
            return new Outcome(target.ToString(), package.Type.Value, config, lost, filled, null);

        var content = new SaveInstance.Body(
            package.Type.Value,
            config,
            now.Status,
            now.BaseLocale,
            now.AllowedOrigins,
            now.Access
        );
        Precondition seen = target == id ? new Precondition.OneOf([now.Tag]) : new Precondition.Absent();
        var saved = (await save.RunAsync(caller, target, content, seen, ct)).Detail;
        if (target != id)
        {
            foreach (var (locale, (kept, _)) in locales.Where(l => l.Fitting.Kept.Count > 0))
                await saveOverlay.CopyAsync(caller, target, locale, kept, ct);
            if (locales.Count > 0)
                saved = await read.OneAsync(caller, target, ct);
        }
        return new Outcome(
            target.ToString(),
            package.Type.Value,
            saved.Instance.Config,
            lost,
            filled,
            InstanceView.Of(saved)
        );
    }

    /// <summary>The new type's baseline, and what the locales of the instance change.</summary>
    private async Task<(JsonElement? Baseline, List<Overlay> Overlays)> SourcesAsync(
        Caller caller,
        PublicId id,
        WidgetPackage package,
        CancellationToken ct
    )
    {
        await using var session = await pools.OpenAsync(caller.Operation("switch type"), ct);
        var baseline = await Instance.FindAsync(session, new PublicId.Baseline(package.Type), ct);
        return (baseline?.Config, await Overlay.ListAsync(session, id, ct));
    }

    /// <summary>The old config in the new type's shape.</summary>
    internal static (JsonElement Config, IReadOnlyList<string> Lost, IReadOnlyList<string> Filled) Fit(
        WidgetPackage package,
        JsonElement old,
        JsonElement? model
    )
    {
        var fitted = model is { } start ? JsonNode.Parse(start.GetRawText())!.AsObject() : [];
        var lost = new List<string>();
        var kept = new HashSet<string>(StringComparer.Ordinal);
        foreach (var member in old.EnumerateObject())
            Keep(package, fitted, fitted, member, JsonPointer.Root, lost, kept);
        var filled = new List<string>();
        foreach (var name in fitted.Select(m => m.Key).Where(name => !kept.Contains("/" + Escape(name))).ToList())
        {
            // Another's words are not left in it without need.
            var value = fitted[name];
            fitted.Remove(name);
            if (Faults(package, fitted) == 0)
                continue;
            fitted[name] = value;
            filled.Add("/" + Escape(name));
        }
        return (JsonSerializer.SerializeToElement(fitted), lost, filled);
    }

    /// <summary>Puts the member in if it brings no fault; of an object, those of its members that bring none.</summary>
    private static void Keep(
        WidgetPackage package,
        JsonObject whole,
        JsonObject into,
        JsonProperty member,
        JsonPointer at,
        List<string> lost,
        HashSet<string> kept
    )
    {
        var place = at.Append(member.Name);
        var before = into[member.Name]?.DeepClone();
        var had = into.ContainsKey(member.Name);
        var faults = Faults(package, whole);
        into[member.Name] = JsonNode.Parse(member.Value.GetRawText());
        if (Faults(package, whole) <= faults)
        {
            kept.Add(place.ToString());
            return;
        }
        into.Remove(member.Name);
        if (had)
            into[member.Name] = before;
        if (member.Value.ValueKind == JsonValueKind.Object && into[member.Name] is JsonObject inner)
        {
            foreach (var part in member.Value.EnumerateObject())
                Keep(package, whole, inner, part, place, lost, kept);
            kept.Add(place.ToString());
            return;
        }
        lost.Add(place.ToString());
    }

    private static int Faults(WidgetPackage package, JsonObject config) =>
        package.Schema.Validate(JsonSerializer.SerializeToElement(config)).Errors.Count;

    private static string Escape(string name) => JsonPointer.Root.Append(name).ToString()[1..];
}
