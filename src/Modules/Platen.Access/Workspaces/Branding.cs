using System.Globalization;

namespace Platen.Access.Workspaces;

/// <summary>Whether the pages of a workspace carry the line that names Platen.</summary>
/// <param name="Shown">Whether a page that is published now does.</param>
/// <param name="Reason">Why, for people.</param>
public sealed record Branding(bool Shown, string Reason)
{
    /// <summary>
    /// By the plan: the line goes where <see cref="Entitlements.Unbranded"/> is allowed, and stays while more is used in a month than the
    /// plan has. Visitors never notice more of it than that.
    /// </summary>
    /// <param name="entitlements">All of the workspace.</param>
    public static Branding Of(IReadOnlyList<Entitlement> entitlements)
    {
        ArgumentNullException.ThrowIfNull(entitlements);
        if (entitlements.Any(one => one is { Name: Entitlements.Unbranded, Allowed: 0 }))
            return new Branding(true, "The plan has it.");
        var over = entitlements.FirstOrDefault(one =>
            one.Name is Entitlements.ViewsPerMonth or Entitlements.SubmissionsPerMonth && one.Used > one.Allowed
        );
        return over is null
            ? new Branding(false, "The plan goes without it.")
            : new Branding(
                true,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{over.Used:N0} {over.Name} are used this month, of {over.Allowed:N0}."
                )
            );
    }
}
