using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Kernel.Json;
using Platen.Platform.Postgres;

namespace Platen.Widgets.Gates;

/// <summary>
/// What a page must be before it is shown: valid HTML, accessible, whole under its own policy, with links that lead somewhere, and small.
/// Whoever has the scope <c>gates:force</c> may show it all the same, with a reason, and the audit log keeps what was passed over.
/// </summary>
internal static class PublishGates
{
    /// <summary>What the gates say of a page, or of all pages of a release.</summary>
    /// <param name="Findings">What they have against it.</param>
    /// <param name="Instances">The instances that are linked to, each with what is to be said when there is none.</param>
    public sealed record Report(
        ImmutableArray<GateFinding> Findings,
        ImmutableArray<(PublicId Id, GateFinding IfMissing)> Instances
    )
    {
        public static readonly Report Clean = new([], []);
    }

    /// <summary>Looks at a page. The themes of a locale differ by one attribute, so one of them stands for all.</summary>
    public static Report Check(
        ReadOnlySpan<byte> html,
        string publicId,
        string locale,
        string policy,
        JsonElement config,
        string configAt
    )
    {
        using var page = new PageReading(
            Encoding.UTF8.GetString(html),
            publicId,
            locale,
            policy,
            config,
            JsonPointer.Parse(configAt)
        );
        HtmlGate.Check(page);
        AccessibilityGate.Check(page);
        AccessibilityGate.CheckHidden(page);
        PolicyGate.Check(page);
        var instances = LinksGate.Check(page);
        return new Report([.. page.Findings], [.. instances]);
    }

    /// <summary>All of a release's findings: what every locale has is said once, for the first.</summary>
    public static ImmutableArray<GateFinding> Merge(IEnumerable<GateFinding> findings) =>
        [
            .. findings.DistinctBy(f =>
                (f.Gate, f.Rule, f.Theme, f.Selector, f.Gate == GateFinding.Size ? f.Locale : "")
            ),
        ];

    /// <summary>The links that lead to instances which are not shown.</summary>
    /// <param name="session">Of whoever publishes.</param>
    /// <param name="links">The links.</param>
    /// <param name="alongside">Instances that are published in the same moment.</param>
    /// <param name="ct">Cancels.</param>
    public static async Task<ImmutableArray<GateFinding>> CheckInstancesAsync(
        Session session,
        IReadOnlyCollection<(PublicId Id, GateFinding IfMissing)> links,
        IReadOnlySet<string> alongside,
        CancellationToken ct
    )
    {
        var wanted = links.Select(l => l.Id.ToString()).Where(id => !alongside.Contains(id)).Distinct().ToArray();
        if (wanted.Length == 0)
            return [];
        var found = await session.ListAsync(
            """
            select w.id from unnest($1::text[]) as w (id)
            where exists (select from widgets.curated_widget_instances c where c.public_id = w.id and c.status <> 'unpublished')
                or widgets.find_instance_owner(w.id) <> '00000000-0000-0000-0000-000000000000'
            """,
            row => row.GetString(0),
            ct,
            new NpgsqlParameter { Value = wanted, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text }
        );
        var there = found.Concat(alongside).ToHashSet(StringComparer.Ordinal);
        return [.. links.Where(l => !there.Contains(l.Id.ToString())).Select(l => l.IfMissing)];
    }

    /// <summary>Refuses to force without the scope or without a reason, before anything is done.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.Forbidden"/> or <see cref="KernelProblems.Invalid"/>.</exception>
    public static void CheckForce(Caller caller, bool force, string? reason)
    {
        if (!force)
            return;
        if (!caller.Has(Scopes.GatesForce))
        {
            throw KernelProblems
                .Forbidden.Because($"To go past a gate takes the scope '{Scopes.GatesForce}'.")
                .AsException();
        }
        if (string.IsNullOrWhiteSpace(reason))
        {
            throw KernelProblems
                .Invalid.Because("To go past a gate takes a reason.", [new Fault("/reason", "Say why in a few words.")])
                .AsException();
        }
    }

    /// <summary>Refuses what the gates have something against.</summary>
    /// <exception cref="ProblemException"><see cref="WidgetsProblems.GateClosed"/>.</exception>
    public static void Refuse(string publicId, IReadOnlyCollection<GateFinding> findings)
    {
        if (findings.Count == 0)
            return;
        var first = findings.First();
        throw WidgetsProblems
            .GateClosed.Because(
                $"'{publicId}' is not published: {first.Sentence()}"
                    + (findings.Count > 1 ? $" {findings.Count - 1} more are listed." : ""),
                findings.Select(f => f.AsFault())
            )
            .With("findings", findings.Take(Limits.Faults).ToArray())
            .AsException();
    }

    /// <summary>Keeps, in the transaction of the publish, which gates were passed over.</summary>
    public static Task AuditAsync(
        Session session,
        string publicId,
        Digest? release,
        IReadOnlyCollection<GateFinding> findings,
        CancellationToken ct
    ) =>
        AuditLog.RecordAsync(
            session,
            WidgetEvents.GatesForced,
            WidgetEvents.Stream(publicId).Value,
            before: null,
            release,
            new
            {
                count = findings.Count,
                // An entry has a bounded size; the release holds the pages, so the rest can be found again.
                gates = findings
                    .Take(WidgetsLimits.AuditedFindings)
                    .Select(f => new
                    {
                        rule = $"{f.Gate}/{f.Rule}",
                        f.Locale,
                        f.Theme,
                        selector = Short(f.Selector),
                        pointer = Short(f.Pointer),
                    })
                    .ToArray(),
                reason = session.Context.Reason,
            },
            ct
        );

    private static string? Short(string? text) => text is { Length: > 120 } ? text[..120] + "…" : text;
}
