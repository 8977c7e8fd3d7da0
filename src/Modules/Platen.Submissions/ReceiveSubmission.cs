using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using Platen.Access.Workspaces;
using Platen.Kernel;
using Platen.Kernel.Languages;
using Platen.Platform.Events;
using Platen.Platform.Http;
using Platen.Platform.Postgres;
using Platen.Platform.Webhooks;

namespace Platen.Submissions;

/// <summary>What was sent to a form.</summary>
/// <param name="Id">The instance.</param>
/// <param name="Fields">Names and values.</param>
/// <param name="Key">Says that a repetition is one.</param>
/// <param name="DropUnknown">Whether names that the form does not have are left out, or refused.</param>
internal sealed record Post(
    PublicId Id,
    IReadOnlyDictionary<string, string> Fields,
    IdempotencyKey? Key,
    bool DropUnknown
);

/// <summary>What became of a post; whoever sent it is told the same of each.</summary>
internal abstract record Reception
{
    private Reception() { }

    /// <summary>It is kept now.</summary>
    public sealed record Kept(Guid Id, DateTimeOffset ReceivedAt) : Reception;

    /// <summary>It was here already.</summary>
    public sealed record Known(Guid Id, DateTimeOffset ReceivedAt) : Reception;

    /// <summary>A program sent it: it is counted and not kept.</summary>
    public sealed record Trapped(DateTimeOffset At) : Reception;
}

/// <summary>Takes in what a visitor sent.</summary>
internal sealed class ReceiveSubmission(PostgresPools pools, TimeProvider time)
{
    private static readonly Meter Meter = new("Platen.Submissions");

    private static readonly Counter<long> Posts = Meter.CreateCounter<long>(
        "platen.submissions",
        "{submission}",
        "Posts to forms, by what became of them: kept, known (sent again), trapped (a program's), invalid."
    );

    /// <exception cref="ProblemException"><see cref="KernelProblems.Invalid"/>, or
    /// <see cref="WorkspaceProblems.IdempotencyKeyReused"/>.</exception>
    public async Task<Reception> RunAsync(PublishedForm published, Post post, CancellationToken ct)
    {
        if (IsTrapped(post.Fields))
        {
            Count("trapped");
            return new Reception.Trapped(time.GetUtcNow());
        }
        var faults = new List<Fault>();
        var fields = published.Form.Check(post.Fields, post.DropUnknown, faults);
        if (faults.Count > 0)
        {
            Count("invalid");
            throw KernelProblems.Invalid.Because("The form is not filled in as it asks.", faults).AsException();
        }
        var reception = await KeepAsync(published, post, fields, ct);
        if (reception is Reception.Kept)
            published.Kept.Count();
        Count(reception is Reception.Kept ? "kept" : "known");
        return reception;
    }

    private bool IsTrapped(IReadOnlyDictionary<string, string> fields) =>
        (fields.TryGetValue(Form.Trap, out var trap) && trap.Length > 0)
        // A clock that differs from ours says nothing about a hand: only what is just before now does.
        || (
            fields.TryGetValue(Form.StartedAt, out var started)
            && ReadTaken(started) is { } taken
            && taken >= TimeSpan.Zero
            && taken < SubmissionsLimits.FastestHand
        );

    private TimeSpan? ReadTaken(string started) =>
        started is ['+', .. var milliseconds]
            ? uint.TryParse(milliseconds, NumberStyles.None, CultureInfo.InvariantCulture, out var open)
                ? TimeSpan.FromMilliseconds(open)
                : null
            : ReadTime(started) is { } at
                ? time.GetUtcNow() - at
                : null;

    private static DateTimeOffset? ReadTime(string text)
    {
        if (
            long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var milliseconds)
            && milliseconds < 253_402_300_800_000
        )
            return DateTimeOffset.FromUnixTimeMilliseconds(milliseconds);
        return DateTimeOffset.TryParseExact(
            text,
            ["yyyy-MM-dd'T'HH:mm:ssK", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK"],
            CultureInfo.InvariantCulture,
            DateTimeStyles.AssumeUniversal,
            out var time
        )
            ? time
            : null;
    }

    private async Task<Reception> KeepAsync(
        PublishedForm published,
        Post post,
        SortedDictionary<string, string> fields,
        CancellationToken ct
    )
    {
        var publicId = post.Id.ToString();
        var context = new OperationContext(Actor.System, published.Owner, "receive submission");
        var id = post.Key?.IdFor(context.Actor.Id, published.Owner, "submission " + publicId) ?? Guid.CreateVersion7();
        var locale =
            post.Fields.TryGetValue(Form.PageLocale, out var tag) && LanguageTag.TryParse(tag, out var language)
                ? language.ToString()
                : null;
        var json = JsonSerializer.SerializeToUtf8Bytes(fields);
        var hash = Digest.Of(JsonSerializer.SerializeToUtf8Bytes(new { publicId, fields }));
        await using var session = await pools.OpenAsync(context, ct);
        var (outcome, keptId, at) = await session.FirstAsync(
            "select outcome, id, received_at from submissions.receive($1, $2, $3, $4, $5, $6, $7, $8)",
            row => (row.GetString(0), row.GetGuid(1), row.GetFieldValue<DateTimeOffset>(2)),
            ct,
            Sql.Uuid(id),
            Sql.Text(publicId),
            Sql.Text(published.WidgetType),
            Sql.Digest(published.Release),
            Sql.Text(locale),
            Sql.Json(json),
            Sql.Digest(hash),
            new NpgsqlParameter { Value = SubmissionsLimits.SameContent, NpgsqlDbType = NpgsqlDbType.Interval }
        );
        switch (outcome)
        {
            case "kept":
                await WebhookQueue.EnqueueAsync(
                    session,
                    SubmissionEvents.Arrived,
                    JsonSerializer.SerializeToUtf8Bytes(
                        new
                        {
                            id = keptId,
                            publicId,
                            widgetType = published.WidgetType,
                            locale,
                            receivedAt = at,
                            path = PathOf(published.Owner, keptId),
                        }
                    ),
                    ct
                );
                await EventLog.AppendAsync(
                    session,
                    SubmissionEvents.Stream(publicId),
                    SubmissionEvents.Received,
                    JsonSerializer.SerializeToUtf8Bytes(
                        new
                        {
                            id = keptId,
                            publicId,
                            widgetType = published.WidgetType,
                            locale,
                        }
                    ),
                    ct
                );
                await session.CommitAsync(ct);
                return new Reception.Kept(keptId, at);
            case "known":
                return new Reception.Known(keptId, at);
            default:
                throw WorkspaceProblems
                    .IdempotencyKeyReused.Because("The key came before with other fields.")
                    .AsException();
        }
    }

    private static string PathOf(OwnerId owner, Guid id) =>
        $"/v1/submissions/{id}" + (owner.IsPlatform ? "" : $"?workspace={owner}");

    private static void Count(string outcome) => Posts.Add(1, new KeyValuePair<string, object?>("outcome", outcome));
}
