using System.Globalization;
using Platen.Testing.Servers;

namespace Platen.Bench;

/// <summary>What Linux knows of a process (proc(5)).</summary>
internal static class ProcessFigures
{
    private const double TicksPerSecond = 100;

    /// <summary>Processor time used since it started, in user and kernel mode.</summary>
    public static double CpuSeconds(int processId)
    {
        var values = Stat(processId);
        return (Number(values[11]) + Number(values[12])) / TicksPerSecond;
    }

    /// <summary>Moves a process with all of its threads to a processor.</summary>
    public static Task PinAsync(int processId, string processor, CancellationToken ct) =>
        ServerProcess.RunAsync(
            "taskset",
            ["-a", "-c", "-p", processor, processId.ToString(CultureInfo.InvariantCulture)],
            ct
        );

    /// <summary>Bytes that a built server has allocated so far, as its metrics say.</summary>
    public static async Task<double> AllocatedAsync(HttpClient http, Uri server, CancellationToken ct)
    {
        const string metric = "dotnet_gc_heap_total_allocated_bytes_total";
        var text = await http.GetStringAsync(new Uri(server, "/metrics"), ct);
        var line = text.Split('\n').First(one => one.StartsWith(metric, StringComparison.Ordinal));
        return double.Parse(line.Split(' ')[1], CultureInfo.InvariantCulture);
    }

    /// <summary>Resident memory, shared pages counted whole.</summary>
    public static double ResidentMiB(int processId) => Field($"/proc/{processId}/status", "VmRSS:");

    /// <summary>Resident memory, a page shared by n processes counted as 1/n.</summary>
    public static double ProportionalMiB(int processId) => Field($"/proc/{processId}/smaps_rollup", "Pss:");

    /// <summary>The children of a process, theirs, and so on.</summary>
    public static List<int> Descendants(int processId)
    {
        var childrenOf = Directory
            .EnumerateDirectories("/proc")
            .Select(folder => int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var id) ? id : 0)
            .Where(id => id > 0 && File.Exists($"/proc/{id}/stat"))
            .ToLookup(id => (int)Number(Stat(id)[1]));
        var found = new List<int>();
        var next = new Queue<int>([processId]);
        while (next.TryDequeue(out var parent))
        {
            foreach (var child in childrenOf[parent])
            {
                found.Add(child);
                next.Enqueue(child);
            }
        }
        return found;
    }

    // The fields from the third on: the second, the name, can hold anything but ends with the last parenthesis. A process
    // that has ended meanwhile has no parent.
    private static string[] Stat(int processId)
    {
        try
        {
            var stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/stat"));
            return stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (IOException)
        {
            return ["X", "0"];
        }
    }

    private static double Field(FormattableString path, string name)
    {
        var line = File.ReadLines(path.ToString(CultureInfo.InvariantCulture))
            .First(text => text.StartsWith(name, StringComparison.Ordinal));
        return Number(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]) / 1024.0;
    }

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}
