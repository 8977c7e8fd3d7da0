using System.Text.Json;
using System.Text.RegularExpressions;

namespace Platen.Facts;

/// <summary>The demo page keeps the height of every sample free, for a phone, a column and a whole page.</summary>
public sealed partial class DemoHeightsTests
{
    [Fact]
    public void Every_sample_has_its_height_at_three_widths()
    {
        var heights = JsonSerializer.Deserialize<Dictionary<string, string>>(
            File.ReadAllText(Path.Combine(Repository.Root, "src", "Platen.Server", "demo-heights.json"))
        )!;
        var samples = Repository
            .Files("samples/widgets")
            .Where(file => file.Extension == ".json")
            .Select(file => Path.GetFileNameWithoutExtension(file.Path))
            .ToList();
        samples.ShouldNotBeEmpty();
        heights.Keys.ShouldBe(samples, ignoreOrder: true);
        foreach (var (id, text) in heights)
            Widths().IsMatch(text).ShouldBeTrue($"{id}: {text}");
    }

    [GeneratedRegex("^320:[0-9]+ 560:[0-9]+ 860:[0-9]+$", RegexOptions.None, 1_000)]
    private static partial Regex Widths();
}
