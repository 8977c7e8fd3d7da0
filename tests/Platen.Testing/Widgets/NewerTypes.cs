using System.Text.Json.Nodes;

namespace Platen.Testing.Widgets;

/// <summary>The widget types of a folder as they will be later: of one a newer version that takes one more member, and one type more.</summary>
public static class NewerTypes
{
    /// <summary>The type that there is a newer version of.</summary>
    public const string Changed = "content.faq";

    /// <summary>Its version.</summary>
    public const string Version = "99.0.0";

    /// <summary>The text that it takes since, and that its older version refuses.</summary>
    public const string Member = "editorsNote";

    /// <summary>The type that there is nowhere else; its configs are those of the newer version.</summary>
    public const string Added = "content.answers";

    /// <summary>Writes them to a new folder and gives its path.</summary>
    /// <param name="widgets">The folder of the types as they are.</param>
    public static string Write(string widgets)
    {
        var folder = Directory.CreateTempSubdirectory("platen-newer-types-").FullName;
        foreach (var file in Directory.EnumerateFiles(widgets, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(folder, Path.GetRelativePath(widgets, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
        var changed = Path.Combine(folder, Changed);
        Change(Path.Combine(changed, "widget.json"), manifest => manifest["version"] = Version);
        Change(
            Path.Combine(changed, "schema.json"),
            schema => schema["properties"]![Member] = new JsonObject { ["type"] = "string" }
        );
        var added = Directory.CreateDirectory(Path.Combine(folder, Added)).FullName;
        foreach (var file in Directory.EnumerateFiles(changed))
            File.Copy(file, Path.Combine(added, Path.GetFileName(file)));
        Change(
            Path.Combine(added, "widget.json"),
            manifest =>
            {
                manifest["widgetType"] = Added;
                manifest["version"] = "1.0.0";
            }
        );
        return folder;
    }

    private static void Change(string file, Action<JsonNode> change)
    {
        var json = JsonNode.Parse(File.ReadAllText(file))!;
        change(json);
        File.WriteAllText(file, json.ToJsonString());
    }
}
