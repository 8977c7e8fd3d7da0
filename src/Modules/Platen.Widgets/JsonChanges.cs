using System.Text.Json;
using Platen.Kernel.Json;

namespace Platen.Widgets;

/// <summary>A place where two documents differ.</summary>
/// <param name="Path">Its JSON Pointer.</param>
/// <param name="From">The value before; absent when there was none.</param>
/// <param name="To">The value after; absent when there is none.</param>
internal sealed record JsonChange(string Path, JsonElement? From, JsonElement? To);

/// <summary>What differs between two JSON documents: the deepest places that do, in the order of the first document.</summary>
internal static class JsonChanges
{
    public static List<JsonChange> Between(JsonElement from, JsonElement to)
    {
        var changes = new List<JsonChange>();
        Walk(from, to, JsonPointer.Root, changes);
        return changes;
    }

    private static void Walk(JsonElement from, JsonElement to, JsonPointer at, List<JsonChange> changes)
    {
        if (changes.Count >= WidgetsLimits.Differences)
            return;
        if (from.ValueKind == JsonValueKind.Object && to.ValueKind == JsonValueKind.Object)
        {
            foreach (var member in from.EnumerateObject())
            {
                if (to.TryGetProperty(member.Name, out var other))
                    Walk(member.Value, other, at.Append(member.Name), changes);
                else
                    changes.Add(new JsonChange(at.Append(member.Name).ToString(), member.Value, null));
            }
            foreach (var member in to.EnumerateObject())
            {
                if (!from.TryGetProperty(member.Name, out _))
                    changes.Add(new JsonChange(at.Append(member.Name).ToString(), null, member.Value));
            }
        }
        else if (from.ValueKind == JsonValueKind.Array && to.ValueKind == JsonValueKind.Array)
        {
            var (before, after) = (from.GetArrayLength(), to.GetArrayLength());
            for (var i = 0; i < Math.Max(before, after); i++)
            {
                if (i >= before)
                    changes.Add(new JsonChange(at.Append(i).ToString(), null, to[i]));
                else if (i >= after)
                    changes.Add(new JsonChange(at.Append(i).ToString(), from[i], null));
                else
                    Walk(from[i], to[i], at.Append(i), changes);
            }
        }
        else if (!JsonElement.DeepEquals(from, to))
        {
            changes.Add(new JsonChange(at.ToString(), from, to));
        }
    }
}
