using System.Globalization;
using System.Text;

namespace Platen.Facts;

/// <summary>What a page of the samples weighs on the wire.</summary>
internal sealed record PageSize(string Page, string Encoding, int Bytes)
{
    public string Name => $"{Page} {Encoding}";
}

/// <summary>
/// The budget of every page. A page may weigh less than its line says; one that outgrows it, or has no line, is a change that
/// somebody should see.
/// </summary>
internal static class PageSizes
{
    /// <summary>What no page of the samples may weigh, by encoding, whatever its line says; a publish refuses more than the latter.</summary>
    private static readonly Dictionary<string, int> Most = new(StringComparer.Ordinal)
    {
        ["br"] = 6_144,
        ["gzip"] = 10_240,
    };

    // A budget is the size when it was written, rounded up: another release of the compressor moves a few bytes.
    private const int Step = 64;

    public static string Draw(IEnumerable<PageSize> sizes)
    {
        var text = new StringBuilder("What each page of the samples may weigh on the wire, in bytes.\n\n");
        foreach (var size in sizes)
            text.Append(CultureInfo.InvariantCulture, $"{size.Name} {(size.Bytes + Step - 1) / Step * Step}\n");
        return text.ToString();
    }

    public static IEnumerable<string> Faults(string budgets, IReadOnlyList<PageSize> sizes)
    {
        var allowed = budgets
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Where(line => line.StartsWith('/'))
            .ToDictionary(
                line => line[..line.LastIndexOf(' ')],
                line => int.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture),
                StringComparer.Ordinal
            );
        foreach (var size in sizes)
        {
            if (!allowed.Remove(size.Name, out var budget))
                yield return $"{size.Name} has no budget; it weighs {size.Bytes} bytes.";
            else if (size.Bytes > budget)
                yield return $"{size.Name} weighs {size.Bytes} bytes, and its budget is {budget}.";
            if (size.Bytes > Most[size.Encoding])
                yield return $"{size.Name} weighs {size.Bytes} bytes; no page may weigh more than {Most[size.Encoding]}.";
        }
        foreach (var gone in allowed.Keys)
            yield return $"{gone} has a budget, but there is no such page.";
    }
}
