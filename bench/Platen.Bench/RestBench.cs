using System.Globalization;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Bench;

/// <summary>Memory of the built server, and of its database, ten seconds after it started and published its samples.</summary>
internal static class RestBench
{
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(10);
    private const int Starts = 3;

    public static async Task RunAsync(CancellationToken ct)
    {
        if (!OperatingSystem.IsLinux())
            throw new PlatformNotSupportedException("This bench reads /proc: run it on Linux.");
        List<double> server = [],
            database = [];
        for (var i = 0; i < Starts; i++)
        {
            var folder = PostgresFixture.NewFolder();
            await using (var started = await PlatenServer.StartAsync(folder, ct))
            {
                using var pause = new PeriodicTimer(Rest);
                await pause.WaitForNextTickAsync(ct);
                server.Add(ProcessFigures.ResidentMiB(started.ProcessId));
                database.Add(ProcessFigures.Descendants(started.ProcessId).Sum(ProcessFigures.ProportionalMiB));
            }
            Directory.Delete(folder, recursive: true);
        }
        Rounds.Report("server at rest, resident", MiB(server), "<= 200 MB (191 MiB)");
        Rounds.Report("its PostgreSQL, all processes, proportional", MiB(database), "for orientation");
    }

    private static string MiB(List<double> values) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{Rounds.Median(values):F0} MiB ({values.Min():F0}-{values.Max():F0})"
        );
}
