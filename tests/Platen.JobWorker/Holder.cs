using Platen.Platform.Jobs;

namespace Platen.JobWorker;

internal sealed class Holder(string kind) : IJobHandler
{
    public string Kind => kind;

    public Task RunAsync(JobContext job, CancellationToken ct)
    {
        Console.WriteLine($"started {job.Job.Id} {job.Job.Attempt}");
        return Task.Delay(Timeout.InfiniteTimeSpan, ct);
    }
}
