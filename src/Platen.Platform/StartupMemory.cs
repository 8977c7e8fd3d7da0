using System.Runtime;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Hosting;

namespace Platen.Platform;

/// <summary>
/// Gives back what only the start needed: once, at the first moment at which the server has nothing to do, so that nobody waits for it.
/// A server that is busy from its first second on keeps it, for it is using it.
/// </summary>
public sealed partial class StartupMemory : BackgroundService
{
    private const string Libc = "libc";
    private const long CalmBytes = 1 << 20;
    private static readonly TimeSpan Between = TimeSpan.FromSeconds(2);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Between);
        // Ended with the server, also in the middle of a wait.
        await using var ending = stoppingToken.Register(timer.Dispose);
        var allocated = GC.GetTotalAllocatedBytes();
        while (await timer.WaitForNextTickAsync(CancellationToken.None))
        {
            var before = allocated;
            allocated = GC.GetTotalAllocatedBytes();
            if (allocated - before > CalmBytes)
                continue;
            GiveBack();
            return;
        }
    }

    private static void GiveBack()
    {
        GCSettings.LargeObjectHeapCompactionMode = GCLargeObjectHeapCompactionMode.CompactOnce;
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        // What compiling took from the C library's heap, which keeps it: tens of MB with glibc. Other libraries have no such function.
        if (
            OperatingSystem.IsLinux()
            && NativeLibrary.TryLoad(Libc, typeof(StartupMemory).Assembly, searchPath: null, out var library)
            && NativeLibrary.TryGetExport(library, "malloc_trim", out _)
        )
        {
            _ = MallocTrim(0);
        }
    }

    /// <param name="pad">Bytes to leave at the top of the heap.</param>
    /// <returns>1 when memory was given back, else 0.</returns>
    [LibraryImport(Libc, EntryPoint = "malloc_trim")]
    private static partial int MallocTrim(nuint pad);
}
