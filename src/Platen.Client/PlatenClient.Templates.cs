using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Kernel.Versions;

namespace Platen.Client;

/// <summary>What a caller wants of a template.</summary>
/// <param name="Version">An exact version, a range, or a channel; null for the default.</param>
/// <param name="Environment">Where it is used, such as <c>production</c>: pins may hold there.</param>
/// <param name="Key">Decides the side of a trial; null leaves it to the caller.</param>
/// <param name="Artifact">Which file; all null lists them.</param>
public sealed record TemplateQuestion(
    string? Version = null,
    string? Environment = null,
    string? Key = null,
    ArtifactQuery Artifact = default
);

public sealed partial class PlatenClient
{
    /// <summary>The templates of the key's owner, page after page until all are read.</summary>
    /// <param name="search">Only those whose name, description or changelogs contain it; null for all.</param>
    /// <param name="ct">Cancels.</param>
    public async IAsyncEnumerable<TemplateSummary> ListTemplatesAsync(
        string? search,
        [EnumeratorCancellation] CancellationToken ct
    )
    {
        string? cursor = null;
        do
        {
            var page = await GetAsync(
                TemplatesPath
                    + Query(
                        ("q", search),
                        ("cursor", cursor),
                        ("limit", Limits.PageItems.ToString(CultureInfo.InvariantCulture))
                    ),
                TemplatesJson.Default.PageTemplateSummary,
                ct
            );
            foreach (var template in OrEmpty(page.Items))
                yield return template;
            cursor = page.NextCursor;
        } while (cursor is not null);
    }

    /// <summary>A template, or null when there is none that the key may know of.</summary>
    public Task<Versioned<TemplateDetail>?> FindTemplateAsync(TemplateName name, CancellationToken ct) =>
        FindAsync(TemplatePath(name), TemplatesJson.Default.TemplateDetail, ct);

    /// <summary>Makes a template, describes it, or switches it on or off.</summary>
    public async Task<Versioned<TemplateDetail>> PutTemplateAsync(
        TemplateName name,
        TemplateContent content,
        Precondition condition,
        CancellationToken ct
    )
    {
        using var answer = await PutAsync(
            TemplatePath(name),
            content,
            TemplatesJson.Default.TemplateContent,
            condition,
            ct
        );
        return await ReadVersionedAsync(answer, TemplatesJson.Default.TemplateDetail, ct);
    }

    /// <summary>A version with its files, or null when there is none.</summary>
    public Task<Versioned<TemplateVersionDetail>?> FindTemplateVersionAsync(
        TemplateName name,
        SemVer version,
        CancellationToken ct
    ) => FindAsync(VersionPath(name, version), TemplatesJson.Default.TemplateVersionDetail, ct);

    /// <summary>Every version, highest first.</summary>
    public async IAsyncEnumerable<TemplateVersionSummary> ListTemplateVersionsAsync(
        TemplateName name,
        [EnumeratorCancellation] CancellationToken ct
    )
    {
        string? cursor = null;
        do
        {
            var page = await GetAsync(
                TemplatePath(name)
                    + "/versions"
                    + Query(("cursor", cursor), ("limit", Limits.PageItems.ToString(CultureInfo.InvariantCulture))),
                TemplatesJson.Default.PageTemplateVersionSummary,
                ct
            );
            foreach (var version in OrEmpty(page.Items))
                yield return version;
            cursor = page.NextCursor;
        } while (cursor is not null);
    }

