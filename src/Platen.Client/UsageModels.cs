using System.Text.Json.Serialization;

namespace Platen.Client;

/// <summary>What was counted on one day.</summary>
/// <param name="Day">In UTC.</param>
/// <param name="Views">How often the page or the pixel was asked for.</param>
/// <param name="Submissions">How many posts to the form were kept.</param>
public sealed record UsageDay(DateOnly Day, long Views, long Submissions);

/// <summary>How an instance was used over some days.</summary>
/// <param name="PublicId">The instance.</param>
/// <param name="From">The first day, in UTC.</param>
/// <param name="To">The last day.</param>
/// <param name="Views">All of them.</param>
/// <param name="Submissions">All of them.</param>
/// <param name="Days">The days on which there was anything.</param>
public sealed record InstanceUsage(
    string PublicId,
    DateOnly From,
    DateOnly To,
    long Views,
    long Submissions,
    IReadOnlyList<UsageDay> Days
);

/// <summary>What was counted for one instance in a month.</summary>
/// <param name="PublicId">The instance.</param>
/// <param name="Views">All of them.</param>
/// <param name="Submissions">All of them.</param>
public sealed record UsageOfInstance(string PublicId, long Views, long Submissions);

/// <summary>Whether pages carry the line that names Platen.</summary>
/// <param name="Shown">Whether a page that is published now does.</param>
/// <param name="Reason">Why, for people.</param>
public sealed record Branding(bool Shown, string Reason);

/// <summary>How the instances of a workspace were used in a month, and what its plan allows.</summary>
/// <param name="Month">Such as <c>2026-11</c>, in UTC.</param>
/// <param name="Views">All of them.</param>
/// <param name="ViewsAllowed">In a month; null: as many as there are.</param>
/// <param name="Submissions">All of them.</param>
/// <param name="SubmissionsAllowed">In a month; null: as many as there are.</param>
/// <param name="Branding">Whether pages that are published now carry the line that names Platen.</param>
/// <param name="Days">The days on which there was anything.</param>
/// <param name="Instances">Those that were seen most.</param>
public sealed record WorkspaceUsage(
    string Month,
    long Views,
    long? ViewsAllowed,
    long Submissions,
    long? SubmissionsAllowed,
    Branding Branding,
    IReadOnlyList<UsageDay> Days,
    IReadOnlyList<UsageOfInstance> Instances
);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, AllowDuplicateProperties = false)]
[JsonSerializable(typeof(InstanceUsage))]
[JsonSerializable(typeof(WorkspaceUsage))]
internal sealed partial class UsageClientJson : JsonSerializerContext;
