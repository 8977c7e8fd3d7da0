using System.Globalization;

namespace Platen.Testing.Child;

/// <summary>How much memory this process really occupies, as Linux counts it (proc(5), status and clear_refs).</summary>
public static class ResidentMemory
{
    /// <summary>Runs something and returns by how many bytes its peak lay above where it began.</summary>
    public static async Task<long> GrowthAsync(Func<Task> run)
    {
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        var before = Read("VmRSS:");
        // 5 resets the peak to the present.
        await File.WriteAllTextAsync("/proc/self/clear_refs", "5");
        await run();
        return Read("VmHWM:") - before;
    }

    private static long Read(string name)
    {
        var line = File.ReadLines("/proc/self/status").First(l => l.StartsWith(name, StringComparison.Ordinal));
        var kilobytes = line[name.Length..].Trim().Split(' ')[0];
        return long.Parse(kilobytes, CultureInfo.InvariantCulture) * 1024;
    }
}
