using System.Diagnostics;
using System.Globalization;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Bench;

/// <summary>
/// How long the built server takes from its launch until it answers, on an empty folder and on one with its database; and its memory,
/// and that of its database, ten seconds after it started and published its samples.
/// </summary>
internal static class RestBench
{
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(10);
    private const int Starts = 3;

    public static async Task RunAsync(CancellationToken ct)
    {
        if (!OperatingSystem.IsLinux())
            throw new PlatformNotSupportedException("This bench reads /proc: run it on Linux.");
        List<double> server = [],
            database = [],
            first = [],
            second = [];
        for (var i = 0; i < Starts; i++)
        {
            var folder = PostgresFixture.NewFolder();
            var launched = Stopwatch.GetTimestamp();
            await using (var started = await PlatenServer.StartAsync(folder, ct))
            {
                first.Add(Stopwatch.GetElapsedTime(launched).TotalSeconds);
                using var pause = new PeriodicTimer(Rest);
                await pause.WaitForNextTickAsync(ct);
                server.Add(ProcessFigures.ResidentMiB(started.ProcessId));
                database.Add(ProcessFigures.Descendants(started.ProcessId).Sum(ProcessFigures.ProportionalMiB));
                await started.InterruptAsync(ct);
            }
            launched = Stopwatch.GetTimestamp();
            await using (var again = await PlatenServer.StartAsync(folder, ct))
            {
                second.Add(Stopwatch.GetElapsedTime(launched).TotalSeconds);
                await again.InterruptAsync(ct);
            }
            Directory.Delete(folder, recursive: true);
        }
        Rounds.Report("launch to ready, empty folder", Seconds(first), "<= 10 s", Rounds.Median(first) <= 10);
        Rounds.Report("launch to ready, its database is there", Seconds(second), "<= 2 s", Rounds.Median(second) <= 2);
        Rounds.Report("server at rest, resident", MiB(server), "<= 200 MB (191 MiB)", Rounds.Median(server) <= 191);
        Rounds.Report("its PostgreSQL, all processes, proportional", MiB(database), "for orientation");
    }

    private static string Seconds(List<double> values) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{Rounds.Median(values):F1} s ({values.Min():F1}-{values.Max():F1})"
        );

    private static string MiB(List<double> values) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{Rounds.Median(values):F0} MiB ({values.Min():F0}-{values.Max():F0})"
        );
}
