using System.Globalization;

namespace Platen.Facts;

/// <summary>
/// A fact: a checked-in file that must equal what the code says. With <c>PLATEN_UPDATE_FACTS=1</c> the code writes it instead, and
/// the difference is read before it is committed.
/// </summary>
internal static class Expected
{
    private const string UpdateCommand = "PLATEN_UPDATE_FACTS=1 dotnet test tests/Platen.Facts";

    public static bool Updating => Environment.GetEnvironmentVariable("PLATEN_UPDATE_FACTS") == "1";

    /// <param name="path">From the repository's root.</param>
    /// <param name="actual">What the code says.</param>
    public static void Equal(string path, string actual)
    {
        var file = Path.Combine(Repository.Root, path);
        actual = Normal(actual);
        if (Updating)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllText(file, actual);
        }
        var difference = Difference(File.Exists(file) ? Normal(File.ReadAllText(file)) : "", actual);
        if (difference is not null)
            Assert.Fail($"{path} does not say what the code says. If that is meant: {UpdateCommand}\n{difference}");
    }

    /// <summary>The first lines that differ; null when there are none.</summary>
    public static string? Difference(string expected, string actual)
    {
        var (before, after) = (expected.Split('\n'), actual.Split('\n'));
        for (var at = 0; at < Math.Max(before.Length, after.Length); at++)
        {
            var (was, now) = (before.ElementAtOrDefault(at), after.ElementAtOrDefault(at));
            if (was != now)
                return string.Create(
                    CultureInfo.InvariantCulture,
                    $"line {at + 1}\n  file: {was ?? "(ends)"}\n  code: {now ?? "(ends)"}"
                );
        }
        return null;
    }

    /// <summary>Reports everything that breaks a rule, or nothing.</summary>
    public static void NoFaults(IEnumerable<string> faults)
    {
        var found = faults.ToList();
        if (found.Count > 0)
            Assert.Fail(string.Join('\n', found.Prepend($"{found.Count} faults:")));
    }

    private static string Normal(string text) => text.ReplaceLineEndings("\n").TrimEnd('\n') + "\n";
}