    /// <summary>Which of the digests the server has no bytes for.</summary>
    /// <param name="name">The template they are for.</param>
    /// <param name="digests">At most <see cref="TemplateLimits.Artifacts"/>.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<ImmutableArray<Digest>> FindMissingBlobsAsync(
        TemplateName name,
        ImmutableArray<Digest> digests,
        CancellationToken ct
    )
    {
        using var answer = await SendAsync(
            HttpMethod.Post,
            TemplatePath(name) + "/blobs:missing",
            null,
            JsonSerializer.SerializeToUtf8Bytes(new DigestList(digests), TemplatesJson.Default.DigestList),
            ct
        );
        return OrEmpty((await ReadAsync(answer, TemplatesJson.Default.MissingDigests, ct)).Missing);
    }

    /// <summary>Removes versions that are past their time and that nothing names, or tells which would go.</summary>
    /// <param name="name">The template.</param>
    /// <param name="order">What is past its time.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<TemplateExpiry> ExpireTemplateVersionsAsync(
        TemplateName name,
        TemplateExpiryOrder order,
        CancellationToken ct
    )
    {
        using var answer = await SendAsync(
            HttpMethod.Post,
            TemplatePath(name) + "/versions:expire",
            null,
            JsonSerializer.SerializeToUtf8Bytes(order, TemplatesJson.Default.TemplateExpiryOrder),
            ct
        );
        return await ReadAsync(answer, TemplatesJson.Default.TemplateExpiry, ct);
    }

    /// <summary>Which versions go by themselves, with its version.</summary>
    public async Task<Versioned<TemplateRetention>> GetTemplateRetentionAsync(CancellationToken ct)
    {
        using var answer = await SendAsync(HttpMethod.Get, TemplateRetentionPath, null, null, ct);
        return await ReadVersionedAsync(answer, TemplatesJson.Default.TemplateRetention, ct);
    }

    /// <summary>Says which versions go by themselves; what is past its time goes at once.</summary>
    public async Task<TemplateRetention> SetTemplateRetentionAsync(
        TemplateRetention retention,
        Precondition condition,
        CancellationToken ct
    )
    {
        using var answer = await PutAsync(
            TemplateRetentionPath,
            retention,
            TemplatesJson.Default.TemplateRetention,
            condition,
            ct
        );
        return await ReadAsync(answer, TemplatesJson.Default.TemplateRetention, ct);
    }

    /// <summary>Uploads bytes under their digest. Sending what is there already is harmless.</summary>
    public async Task PutTemplateBlobAsync(TemplateName name, Digest digest, byte[] bytes, CancellationToken ct)
    {
        using var answer = await SendAsync(
            HttpMethod.Put,
            BlobPath(name, digest),
            null,
            bytes,
            ct,
            contentType: "application/octet-stream"
        );
    }

    /// <summary>The bytes of a file of one of the template's versions; they are verified.</summary>
    /// <exception cref="PlatenAnswerException">The answer's bytes do not have the digest.</exception>
    public async Task<byte[]> GetTemplateBlobAsync(TemplateName name, Digest digest, CancellationToken ct)
    {
        using var answer = await SendAsync(HttpMethod.Get, BlobPath(name, digest), null, null, ct);
        var bytes = await answer.Content.ReadAsByteArrayAsync(ct);
        return Digest.Of(bytes) == digest
            ? bytes
            : throw new PlatenAnswerException(
                $"{answer.RequestMessage?.RequestUri} answered {Digest.Of(bytes)}: the bytes were changed on their way.",
                "Look at what stands between you and the server; 'platen doctor' checks the server itself."
            );
    }

    /// <summary>Makes a version of files whose bytes the server has.</summary>
    public async Task<Versioned<TemplateCommitOutcome>> CommitTemplateVersionAsync(
        TemplateName name,
        SemVer version,
        TemplateCommit commit,
        Precondition condition,
        CancellationToken ct
    )
    {
        using var answer = await PutAsync(
            VersionPath(name, version),
            commit,
            TemplatesJson.Default.TemplateCommit,
            condition,
            ct
        );
        return await ReadVersionedAsync(answer, TemplatesJson.Default.TemplateCommitOutcome, ct);
    }

    /// <summary>Takes a version forward: stable, deprecated, or another changelog.</summary>
    public async Task<Versioned<TemplateVersionDetail>> ChangeTemplateVersionAsync(
        TemplateName name,
        SemVer version,
        TemplateVersionChange change,
        Precondition condition,
        CancellationToken ct
    )
    {
        using var answer = await SendAsync(
            HttpMethod.Patch,
            VersionPath(name, version),
            condition,
            JsonSerializer.SerializeToUtf8Bytes(change, TemplatesJson.Default.TemplateVersionChange),
            ct
        );
        return await ReadVersionedAsync(answer, TemplatesJson.Default.TemplateVersionDetail, ct);
    }

    /// <summary>What differs between two versions.</summary>
    public Task<TemplateDifference> DiffTemplateVersionsAsync(
        TemplateName name,
        SemVer from,
        SemVer to,
        CancellationToken ct
    ) =>
        GetAsync(
            TemplatePath(name) + "/diff" + Query(("from", from.ToString()), ("to", to.ToString())),
            TemplatesJson.Default.TemplateDifference,
            ct
        );

    /// <summary>The channels of a template, without their moves.</summary>
    public async Task<ImmutableArray<TemplateChannel>> ListTemplateChannelsAsync(
        TemplateName name,
        CancellationToken ct
    ) =>
        OrEmpty(
            (await GetAsync(TemplatePath(name) + "/channels", TemplatesJson.Default.TemplateChannelList, ct)).Items
        );

    /// <summary>A channel with its latest moves, or null when it never moved.</summary>
    public Task<Versioned<TemplateChannel>?> FindTemplateChannelAsync(
        TemplateName name,
        string channel,
        CancellationToken ct
    ) => FindAsync(ChannelPath(name, channel), TemplatesJson.Default.TemplateChannel, ct);

    /// <summary>Moves a channel, or asks for the move when the channel is protected.</summary>
    public async Task<TemplateMoveOutcome> MoveTemplateChannelAsync(
        TemplateName name,
        string channel,
        TemplateChannelOrder order,
        Precondition condition,
        CancellationToken ct
    )
    {
        using var answer = await PutAsync(
            ChannelPath(name, channel),
            order,
            TemplatesJson.Default.TemplateChannelOrder,
            condition,
            ct
        );
        return answer.StatusCode == HttpStatusCode.Accepted
            ? new TemplateMoveOutcome(null, await ReadAsync(answer, TemplatesJson.Default.TemplateMoveRequest, ct))
            : new TemplateMoveOutcome(await ReadAsync(answer, TemplatesJson.Default.TemplateChannel, ct), null);
    }

    /// <summary>The moves that were asked for, latest first.</summary>
    /// <param name="name">The template.</param>
    /// <param name="state"><c>open</c>, <c>approved</c> or <c>rejected</c>; null for all.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<ImmutableArray<TemplateMoveRequest>> ListMoveRequestsAsync(
        TemplateName name,
        string? state,
        CancellationToken ct
    ) =>
        OrEmpty(
            (
                await GetAsync(
                    TemplatePath(name) + "/move-requests" + Query(("state", state)),
                    TemplatesJson.Default.TemplateMoveRequestList,
                    ct
                )
            ).Items
        );

    /// <summary>Decides a move that somebody else asked for.</summary>
    public async Task<TemplateMoveRequest> DecideMoveRequestAsync(
        TemplateName name,
        Guid id,
        bool approve,
        string? reason,
        CancellationToken ct
    )
    {
        using var answer = await PutAsync(
            $"{TemplatePath(name)}/move-requests/{id}/decision",
            new MoveDecision(approve, reason),
            TemplatesJson.Default.MoveDecision,
            new Precondition.OneOf(["\"open\""]),
            ct
        );
        return await ReadAsync(answer, TemplatesJson.Default.TemplateMoveRequest, ct);
    }

    /// <summary>Puts a channel under protection: from then on a second person has to agree to each move of it.</summary>
    /// <param name="name">The template.</param>
    /// <param name="channel">A channel that is not protected, and that the server does not move by itself.</param>
    /// <param name="ct">Cancels.</param>
    public async Task ProtectTemplateChannelAsync(TemplateName name, string channel, CancellationToken ct)
    {
        using var answer = await SendAsync(
            HttpMethod.Put,
            ChannelPath(name, channel) + "/protection",
            new Precondition.Absent(),
            null,
            ct
        );
    }

    /// <summary>Asks for the end of a channel's protection; a second person decides.</summary>
    public async Task<TemplateMoveRequest> AskToEndProtectionAsync(
        TemplateName name,
        string channel,
        CancellationToken ct
    )
    {
        using var answer = await SendAsync(
            HttpMethod.Delete,
            ChannelPath(name, channel) + "/protection",
            new Precondition.OneOf(["\"protected\""]),
            null,
            ct
        );
        return await ReadAsync(answer, TemplatesJson.Default.TemplateMoveRequest, ct);
    }

    /// <summary>The pins of a template, in the order of their environments.</summary>
    public async Task<ImmutableArray<TemplatePin>> ListTemplatePinsAsync(TemplateName name, CancellationToken ct) =>
        OrEmpty((await GetAsync(TemplatePath(name) + "/pins", TemplatesJson.Default.TemplatePinList, ct)).Items);

    /// <summary>Gives an environment one version, whatever its callers ask for short of an exact version.</summary>
    /// <param name="name">The template.</param>
    /// <param name="environment">Such as <c>production</c>; <c>*</c> for everywhere.</param>
    /// <param name="version">A stable or deprecated version.</param>
    /// <param name="reason">Why; whoever resolves sees it. May be null.</param>
    /// <param name="condition">The pin that was seen.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<TemplatePin> PinTemplateAsync(
        TemplateName name,
        string environment,
        SemVer version,
        string? reason,
        Precondition condition,
        CancellationToken ct
    )
    {
        using var answer = await PutAsync(
            PinPath(name, environment),
            new TemplatePinOrder(version.ToString(), reason),
            TemplatesJson.Default.TemplatePinOrder,
            condition,
            ct
        );
        return await ReadAsync(answer, TemplatesJson.Default.TemplatePin, ct);
    }

    /// <summary>Ends a pin.</summary>
    public async Task UnpinTemplateAsync(
        TemplateName name,
        string environment,
        Precondition condition,
        CancellationToken ct
    )
    {
        using var answer = await SendAsync(HttpMethod.Delete, PinPath(name, environment), condition, null, ct);
    }

    /// <summary>The trials of a channel with what was recorded of them, latest first.</summary>
    public async Task<ImmutableArray<TemplateTrialReport>> ListTemplateTrialsAsync(
        TemplateName name,
        string channel,
        CancellationToken ct
    ) =>
        OrEmpty(
            (await GetAsync(ChannelPath(name, channel) + "/trials", TemplatesJson.Default.TemplateTrialList, ct)).Items
        );

    /// <summary>Records how callers fared with the versions on trial.</summary>
    public async Task<TemplateOutcomesRecorded> RecordTemplateOutcomesAsync(
        TemplateName name,
        string channel,
        ImmutableArray<TemplateOutcome> outcomes,
        CancellationToken ct
    )
    {
        using var answer = await SendAsync(
            HttpMethod.Post,
            ChannelPath(name, channel) + "/outcomes",
            null,
            JsonSerializer.SerializeToUtf8Bytes(new TemplateOutcomes(outcomes), TemplatesJson.Default.TemplateOutcomes),
            ct
        );
        return await ReadAsync(answer, TemplatesJson.Default.TemplateOutcomesRecorded, ct);
    }

    /// <summary>Which version the caller gets, and why.</summary>
    public async Task<TemplateResolution> ResolveTemplateAsync(
        TemplateName name,
        TemplateQuestion question,
        CancellationToken ct
    ) => (await ResolveTemplateAsync(name, question, default, ct))!.Value;

    /// <summary>As <see cref="ResolveTemplateAsync(TemplateName, TemplateQuestion, CancellationToken)"/>, asked once and not again.</summary>
    /// <param name="name">The template.</param>
    /// <param name="question">What is wanted of it.</param>
    /// <param name="known">The tag of an answer that the caller has.</param>
    /// <param name="ct">Cancels.</param>
    /// <returns>Null when the answer is still the one that the caller has (304).</returns>
    public async Task<Versioned<TemplateResolution>?> ResolveTemplateAsync(
        TemplateName name,
        TemplateQuestion question,
        EntityTag known,
        CancellationToken ct
    )
    {
        var path =
            TemplatePath(name)
            + "/resolve"
            + Query(
                ("version", question.Version),
                ("environment", question.Environment),
                ("key", question.Key),
                ("kind", question.Artifact.Kind),
                ("role", question.Artifact.Role),
                ("path", question.Artifact.Path),
                ("locale", question.Artifact.Locale)
            );
        using var request = NewRequest(HttpMethod.Get, path);
        if (!known.IsNone)
            request.Headers.IfNoneMatch.Add(new EntityTagHeaderValue(known.ToString()));
        using var timeout = new CancellationTokenSource(options.AttemptTimeout, options.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, timeout.Token);
        try
        {
            using var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
            await answer.Content.LoadIntoBufferAsync(options.AnswerBytes, either.Token);
            if (answer.StatusCode == HttpStatusCode.NotModified && !known.IsNone)
                return null;
            if (!answer.IsSuccessStatusCode)
                throw await RefusalAsync(answer, 1, either.Token);
            var resolution = await ReadVersionedAsync(answer, TemplatesJson.Default.TemplateResolution, either.Token);
            RefuseChanged(answer, resolution.Tag, await answer.Content.ReadAsByteArrayAsync(either.Token));
            return resolution;
        }
        catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
        {
            throw new PlatenUnreachableException(
                Server,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"no answer to GET /{path} within {options.AttemptTimeout.TotalSeconds:0.#} s."
                ),
                "See what the server is busy with ('platen doctor').",
                e
            );
        }
        catch (HttpRequestException e)
        {
            throw Unreachable(e);
        }
    }

    /// <summary>The tag of such an answer is its digest. One that is something else was given by whatever stands between.</summary>
    private static void RefuseChanged(HttpResponseMessage answer, EntityTag tag, byte[] body)
    {
        if (
            Digest.TryParse("sha256:" + tag.ToString().Trim('"'), out var stated)
            && Digest.Of(body) is var actual
            && actual != stated
        )
        {
            throw new PlatenAnswerException(
                $"{answer.RequestMessage?.RequestUri} answered {actual}, and called it {stated}: the answer was changed on its way.",
                "Check what stands between this machine and the server."
            );
        }
    }

    private string TemplatesPath =>
        options.TemplatesOf is { } workspace ? $"v1/workspaces/{Segment(workspace)}/templates" : "v1/templates";

    private string TemplateRetentionPath =>
        options.TemplatesOf is { } workspace
            ? $"v1/workspaces/{Segment(workspace)}/template-retention"
            : "v1/template-retention";

    private string TemplatePath(TemplateName name) => $"{TemplatesPath}/{Segment(name.Value)}";

    private string VersionPath(TemplateName name, SemVer version) =>
        $"{TemplatePath(name)}/versions/{Segment(version.ToString())}";

    private string ChannelPath(TemplateName name, string channel) =>
        $"{TemplatePath(name)}/channels/{Segment(channel)}";

    private string PinPath(TemplateName name, string environment) =>
        $"{TemplatePath(name)}/pins/{Segment(environment)}";

    private string BlobPath(TemplateName name, Digest digest) => $"{TemplatePath(name)}/blobs/{digest}";
}
