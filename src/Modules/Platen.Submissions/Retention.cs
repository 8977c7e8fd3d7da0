using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using Npgsql;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Submissions;

/// <summary>How long an owner keeps what was sent. Immutable.</summary>
/// <param name="Days">Days after which a submission is removed; null: it stays until it is erased.</param>
/// <param name="Instances">What is different for single instances; null: there they stay.</param>
/// <param name="Revision">Its version; 0 when nobody has said anything yet.</param>
/// <param name="UpdatedAt">When it was changed last.</param>
/// <param name="UpdatedBy">By whom.</param>
internal sealed record Retention(
    int? Days,
    ImmutableSortedDictionary<string, int?> Instances,
    long Revision,
    DateTimeOffset? UpdatedAt,
    string? UpdatedBy
)
{
    private static readonly Retention None = new(
        null,
        ImmutableSortedDictionary<string, int?>.Empty.WithComparers(StringComparer.Ordinal),
        0,
        null,
        null
    );

    [JsonIgnore]
    public string Tag => Precondition.TagOf(Revision);

    /// <summary>Whether anything is ever removed.</summary>
    [JsonIgnore]
    public bool Ends => Days is not null || Instances.Values.Any(days => days is not null);

    /// <summary>The digest of the rule, as JSON with its names in order.</summary>
    [JsonIgnore]
    public Digest Digest => Digest.Of(JsonSerializer.SerializeToUtf8Bytes(new { days = Days, instances = Instances }));

    /// <summary>For how many days what was sent to an instance is kept; null: without end.</summary>
    public int? For(string publicId) => Instances.TryGetValue(publicId, out var days) ? days : Days;

    /// <summary>That of the session's owner.</summary>
    /// <param name="session">Whose.</param>
    /// <param name="locked">Whether it is about to be changed.</param>
    /// <param name="ct">Cancels.</param>
    public static async Task<Retention> FindAsync(Session session, bool locked, CancellationToken ct) =>
        await session.FirstAsync(
            $"""
            select days, instances::text, revision, updated_at, updated_by_name from submissions.retention
            where owner = platform.current_owner(){(locked ? " for update" : "")}
            """,
            Read,
            ct
        ) ?? None;

    private static Retention Read(NpgsqlDataReader row) =>
        new(
            row.IsDBNull(0) ? null : row.GetInt32(0),
            JsonSerializer
                .Deserialize<Dictionary<string, int?>>(row.GetString(1))!
                .ToImmutableSortedDictionary(StringComparer.Ordinal),
            row.GetInt64(2),
            row.GetFieldValue<DateTimeOffset>(3),
            row.GetString(4)
        );
}
