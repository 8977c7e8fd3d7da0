using System.Text.Json;
using Platen.Kernel;
using Platen.Kernel.Json;
using Platen.Kernel.Schemas;

namespace Platen.Cli.Legacy;

/// <summary>What becomes of a row.</summary>
/// <param name="Row">As it stands.</param>
/// <param name="Id">Its id here; null when it is refused.</param>
/// <param name="Type">Its type here; null when it is refused for it.</param>
/// <param name="Status">Its status here.</param>
/// <param name="Config">Its config; null when there is none that can be read.</param>
/// <param name="Digest">Of the config's canonical form: what parity is checked by.</param>
/// <param name="Refusal">Why it stays where it is; null when it moves.</param>
/// <param name="SameAs">The row that stands for it, when another has the same id and content; null otherwise.</param>
internal sealed record PlannedInstance(
    LegacyInstance Row,
    PublicId? Id,
    WidgetType? Type,
    string Status,
    JsonElement? Config,
    Digest? Digest,
    string? Refusal,
    string? SameAs
)
{
    /// <summary>What a person should know: renamed, guessed, unwrapped. A copy of the plan has the same list.</summary>
    public List<string> Notes { get; } = [];

    public bool Moves => Refusal is null && SameAs is null;

    public object ForLedger() =>
        new
        {
            rowId = Row.RowId,
            oldId = Row.PublicId,
            publicId = Id?.ToString(),
            workspace = Row.Workspace,
            digest = Digest?.ToString(),
            status = Status,
            state = Moves ? "planned" : "refused",
            notes = Refusal is null
                ? SameAs is null
                    ? Notes
                    : [.. Notes, "duplicate of " + SameAs]
                : [.. Notes, Refusal],
        };
}

/// <summary>Decides what becomes of every row: the same rows are decided the same way each time.</summary>
internal static class LegacyPlan
{
    /// <param name="rows">All of them.</param>
    /// <param name="names">How they read here.</param>
    /// <param name="schemas">The schema of each type.</param>
    /// <param name="takesUser">Whether the server has user instances.</param>
    /// <param name="takesCurated">Whether curated content is written on the server.</param>
    public static List<PlannedInstance> Make(
        IEnumerable<LegacyInstance> rows,
        LegacyNames names,
        IReadOnlyDictionary<string, JsonSchema> schemas,
        bool takesUser,
        bool takesCurated
    )
    {
        var plan = rows.Select(row => Read(row, names, schemas, takesUser, takesCurated)).ToList();
        SettleDuplicates(plan);
        return plan;
    }

    private static PlannedInstance Read(
        LegacyInstance row,
        LegacyNames names,
        IReadOnlyDictionary<string, JsonSchema> schemas,
        bool takesUser,
        bool takesCurated
    )
    {
        var notes = new List<string>();
        var (status, isGuess) = LegacyNames.StatusOf(row.Status);
        if (isGuess)
            notes.Add($"status '{row.Status ?? "null"}' is read as {status}");
        var type = names.TypeOf(row.Type);
        var config = Unwrap(row.Config, notes);
        Digest? digest = null;
        string? refusal = null;
        PublicId? id = null;
        if (type is null)
            refusal = $"unknown-type: the server has no type for '{row.Type ?? "null"}'";
        else if (LegacyNames.IdOf(row.PublicId, type.Value, row.Workspace is not null) is not { } read)
            refusal = $"unreadable-id: nothing in '{row.PublicId ?? "null"}' can be a key";
        else
        {
            id = read;
            if (read is PublicId.User && row.Workspace is null)
                refusal = "no-workspace: a user instance belongs to one";
            else if (read is PublicId.User && !takesUser)
                refusal = "authoring: this server has no user instances";
            else if (read is not PublicId.User && !takesCurated)
                refusal = "cloud: curated content arrives by publish";
            else if (read is not PublicId.User && row.Workspace is not null)
                notes.Add($"is the platform's by its id; its workspace {row.Workspace} is left out");
            if (read.ToString() != row.PublicId)
                notes.Add($"renamed from '{row.PublicId}'");
        }
        if (config is { ValueKind: JsonValueKind.Object } content)
        {
            try
            {
                digest = Digest.Of(CanonicalJson.Serialize(content));
            }
            catch (CanonicalJsonException e)
            {
                refusal ??= "invalid-config: " + e.Message;
            }
            if (refusal is null && schemas[type!.Value.Value].Validate(content).Errors is [var first, ..])
                refusal = $"invalid-config: {first.InstanceLocation}: {first.Message}";
        }
        else
            refusal ??= "invalid-config: it is not an object";
        var planned = new PlannedInstance(row, id, type, status, config, digest, refusal, SameAs: null);
        planned.Notes.AddRange(notes);
        return planned;
    }

    /// <summary>Configs that were stored as a text of JSON are what the text says.</summary>
    private static JsonElement? Unwrap(string? json, List<string> notes)
    {
        if (ReadJson(json) is not { } value)
            return null;
        if (value.ValueKind != JsonValueKind.String || ReadJson(value.GetString()) is not { } inner)
            return value;
        notes.Add("the config was JSON in a text");
        return inner;
    }

    /// <summary>Null for what is no JSON, or nested deeper than any content here may be.</summary>
    public static JsonElement? ReadJson(string? text)
    {
        try
        {
            return text is null
                ? null
                : JsonElement.Parse(text, new JsonDocumentOptions { MaxDepth = CanonicalJson.MaxDepth });
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static void SettleDuplicates(List<PlannedInstance> plan)
    {
        var taken = plan.Where(p => p.Moves).Select(p => p.Id!.ToString()).ToHashSet(StringComparer.Ordinal);
        var alike = plan.Index().Where(p => p.Item.Moves).GroupBy(p => p.Item.Id!.ToString()).Where(g => g.Count() > 1);
        foreach (var group in alike.ToList())
        {
            // Whoever has the name as it is written keeps it; then what is shown, then the newest.
            var ordered = group
                .OrderByDescending(p => p.Item.Row.PublicId == group.Key)
                .ThenByDescending(p => p.Item.Status == "published")
                .ThenByDescending(p => p.Item.Row.UpdatedAt)
                .ThenBy(p => p.Item.Row.RowId, StringComparer.Ordinal)
                .ToList();
            var first = ordered[0].Item;
            foreach (var (index, other) in ordered.Skip(1))
            {
                if (
                    other.Digest == first.Digest
                    && other.Status == first.Status
                    && other.Row.Workspace == first.Row.Workspace
                )
                {
                    plan[index] = other with { SameAs = first.Row.RowId };
                    continue;
                }
                var apart = LegacyNames.Apart(other.Id!, other.Type!.Value, other.Row.RowId);
                if (!taken.Add(apart.ToString()))
                {
                    plan[index] = other with { Refusal = $"taken: {other.Id} and {apart} are other rows'" };
                    continue;
                }
                plan[index] = other with { Id = apart };
                plan[index].Notes.Add($"'{group.Key}' is another row's; renamed to {apart}");
            }
        }
    }
}
