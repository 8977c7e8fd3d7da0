using System.Globalization;
using System.Runtime.CompilerServices;

namespace Platen.Client;

public sealed partial class PlatenClient
{
    /// <summary>The audit log, newest first, page after page for as long as the caller goes on.</summary>
    /// <param name="workspace">Whose: a slug or an id; null for the key's own owner.</param>
    /// <param name="query">Which entries.</param>
    /// <param name="ct">Cancels.</param>
    public IAsyncEnumerable<AuditEntry> ListAuditAsync(string? workspace, AuditQuery query, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(query);
        return ListAsync(
            cursor => AuditOf(workspace, "", query, ("cursor", cursor)),
            AuditClientJson.Default.PageAuditEntry,
            ct
        );
    }

    /// <summary>The same as one file, oldest first, piece by piece as it arrives: it may be larger than memory.</summary>
    /// <param name="workspace">Whose: a slug or an id; null for the key's own owner.</param>
    /// <param name="format"><c>csv</c>, which runs nothing in a spreadsheet, or <c>jsonl</c>: an entry a line.</param>
    /// <param name="query">Which entries.</param>
    /// <param name="ct">Cancels.</param>
    /// <returns>UTF-8. A piece holds until the next one is asked for.</returns>
    /// <exception cref="PlatenUnreachableException">The server does not answer, or the file was cut off.</exception>
    public async IAsyncEnumerable<ReadOnlyMemory<byte>> ExportAuditAsync(
        string? workspace,
        string format,
        AuditQuery query,
        [EnumeratorCancellation] CancellationToken ct
    )
    {
        ArgumentNullException.ThrowIfNull(query);
        using var request = NewRequest(HttpMethod.Get, AuditOf(workspace, ":export", query, ("format", format)));
        using var answer = await OpenAsync(request, "the export did not begin", ct);
        await using var body = new WatchedStream(
            await answer.Content.ReadAsStreamAsync(ct),
            options.AttemptTimeout,
            options.Time
        );
        var buffer = new byte[64 * 1024];
        while (await ReadPieceAsync(body, buffer, ct) is > 0 and var count)
            yield return buffer.AsMemory(0, count);
    }

    /// <summary>The people of the whole server, page after page until all are read. For operators.</summary>
    /// <param name="email">Only who has this address; null for all.</param>
    /// <param name="ct">Cancels.</param>
    public IAsyncEnumerable<PersonInfo> ListPeopleAsync(string? email, CancellationToken ct) =>
        ListAsync(
            cursor => "v1/people" + Query(("email", email), ("cursor", cursor)),
            AuditClientJson.Default.PagePersonInfo,
            ct
        );

    /// <summary>Adds a person; they are mailed a link to choose a password. For operators.</summary>
    public Task<PersonInfo> AddPersonAsync(string displayName, string email, CancellationToken ct) =>
        PostAsync(
            "v1/people",
            new NewPersonOrder(displayName, email),
            AuditClientJson.Default.NewPersonOrder,
            AuditClientJson.Default.PersonInfo,
            once: false,
            ct
        );

    /// <summary>Lets a person sign in no more, and ends everything they are signed in with. For operators.</summary>
    public Task<PersonInfo> DisablePersonAsync(Guid id, CancellationToken ct) => ChangePersonAsync(id, "disable", ct);

    /// <summary>Lets a person sign in again. For operators.</summary>
    public Task<PersonInfo> EnablePersonAsync(Guid id, CancellationToken ct) => ChangePersonAsync(id, "enable", ct);

    /// <summary>Deletes a person's account for good; what they did stays on record. For operators.</summary>
    public async Task DeletePersonAsync(Guid id, CancellationToken ct)
    {
        using var answer = await SendAsync(HttpMethod.Delete, $"v1/people/{id:D}", null, null, ct);
    }

    private async Task<PersonInfo> ChangePersonAsync(Guid id, string how, CancellationToken ct)
    {
        using var answer = await SendAsync(HttpMethod.Post, $"v1/people/{id:D}/{how}", null, [], ct);
        return await ReadAsync(answer, AuditClientJson.Default.PersonInfo, ct);
    }

    private static string AuditOf(
        string? workspace,
        string what,
        AuditQuery query,
        (string Name, string? Value) further
    ) =>
        (workspace is null ? "v1/audit" : Of(workspace) + "/audit")
        + what
        + Query(
            ("actor", query.Actor?.ToString("D", CultureInfo.InvariantCulture)),
            ("action", query.Action),
            ("subject", query.Subject),
            ("from", query.From),
            ("to", query.To),
            further
        );

    private async Task<int> ReadPieceAsync(Stream body, byte[] buffer, CancellationToken ct)
    {
        try
        {
            return await body.ReadAsync(buffer, ct);
        }
        catch (Exception e) when (e is IOException or TimeoutException or HttpRequestException)
        {
            throw new PlatenUnreachableException(
                Server,
                "the file was cut off before its end.",
                "Run it again; a shorter span of time is a shorter file.",
                e
            );
        }
    }
}
