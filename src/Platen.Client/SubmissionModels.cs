using System.Text.Json.Serialization;

namespace Platen.Client;

/// <summary>What a visitor sent with a form.</summary>
/// <param name="Id">Its id.</param>
/// <param name="PublicId">The instance whose form it was.</param>
/// <param name="WidgetType">The instance's type.</param>
/// <param name="ReleaseDigest">The release whose form was filled in.</param>
/// <param name="Locale">The language of the page; null when it is not known.</param>
/// <param name="ReceivedAt">When it arrived.</param>
/// <param name="Fields">The answers by the key of their field; what was left empty is not among them.</param>
public sealed record Submission(
    Guid Id,
    string PublicId,
    string WidgetType,
    string ReleaseDigest,
    string? Locale,
    DateTimeOffset ReceivedAt,
    IReadOnlyDictionary<string, string> Fields
);

/// <summary>Which submissions of an instance are meant.</summary>
/// <param name="From">A date or an RFC 3339 time: received then or later; null from the first.</param>
/// <param name="To">Received before; null to the last.</param>
/// <param name="Search">A text that one of the answers holds, in any case; null for all.</param>
public sealed record SubmissionQuery(string? From = null, string? To = null, string? Search = null);

/// <summary>How long what was sent is kept.</summary>
/// <param name="Days">1 to 3650 days; null: until it is erased.</param>
/// <param name="Instances">What is different for single instances, by their public id.</param>
public sealed record SubmissionRetention(int? Days, IReadOnlyDictionary<string, int?> Instances);

internal sealed record PersonOrder(string Person);

/// <summary>Erasing what a person sent, as far as it is.</summary>
/// <param name="Id">What to ask for until it is done; null when it was done at once.</param>
/// <param name="Status"><c>done</c>, <c>running</c> or <c>failed</c>.</param>
/// <param name="Count">Submissions that are gone.</param>
/// <param name="LookedAt">Submissions looked at.</param>
/// <param name="JobId">The job that was given up, when it has failed; null when the server does not know it any more.</param>
public sealed record SubmissionErasure(Guid? Id, string Status, long Count, long LookedAt, Guid? JobId = null)
{
    /// <summary>Whether the server gave it up: some are erased, and it goes on when it is asked again for the same address.</summary>
    [JsonIgnore]
    public bool IsFailed => Status == "failed";

    /// <summary>Whether that is all.</summary>
    [JsonIgnore]
    public bool IsDone => Status == "done";
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, AllowDuplicateProperties = false)]
[JsonSerializable(typeof(Page<Submission>))]
[JsonSerializable(typeof(SubmissionRetention))]
[JsonSerializable(typeof(PersonOrder))]
[JsonSerializable(typeof(SubmissionErasure))]
internal sealed partial class SubmissionsClientJson : JsonSerializerContext;
