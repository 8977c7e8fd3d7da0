using System.Collections.Immutable;
using System.Globalization;
using System.Text.RegularExpressions;
using Npgsql;
using NpgsqlTypes;
using Platen.Kernel;

namespace Platen.Widgets;

/// <summary>
/// The sites whose pages may show an instance in a frame; without one, every site may. Each is an origin as a browser writes it,
/// <c>https://www.example.org</c>, or all hosts below one, <c>https://*.example.org</c> (CSP Level 3, section 2.3.1).
/// </summary>
internal static partial class AllowedOrigins
{
    /// <summary>The origins in the form they are stored and compared in: sorted, each once.</summary>
    public static ImmutableArray<string> Check(IReadOnlyList<string> given, string pointer, List<Fault> faults)
    {
        if (given.Count > WidgetsLimits.AllowedOrigins)
        {
            faults.Add(
                new Fault(
                    pointer,
                    string.Create(CultureInfo.InvariantCulture, $"At most {WidgetsLimits.AllowedOrigins} origins.")
                )
            );
            return [];
        }
        for (var at = 0; at < given.Count; at++)
        {
            if (given[at] is not { Length: <= 300 } origin || !Origin().IsMatch(origin))
            {
                faults.Add(
                    new Fault(
                        string.Create(CultureInfo.InvariantCulture, $"{pointer}/{at}"),
                        "Must be an origin in lower case without a path, such as https://www.example.org or https://*.example.org."
                    )
                );
            }
        }
        return [.. given.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
    }

    /// <summary>
    /// The directive for a page's policy, with what separates it from the next; empty when every page may frame it. A directive that
    /// allows <c>*</c> would still shut out pages that have no network address, such as files somebody tries a widget in.
    /// </summary>
    public static string Directive(ImmutableArray<string> origins) =>
        origins.IsEmpty ? "" : $"frame-ancestors 'self' {string.Join(' ', origins)}; ";

    /// <summary>Whether pages of an origin, without a pattern, are among those that may show it.</summary>
    public static bool Cover(ImmutableArray<string> origins, string origin) =>
        origins.IsEmpty
        || origins.Any(allowed =>
            allowed.IndexOf("://*.", StringComparison.Ordinal) is > 0 and var at
                ? origin.StartsWith(allowed[..(at + 3)], StringComparison.Ordinal)
                    && origin.Length > allowed.Length - 1
                    && origin.EndsWith(allowed[(at + 4)..], StringComparison.Ordinal)
                : origin == allowed
        );

    public static NpgsqlParameter Parameter(ImmutableArray<string> origins) =>
        new() { Value = origins.ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text };

    // Nothing that could end a directive or a header gets through.
    [GeneratedRegex(
        @"^https?://(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:[1-9][0-9]{0,4})?\z",
        RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture
    )]
    private static partial Regex Origin();
}
