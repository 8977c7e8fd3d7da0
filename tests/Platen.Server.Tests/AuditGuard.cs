using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Npgsql;
using Platen.Access.Audit;

namespace Platen.Server.Tests;

/// <summary>
/// Holds every endpoint to what it says that it leaves in the audit log: it sees each request that the tests make, whichever test makes it,
/// and in the end what was committed. A request that writes, succeeds and left nothing, an entry that its endpoint does not name, and an entry without
/// digests that nobody has excused, are faults.
/// </summary>
internal sealed class AuditGuard
{
    private readonly ConcurrentQueue<Write> writes = [];

    /// <summary>A request that wrote.</summary>
    /// <param name="Trace">Its trace id, which its entries have as well.</param>
    /// <param name="Route">Method and pattern.</param>
    /// <param name="Actions">What it says that it records.</param>
    /// <param name="MayLeaveNothing">Whether it says when it records nothing.</param>
    internal sealed record Write(string Trace, string Route, IReadOnlyList<string> Actions, bool MayLeaveNothing);

    internal sealed record Entry(string? Trace, string Action, bool HasDigest);

    /// <summary>What is wrong with what was left behind.</summary>
    /// <param name="admin">Sees every owner's entries.</param>
    /// <param name="endpoints">All of the server's.</param>
    public async Task<List<string>> FaultsAsync(NpgsqlConnection admin, IEnumerable<Endpoint> endpoints)
    {
        var entries = new List<Entry>();
        await using var look = new NpgsqlCommand(
            """
            select distinct trace_id, action, before_digest is not null or after_digest is not null from access.audit_entry
            """,
            admin
        );
        await using var reader = await look.ExecuteReaderAsync();
        while (await reader.ReadAsync())
            entries.Add(
                new Entry(reader.IsDBNull(0) ? null : reader.GetString(0), reader.GetString(1), reader.GetBoolean(2))
            );
        var known = endpoints.ToList();
        return Faults(
            [.. writes],
            entries,
            [.. known.SelectMany(endpoint => endpoint.Metadata.GetMetadata<Audited>()?.Actions ?? [])],
            [.. known.SelectMany(endpoint => endpoint.Metadata.GetMetadata<WithoutDigests>()?.Actions ?? [])]
        );
    }

    /// <summary>The rule itself.</summary>
    /// <param name="writes">Every request that wrote and succeeded.</param>
    /// <param name="entries">Everything in the log.</param>
    /// <param name="actions">What endpoints record; what tests put into the log by themselves is none of it.</param>
    /// <param name="bare">What has no digests, and says why.</param>
    internal static List<string> Faults(
        IReadOnlyCollection<Write> writes,
        IReadOnlyCollection<Entry> entries,
        HashSet<string> actions,
        HashSet<string> bare
    )
    {
        var faults = new SortedSet<string>(StringComparer.Ordinal);
        var left = entries.ToLookup(entry => entry.Trace, entry => entry.Action);
        // A test may send two requests as parts of one trace: they answer for it together.
        foreach (var together in writes.GroupBy(write => write.Trace))
        {
            var recorded = left[together.Key].ToList();
            var routes = string.Join(" and ", together.Select(write => write.Route).Distinct());
            if (recorded.Count == 0 && together.Any(write => write.Actions.Count > 0 && !write.MayLeaveNothing))
                faults.Add($"{routes} succeeded and left nothing: say when with LeavesNothing, or record it.");
            foreach (var action in recorded.Except(together.SelectMany(write => write.Actions)))
                faults.Add($"{routes} left {action}, which its Audited does not name.");
        }
        foreach (var entry in entries)
        {
            if (!entry.HasDigest && actions.Contains(entry.Action) && !bare.Contains(entry.Action))
                faults.Add($"{entry.Action} has no digest: give it one, or say why with WithoutDigests.");
        }
        return [.. faults];
    }

    /// <summary>Notes a request that has ended.</summary>
    public void Note(HttpContext context, RouteEndpoint endpoint)
    {
        if (
            endpoint.Metadata.GetMetadata<Audited>() is not { } leaves
            || HttpMethods.IsGet(context.Request.Method)
            || HttpMethods.IsHead(context.Request.Method)
            || context.Response.StatusCode is < 200 or >= 400
            // A form that nobody is signed in for.
            || context.Response.Headers.Location.ToString().StartsWith("/sign-in?returnTo", StringComparison.Ordinal)
            || Activity.Current is not { } activity
        )
            return;
        writes.Enqueue(
            new Write(
                activity.TraceId.ToString(),
                $"{context.Request.Method} {endpoint.RoutePattern.RawText}",
                leaves.Actions,
                endpoint.Metadata.GetMetadata<LeavesNothing>() is not null
            )
        );
    }
}

public sealed class AuditGuardTests
{
    [Fact]
    public void A_write_that_leaves_nothing_or_what_it_does_not_name_is_a_fault_and_so_is_an_entry_without_digests()
    {
        AuditGuard.Write Wrote(string trace, string route, bool mayLeaveNothing = false, params string[] actions) =>
            new(trace, route, actions, mayLeaveNothing);
        AuditGuard
            .Faults(
                [
                    Wrote("a", "PUT /kept", actions: "thing.saved"),
                    Wrote("b", "PUT /forgotten", actions: "thing.saved"),
                    Wrote("c", "PUT /same", mayLeaveNothing: true, "thing.saved"),
                    Wrote("d", "PUT /other", actions: "thing.saved"),
                    Wrote("e", "PUT /unrecorded"),
                    Wrote("f", "PUT /bare", actions: "thing.pinged"),
                    Wrote("g", "PUT /undigested", actions: "thing.moved"),
                ],
                [
                    new("a", "thing.saved", true),
                    new("d", "thing.saved", true),
                    new("d", "thing.removed", true),
                    new("e", "thing.saved", true),
                    new("f", "thing.pinged", false),
                    new("g", "thing.moved", false),
                    new(null, "made.by-a-test", false),
                ],
                ["thing.saved", "thing.removed", "thing.pinged", "thing.moved"],
                ["thing.pinged"]
            )
            .ShouldBe([
                "PUT /forgotten succeeded and left nothing: say when with LeavesNothing, or record it.",
                "PUT /other left thing.removed, which its Audited does not name.",
                "PUT /unrecorded left thing.saved, which its Audited does not name.",
                "thing.moved has no digest: give it one, or say why with WithoutDigests.",
            ]);
    }
}
