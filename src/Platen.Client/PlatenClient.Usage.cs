using Platen.Kernel;

namespace Platen.Client;

public sealed partial class PlatenClient
{
    /// <summary>How an instance was used. Counts are up to some seconds behind.</summary>
    /// <param name="id">The instance.</param>
    /// <param name="from">The first day, such as <c>2026-11-01</c>; null for thirty days.</param>
    /// <param name="to">The last day; null for today.</param>
    /// <param name="ct">Cancels.</param>
    public Task<InstanceUsage> GetUsageAsync(PublicId id, string? from, string? to, CancellationToken ct) =>
        GetAsync(
            $"v1/instances/{id}/usage" + Query(("from", from), ("to", to)),
            UsageClientJson.Default.InstanceUsage,
            ct
        );

    /// <summary>How the instances of a workspace were used in a month, and what its plan allows.</summary>
    /// <param name="workspace">Its slug or id; <c>platform</c> for the platform.</param>
    /// <param name="month">Such as <c>2026-11</c>; null for this month.</param>
    /// <param name="ct">Cancels.</param>
    public Task<WorkspaceUsage> GetWorkspaceUsageAsync(string workspace, string? month, CancellationToken ct) =>
        GetAsync(Of(workspace) + "/usage" + Query(("month", month)), UsageClientJson.Default.WorkspaceUsage, ct);
}
