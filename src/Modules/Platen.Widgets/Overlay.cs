using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Npgsql;
using Platen.Kernel;
using Platen.Kernel.Json;
using Platen.Platform.Postgres;
using Platen.Widgets.Packages;

namespace Platen.Widgets;

/// <summary>
/// One change a locale makes. <see cref="Base"/> is the text it was made from: when the instance's text is another by now, the
/// change is stale and is not applied, so that no reader gets the translation of a sentence that is gone.
/// </summary>
internal sealed record OverlayOp(string Op, JsonPointer Path, string? Value, string? Base);

/// <summary>What a locale changes of its instance, as stored.</summary>
internal sealed record Overlay(
    string Locale,
    IReadOnlyList<OverlayOp> Ops,
    Digest BaseDigest,
    long Revision,
    DateTimeOffset UpdatedAt,
    string UpdatedBy
)
{
    public string Tag => Precondition.TagOf(Revision);

    public const string Columns = "locale, ops::text, base_digest, revision, updated_at, updated_by_name";

    public static Task<List<Overlay>> ListAsync(Session session, PublicId id, CancellationToken ct) =>
        session.ListAsync(List(session.Context.Owner, id), ct);

    /// <summary>Lists the overlays of an instance by their locale.</summary>
    public static Query<Overlay> List(OwnerId reader, PublicId id) =>
        new(
            $"""
            select {Columns} from widgets.widget_instance_locales where owner = $2 and public_id = $1
            order by locale limit {WidgetsLimits.Locales}
            """,
            Read,
            Sql.Text(id.ToString()),
            Sql.Owner(InstanceHome.Of(id).OwnerFor(reader))
        );

    /// <summary>Lists the locales in which an instance has an overlay.</summary>
    public static Query<string> Locales(Session session, PublicId id) =>
        new(
            "select locale from widgets.widget_instance_locales where owner = $2 and public_id = $1 order by locale",
            row => row.GetString(0),
            Sql.Text(id.ToString()),
            Sql.Owner(InstanceHome.Of(id).OwnerFor(session.Context.Owner))
        );

    public static Task<Overlay?> FindAsync(Session session, PublicId id, string locale, CancellationToken ct) =>
        session.FirstAsync(
            $"""
            select {Columns} from widgets.widget_instance_locales
            where owner = $3 and public_id = $1 and locale = $2
            """,
            Read,
            ct,
            Sql.Text(id.ToString()),
            Sql.Text(locale),
            Sql.Owner(InstanceHome.Of(id).OwnerFor(session.Context.Owner))
        );

    /// <summary>The config in this locale, and the places whose change is stale and was left out.</summary>
    public (JsonElement Config, IReadOnlyList<string> Stale) ApplyTo(JsonElement config)
    {
        var localized = JsonNode.Parse(config.GetRawText())!;
        var stale = new List<string>();
        // Every text first, then the removals from the last place to the first: none moves a place still to be changed.
        var ordered = Ops.OrderBy(o => o.Op == "remove").ThenByDescending(o => o.Path, PlaceOrder.Instance);
        foreach (var op in ordered)
        {
            if (
                op.Path.TryGet(config, out var now)
                && now.ValueKind == JsonValueKind.String
                && now.GetString() == op.Base
            )
                Change(localized, op);
            else
                stale.Add(op.Path.ToString());
        }
        return (JsonSerializer.SerializeToElement(localized), stale);
    }

    /// <summary>
    /// What of it another config can have: each change whose text still stands at its place, may be translated there, and makes the config
    /// no less valid.
    /// </summary>
    /// <param name="package">The type of the other config.</param>
    /// <param name="config">The other config.</param>
    /// <returns>What fits, and the places of what does not.</returns>
    public (List<OverlayOp> Kept, List<string> Lost) Fitting(WidgetPackage package, JsonElement config)
    {
        var translatable = TranslatableStrings.Find(package, config);
        var without = (this with { Ops = [] }).Faults(package, config).Count;
        var kept = Ops.Where(Stands).ToList();
        if (!IsValidWith(kept))
        {
            kept = [];
            foreach (var op in Ops.Where(Stands))
            {
                if (IsValidWith([.. kept, op]))
                    kept.Add(op);
            }
        }
        return (kept, [.. Ops.Except(kept).Select(op => op.Path.ToString())]);

        bool Stands(OverlayOp op) => translatable.TryGetValue(op.Path.ToString(), out var text) && text == op.Base;

        bool IsValidWith(List<OverlayOp> ops) => (this with { Ops = ops }).Faults(package, config).Count <= without;
    }

    /// <summary>What is wrong with the config in this locale: a translation may be too long, a removal too much.</summary>
    public List<Fault> Faults(WidgetPackage package, JsonElement config)
    {
        var faults = new List<Fault>();
        Configs.Check(package, ApplyTo(config).Config, "", faults);
        return faults;
    }

    /// <summary>The stored form of operations.</summary>
    public static byte[] Write(IEnumerable<OverlayOp> ops) =>
        JsonSerializer.SerializeToUtf8Bytes(
            ops.Select(o => new
            {
                op = o.Op,
                path = o.Path.ToString(),
                value = o.Value,
                @base = o.Base,
            })
        );

    private static void Change(JsonNode localized, OverlayOp op)
    {
        var outcome = op.Op == "set" ? op.Path.Set(localized, JsonValue.Create(op.Value)) : op.Path.Remove(localized);
        if (outcome != JsonPointerOutcome.Done)
            throw new InvalidOperationException($"'{op.Path}' was there a moment ago: {outcome}.");
    }

    public static Overlay Read(NpgsqlDataReader row) =>
        new(
            row.GetString(0),
            [
                .. JsonElement
                    .Parse(row.GetString(1))
                    .EnumerateArray()
                    .Select(o => new OverlayOp(
                        o.GetProperty("op").GetString()!,
                        JsonPointer.Parse(o.GetProperty("path").GetString()!),
                        o.GetProperty("value").GetString(),
                        o.GetProperty("base").GetString()
                    )),
            ],
            Digest.Parse(row.GetString(2)),
            row.GetInt64(3),
            row.GetFieldValue<DateTimeOffset>(4),
            row.GetString(5)
        );
}

/// <summary>The order of places in a document: names as text, indexes as numbers.</summary>
internal sealed class PlaceOrder : IComparer<JsonPointer>
{
    public static readonly PlaceOrder Instance = new();

    public int Compare(JsonPointer? x, JsonPointer? y)
    {
        var (left, right) = (x?.Tokens ?? [], y?.Tokens ?? []);
        for (var i = 0; i < Math.Min(left.Count, right.Count); i++)
        {
            var order =
                IsIndex(left[i], out var one) && IsIndex(right[i], out var other)
                    ? one.CompareTo(other)
                    : string.CompareOrdinal(left[i], right[i]);
            if (order != 0)
                return order;
        }
        return left.Count.CompareTo(right.Count);
    }

    private static bool IsIndex(string token, out int index) =>
        int.TryParse(token, NumberStyles.None, CultureInfo.InvariantCulture, out index);
}
