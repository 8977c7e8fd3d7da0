namespace Platen.Platform.Blobs;

/// <summary>
/// Runs what waits for the disk (fsync(2)) on threads of its own. Many wait at once while a release is stored; in the thread pool they would
/// need as many of its threads, and a pool that keeps so many ready has them all take turns at serving pages, which costs a quarter of the
/// requests that one processor answers. Threads begin when they are needed, and end when they were not for a while. Thread-safe.
/// </summary>
internal static class DiskThreads
{
    /// <summary>As many as a disk has use for: it writes down together what waits together.</summary>
    private const int Most = 16;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly Queue<Work> waiting = new();
    private static readonly object gate = new();
    private static int threads;
    private static int idle;

    /// <summary>Runs it, after what waits already.</summary>
    /// <param name="act">What waits for the disk and for nothing else; what it throws is the task's.</param>
    public static Task RunAsync(Action act)
    {
        var work = new Work(act);
        lock (gate)
        {
            waiting.Enqueue(work);
            if (idle >= waiting.Count)
                Monitor.Pulse(gate);
            else if (threads < Most)
            {
                threads++;
                new Thread(Serve) { IsBackground = true, Name = "Platen disk" }.UnsafeStart();
            }
        }
        return work.Done.Task;
    }

    private static void Serve()
    {
        while (Next() is { } work)
            work.Run();
    }

    private static Work? Next()
    {
        lock (gate)
        {
            while (waiting.Count == 0)
            {
                idle++;
                var isCalled = Monitor.Wait(gate, Patience);
                idle--;
                if (isCalled || waiting.Count > 0)
                    continue;
                threads--;
                return null;
            }
            return waiting.Dequeue();
        }
    }

    private sealed class Work(Action act)
    {
        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Run()
        {
            try
            {
                act();
                Done.SetResult();
            }
            // It is for whoever waits.
            catch (Exception e)
            {
                Done.SetException(e);
            }
        }
    }
}
