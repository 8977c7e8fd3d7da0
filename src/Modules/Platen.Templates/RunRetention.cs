using System.Globalization;
using Platen.Kernel.Templates;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;

namespace Platen.Templates;

/// <summary>Removes what the owner's rule says, every day, a template after the other.</summary>
internal sealed class RunRetention(ExpireVersions expire, TimeProvider clock) : DailyRuns(clock)
{
    public const string JobKind = "templates.expire";

    public override string Kind => JobKind;

    protected override async Task<bool> IsInForceAsync(Session session, long revision, CancellationToken ct) =>
        await Retention.FindAsync(session, locked: false, ct) is { Removes: true } rule && rule.Revision == revision;

    protected override async Task RunAsync(JobContext job, long revision, CancellationToken ct)
    {
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
