using Platen.Kernel;

namespace Platen.Client;

public sealed partial class PlatenClient
{
    /// <summary>What was sent to an instance, newest first, page after page until all are read.</summary>
    /// <param name="id">The instance.</param>
    /// <param name="query">Which of them.</param>
    /// <param name="ct">Cancels.</param>
    public IAsyncEnumerable<Submission> ListSubmissionsAsync(PublicId id, SubmissionQuery query, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(query);
        return ListAsync(
            cursor =>
                $"v1/instances/{id}/submissions"
                + Query(("from", query.From), ("to", query.To), ("q", query.Search), ("cursor", cursor)),
            SubmissionsClientJson.Default.PageSubmission,
            ct
        );
    }

    /// <summary>The same as one file, oldest first.</summary>
    /// <param name="id">The instance.</param>
    /// <param name="format"><c>csv</c>, which runs nothing in a spreadsheet, or <c>json</c>.</param>
    /// <param name="query">Which of them.</param>
    /// <param name="ct">Cancels.</param>
    /// <returns>UTF-8, at most <see cref="PlatenClientOptions.AnswerBytes"/>: ask for shorter spans of time beyond.</returns>
    public async Task<byte[]> ExportSubmissionsAsync(
        PublicId id,
        string format,
        SubmissionQuery query,
        CancellationToken ct
    )
    {
        ArgumentNullException.ThrowIfNull(query);
        using var answer = await SendAsync(
            HttpMethod.Get,
            $"v1/instances/{id}/submissions:export"
                + Query(("format", format), ("from", query.From), ("to", query.To), ("q", query.Search)),
            null,
            null,
            ct
        );
        return await answer.Content.ReadAsByteArrayAsync(ct);
    }

    /// <summary>Erases one submission for good.</summary>
    /// <param name="workspace">Whose: a slug or an id; null for the key's own owner.</param>
    /// <param name="id">Its id.</param>
    /// <param name="ct">Cancels.</param>
    public async Task EraseSubmissionAsync(string? workspace, Guid id, CancellationToken ct)
    {
        using var answer = await SendAsync(
            HttpMethod.Delete,
            $"v1/submissions/{id:D}" + Query(("workspace", workspace)),
            null,
            null,
            ct
        );
    }

    /// <summary>
    /// Erases every submission that has an e-mail address as one of its answers, for good. Many are erased in steps, by the server: ask
    /// for <see cref="SubmissionErasure.Id"/> until it is done.
    /// </summary>
    /// <param name="workspace">Whose: a slug or an id; null for the key's own owner.</param>
    /// <param name="address">The person's address, in any case.</param>
    /// <param name="ct">Cancels the question, not what is under way.</param>
    public Task<SubmissionErasure> EraseSubmissionsOfAsync(string? workspace, string address, CancellationToken ct) =>
        PostAsync(
            "v1/submissions:erase" + Query(("workspace", workspace)),
            new PersonOrder(address),
            SubmissionsClientJson.Default.PersonOrder,
            SubmissionsClientJson.Default.SubmissionErasure,
            once: false,
            ct
        );

    /// <summary>How far erasing is.</summary>
    /// <param name="workspace">Whose: a slug or an id; null for the key's own owner.</param>
    /// <param name="id">The erasure's id.</param>
    /// <param name="ct">Cancels.</param>
    public Task<SubmissionErasure> GetErasureAsync(string? workspace, Guid id, CancellationToken ct) =>
        GetAsync(
            $"v1/submissions/erasures/{id:D}" + Query(("workspace", workspace)),
            SubmissionsClientJson.Default.SubmissionErasure,
            ct
        );

    /// <summary>How long a workspace keeps what was sent, with its version.</summary>
    /// <param name="workspace">Its slug or id; <c>platform</c> for the platform.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<Versioned<SubmissionRetention>> GetSubmissionRetentionAsync(
        string workspace,
        CancellationToken ct
    )
    {
        using var answer = await SendAsync(HttpMethod.Get, Of(workspace) + "/submission-retention", null, null, ct);
        return await ReadVersionedAsync(answer, SubmissionsClientJson.Default.SubmissionRetention, ct);
    }

    /// <summary>Says how long a workspace keeps what was sent; what is older is removed at once.</summary>
    public async Task<SubmissionRetention> SetSubmissionRetentionAsync(
        string workspace,
        SubmissionRetention retention,
        Precondition condition,
        CancellationToken ct
    )
    {
        using var answer = await PutAsync(
            Of(workspace) + "/submission-retention",
            retention,
            SubmissionsClientJson.Default.SubmissionRetention,
            condition,
            ct
        );
        return await ReadAsync(answer, SubmissionsClientJson.Default.SubmissionRetention, ct);
    }
}
