using System.Globalization;
using System.Text.Json;
using Platen.Kernel.Templates;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;

namespace Platen.Templates;

/// <summary>
/// Removes what the owner's rule says, a template after the other. Each run first makes sure of the next day's; a run of a rule that was
/// changed since does nothing, because the change began runs of its own.
/// </summary>
internal sealed class RunRetention(ExpireVersions expire) : IJobHandler
{
    public const string JobKind = "templates.expire";

    private static readonly TimeSpan Every = TimeSpan.FromDays(1);

    public string Kind => JobKind;

    public int Concurrency => 2;

    /// <summary>Enqueues a run of a rule.</summary>
    /// <param name="session">Of the owner.</param>
    /// <param name="revision">Of the rule.</param>
    /// <param name="run">How many came before; the first is due at once.</param>
    /// <param name="ct">Cancels.</param>
    public static Task<EnqueueOutcome> EnqueueAsync(Session session, long revision, long run, CancellationToken ct) =>
        JobQueue.EnqueueAsync(
            session,
            JobKind,
            string.Create(CultureInfo.InvariantCulture, $"{revision}/{run}"),
            JsonSerializer.SerializeToUtf8Bytes(new { revision, run }),
            new JobOptions { Delay = run == 0 ? TimeSpan.Zero : Every, MaxAttempts = JobLimits.Attempts },
            ct
        );

    public async Task RunAsync(JobContext job, CancellationToken ct)
    {
        using var payload = JsonDocument.Parse(job.Job.Payload);
        var revision = payload.RootElement.GetProperty("revision").GetInt64();
        var run = payload.RootElement.GetProperty("run").GetInt64();
        await using (var next = await job.OpenAsync(ct))
        {
            if (
                await Retention.FindAsync(next, locked: false, ct) is not { Removes: true } rule
                || rule.Revision != revision
            )
                return;
            await EnqueueAsync(next, revision, run + 1, ct);
            await next.CommitAsync(ct);
        }
        long removed = 0;
        var last = "";
        while (await PageAsync(job, last, ct) is { Count: > 0 } names)
        {
            foreach (var name in names)
            {
                while (await RemoveAsync(job, TemplateName.Parse(name), revision, ct) is { } done)
                {
                    removed += done.Removed.Count;
                    await job.ReportAsync(
                        0,
                        string.Create(CultureInfo.InvariantCulture, $"{removed} versions removed, up to {name}"),
                        ct
                    );
                    if (!done.HasMore)
                        break;
                }
            }
            last = names[^1];
        }
    }

    private static async Task<List<string>> PageAsync(JobContext job, string after, CancellationToken ct)
    {
        await using var session = await job.OpenAsync(ct);
        return await session.ListAsync(
            "select name from templates.template where owner = platform.current_owner() and name > $1 order by name limit $2",
            row => row.GetString(0),
            ct,
            Sql.Text(after),
            Sql.Int(TemplatesLimits.ExpiryPage)
        );
    }

    /// <summary>Removes what is past its time of one template, and null when the rule is another by now or the template is gone.</summary>
    private async Task<ExpireVersions.View?> RemoveAsync(
        JobContext job,
        TemplateName name,
        long revision,
        CancellationToken ct
    )
    {
        await using var session = await job.OpenAsync(ct);
        // Whoever changes the rule waits for this template, and keeps all that is left.
        var rule = await Retention.FindAsync(session, locked: true, ct);
        if (rule.Revision != revision)
            return null;
        var done = await expire.ExpireAsync(session, name, rule.Order, ct);
        if (done is { Removed.Count: > 0 })
            await session.CommitAsync(ct);
        return done;
    }
}
