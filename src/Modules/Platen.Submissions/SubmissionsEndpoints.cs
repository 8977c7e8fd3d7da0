using System.Buffers;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Kernel.Languages;
using Platen.Platform.Embedding;
using Platen.Platform.Http;
using Platen.Platform.Http.RateLimits;

namespace Platen.Submissions;

/// <summary>A page of submissions, newest first.</summary>
/// <param name="Items">Of this page.</param>
/// <param name="NextCursor">Null on the last page.</param>
/// <param name="KeptForDays">How old they become; null: they stay until they are erased.</param>
internal sealed record SubmissionListView(IReadOnlyList<Submission> Items, string? NextCursor, int? KeptForDays);

/// <summary>What a script is told of its post. Of a program's the id is of nothing.</summary>
internal sealed record ReceivedView(Guid Id, DateTimeOffset ReceivedAt);

/// <summary>Erasing what a person sent, as far as it is.</summary>
/// <param name="Id">What to ask for until it is done; null when it was done at once.</param>
/// <param name="Status"><c>done</c>, <c>running</c>, or <c>failed</c>: its job was given up. Asking again for the same person goes on.</param>
/// <param name="Count">Submissions that are gone.</param>
/// <param name="LookedAt">Submissions looked at.</param>
/// <param name="JobId">The job that was given up, which can be retried as well; null when it is not known any more, or has not failed.</param>
internal sealed record ErasureView(Guid? Id, string Status, long Count, long LookedAt, Guid? JobId)
{
    public static ErasureView Of(Erasure erasure) =>
        new(
            erasure.Id,
            erasure.IsDone ? "done"
                : erasure.HasFailed ? "failed"
                : "running",
            erasure.Erased,
            erasure.LookedAt,
            erasure.HasFailed ? erasure.Job : null
        );
}

/// <summary>The routes of the module, and who may use each.</summary>
internal static class SubmissionsEndpoints
{
    private const string Bare = "what is erased leaves nothing by which it could be known";
    private const string Rule = "in the workspace that the instance belongs to, or the platform for its own";

    private static readonly JsonSerializerOptions FileJson = new(JsonSerializerDefaults.Web)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static void Map(IEndpointRouteBuilder app)
    {
        // Visitors have no credential. The form's own list of origins is asked once the form is known, and a page in a sandboxed frame has
        // none: so the general rule about origins does not stand before it.
        app.MapPost("/s/{publicId}", Receive)
            .WithName("submitForm")
            .WithTags("submissions")
            .Accepts<Dictionary<string, string>>("application/json", PostedFields.FormMediaType)
            .Produces<ReceivedView>(StatusCodes.Status201Created)
            .Produces(StatusCodes.Status200OK, contentType: "text/html")
            .Produces(StatusCodes.Status303SeeOther)
            .Refuses(KernelProblems.Unauthenticated, HttpProblems.OriginNotAllowed)
            .WithMetadata(new TakesIdempotencyKey())
            .RateLimited(RateLimitPolicies.Submission)
            .NotAudited("a visitor is nobody; the event says that something was sent")
            .OpenToEveryOrigin()
            .AllowAnonymous();

        // What people wrote is personal: reading it takes a scope of its own, where the form belongs.
        app.MapGet("/v1/instances/{publicId}/submissions", List)
            .WithName("listSubmissions")
            .WithTags("submissions")
            .NeedsCaller($"{Scopes.SubmissionsRead} {Rule}");
        app.MapGet("/v1/instances/{publicId}/submissions:export", Export)
            .WithName("exportSubmissions")
            .WithTags("submissions")
            .Produces(200, contentType: "text/csv", additionalContentTypes: "application/json")
            .DisableRequestTimeout()
            .NeedsCaller($"{Scopes.SubmissionsRead} {Rule}");
        app.MapGet("/v1/submissions/{id:guid}", Read)
            .WithName("getSubmission")
            .WithTags("submissions")
            .NeedsCaller($"{Scopes.SubmissionsRead} in the workspace");
        // Whoever may erase may say when it happens by itself.
        app.MapGet("/v1/workspaces/{ws}/submission-retention", ReadRetention)
            .WithName("getSubmissionRetention")
            .WithTags("submissions")
            .NeedsWorkspace(Scopes.SubmissionsRead, platformToo: true);
        app.MapPut("/v1/workspaces/{ws}/submission-retention", ChangeRetention)
            .WithName("setSubmissionRetention")
            .WithTags("submissions")
            .Accepts<SetRetention.Body>("application/json")
            .Audited(SubmissionEvents.RetentionChanged)
            .LeavesNothing("it is so already")
            .WithoutDigests(Bare, SubmissionEvents.Expired)
            .NeedsWorkspace(Scopes.SubmissionsWrite, platformToo: true);
        // How often something was seen says nothing about anybody: whoever sees the instance sees it.
        app.MapGet("/v1/instances/{publicId}/usage", InstanceUsage)
            .WithName("getInstanceUsage")
            .WithTags("usage")
            .NeedsCaller($"{Scopes.InstancesRead} {Rule}");
        app.MapGet("/v1/workspaces/{ws}/usage", WorkspaceUsage)
            .WithName("getWorkspaceUsage")
            .WithTags("usage")
            .NeedsWorkspace(Scopes.WorkspaceRead, platformToo: true);
        app.MapDelete("/v1/submissions/{id:guid}", Erase)
            .WithName("eraseSubmission")
            .WithTags("submissions")
            .Audited(SubmissionEvents.Erased)
            .WithoutDigests(Bare, SubmissionEvents.Erased)
            .NeedsCaller($"{Scopes.SubmissionsWrite} in the workspace");
        app.MapPost("/v1/submissions:erase", ErasePerson)
            .WithName("eraseSubmissionsOfPerson")
            .WithTags("submissions")
            .Accepts<EraseSubmissions.Body>("application/json")
            .Audited(SubmissionEvents.Erased)
            .WithoutDigests(Bare, SubmissionEvents.Erased)
            .NeedsCaller($"{Scopes.SubmissionsWrite} in the workspace");
        app.MapGet("/v1/submissions/erasures/{id:guid}", ReadErasure)
            .WithName("getErasure")
            .WithTags("submissions")
            .NeedsCaller($"{Scopes.SubmissionsWrite} in the workspace");
    }

    private static async Task<IResult> Receive(
        string publicId,
        PublishedForms forms,
        ReceiveSubmission receive,
        EmbedTokenVerifier embedTokens,
        HttpContext context,
        CancellationToken ct
    )
    {
        context.Response.Headers.CacheControl = "no-store";
        if (!PublicId.TryParse(publicId, out var id) || await forms.FindAsync(id, ct) is not { } published)
            throw KernelProblems.NotFound.Because("There is no published form of that id.").AsException();
        if (!published.IsPrivate)
            CheckOrigin(context.Request, published);
        var isTyped = MediaTypeHeaderValue.TryParse(context.Request.ContentType, out var sent);
        var token = published.IsPrivate ? Admit(context.Request, id, published, embedTokens) : null;
        if (token?.Refusal is { } refusal)
        {
            if (refusal.Type.Status == StatusCodes.Status401Unauthorized)
                context.Response.Headers.WWWAuthenticate = PresentedToken.Challenge;
            return
                sent?.MediaType == PostedFields.FormMediaType
                && refusal.Type.Status < StatusCodes.Status500InternalServerError
                && !WantsJson(context.Request)
                ? new OutcomePage(refusal.Type.Status, context.Request.Query["locale"].ToString())
                : throw refusal.AsException();
        }
        if (!isTyped)
            throw UnknownMediaType();
        switch (sent!.MediaType)
        {
            case "application/json":
            {
                var fields = await PostedFields.ReadJsonAsync(context, ct);
                var post = new Post(id, fields, IdempotencyKey.Read(context), DropUnknown: false);
                return Told(await receive.RunAsync(published, post, ct));
            }
            case PostedFields.FormMediaType:
                return await ReceiveFormAsync(id, published, token, receive, context, ct);
            default:
                throw UnknownMediaType();
        }
    }

    private static async Task<IResult> ReceiveFormAsync(
        PublicId id,
        PublishedForm published,
        Admission? token,
        ReceiveSubmission receive,
        HttpContext context,
        CancellationToken ct
    )
    {
        var wantsJson = WantsJson(context.Request);
        string? locale = null;
        try
        {
            var fields = await PostedFields.ReadFormAsync(context, ct);
            locale = fields.GetValueOrDefault(Form.PageLocale);
            var post = new Post(id, fields, IdempotencyKey.Read(context), DropUnknown: true);
            var reception = await receive.RunAsync(published, post, ct);
            return wantsJson ? Told(reception) : Back(wasKept: true);
        }
        catch (ProblemException e) when (!wantsJson && e.Problem.Type.Status is >= 400 and < 500)
        {
            return Back(wasKept: false);
        }

        // A token that has expired while the form was filled in does not show the page again.
        IResult Back(bool wasKept) =>
            token is { PageToken: null }
                ? new OutcomePage(wasKept ? StatusCodes.Status200OK : StatusCodes.Status422UnprocessableEntity, locale)
                : BackToPage(context, id, locale, token?.PageToken, wasKept);
    }

    // A script that sends a form says what it wants to read; a browser says that it wants a page.
    private static bool WantsJson(HttpRequest request) =>
        request.Headers.Accept.ToString().Contains("json", StringComparison.OrdinalIgnoreCase);

    // Whoever may see the form may send it, also when their token has expired on the way: what they wrote is not lost. One that was taken back,
    // with which anybody may have come, sends nothing.
    private static Admission Admit(
        HttpRequest request,
        PublicId id,
        PublishedForm published,
        EmbedTokenVerifier embedTokens
    )
    {
        if (PresentedToken.Of(request) is not { } text)
            return new Admission(
                KernelProblems.Unauthenticated.Because("The form is not public: present an embed token.")
            );
        var check = embedTokens.Verify(text, published.Owner, id.ToString());
        return check switch
        {
            EmbedTokenCheck.Valid(var token) when PresentedToken.IsFromItsOrigins(request, token) => new Admission(
                null,
                text
            ),
            EmbedTokenCheck.Expired(var token) when PresentedToken.IsFromItsOrigins(request, token) => new Admission(
                null
            ),
            EmbedTokenCheck.Valid or EmbedTokenCheck.Expired => new Admission(
                HttpProblems.OriginNotAllowed.Because("The token is not for pages of that origin.")
            ),
            EmbedTokenCheck.Refused(var why) => new Admission(KernelProblems.Unauthenticated.Because(why)),
            _ => new Admission(
                KernelProblems.Unavailable.Because("This node has not read yet what tokens are verified with.")
            ),
        };
    }

    private static Created<ReceivedView> Told(Reception reception) =>
        TypedResults.Created(
            (string?)null,
            reception switch
            {
                Reception.Kept kept => new ReceivedView(kept.Id, kept.ReceivedAt),
                Reception.Known known => new ReceivedView(known.Id, known.ReceivedAt),
                Reception.Trapped trapped => new ReceivedView(Guid.CreateVersion7(), trapped.At),
                _ => throw new System.Diagnostics.UnreachableException(),
            }
        );

    /// <summary>303 to the page, at the part of it that says what became of the post.</summary>
    private static IResult BackToPage(HttpContext context, PublicId id, string? locale, string? token, bool wasKept)
    {
        var query = new StringBuilder();
        if (LanguageTag.TryParse(locale, out var tag))
            query.Append("?locale=").Append(Uri.EscapeDataString(tag.ToString()));
        if (context.Request.Query["theme"] is ["light" or "dark" or "auto"] theme)
            query.Append(query.Length == 0 ? '?' : '&').Append("theme=").Append(theme[0]);
        if (token is not null)
            query.Append(query.Length == 0 ? '?' : '&').Append("token=").Append(Uri.EscapeDataString(token));
        context.Response.Headers.Location = $"/e/{id}{query}#{(wasKept ? "sent_" : "failed_")}";
        return TypedResults.StatusCode(StatusCodes.Status303SeeOther);
    }

    // A page says "null" when it is in a sandboxed frame or tells nobody where it comes from, as ours do; no page at all says nothing.
    private static void CheckOrigin(HttpRequest request, PublishedForm published)
    {
        if (request.Headers.Origin.Count == 0 || request.Headers.Origin is ["null"])
            return;
        if (request.Headers.Origin is [{ } origin] && (CrossOrigin.IsOwn(request, origin) || published.Allows(origin)))
            return;
        throw HttpProblems
            .OriginNotAllowed.Because("The form may not be sent from pages of that origin.")
            .AsException();
    }

    private static ProblemException UnknownMediaType() =>
        KernelProblems
            .UnsupportedMediaType.Because($"Send {PostedFields.FormMediaType} or application/json.")
            .AsException();

    private static async Task<Ok<SubmissionListView>> List(
        string publicId,
        SubmissionsAccess access,
        ReadSubmissions read,
        HttpContext context,
        CancellationToken ct,
        string? cursor = null,
        int? limit = null,
        string? from = null,
        string? to = null,
        string? q = null
    )
    {
        var (caller, id) = await access.EnterAsync(context, publicId, ct);
        var filter = SubmissionFilter.Read(id, from, to, q);
        SubmissionPlace? after = cursor switch
        {
            null or "" => null,
            _ when SubmissionPlace.TryParse(cursor, out var place) => place,
            _ => throw KernelProblems.UnknownCursor(),
        };
        var size = Math.Clamp(limit ?? Limits.DefaultPageItems, 1, Limits.PageItems);
        var page = await read.NewestAsync(caller, filter, after, size + 1, ct);
        var days = await read.KeptForDaysAsync(caller, id, ct);
        context.Response.Headers.CacheControl = "private, no-store";
        return TypedResults.Ok(
            page.Count > size
                ? new SubmissionListView(page[..size], page[size - 1].Place.ToString(), days)
                : new SubmissionListView(page, null, days)
        );
    }

    private static async Task Export(
        string publicId,
        SubmissionsAccess access,
        ReadSubmissions read,
        TimeProvider clock,
        HttpContext context,
        CancellationToken ct,
        string format = "csv",
        string? from = null,
        string? to = null,
        string? q = null
    )
    {
        if (format is not ("csv" or "json"))
        {
            throw KernelProblems
                .Malformed.Because($"'{format}' is not a format of the export: use csv or json.")
                .AsException();
        }
        var (caller, id) = await access.EnterAsync(context, publicId, ct);
        var filter = SubmissionFilter.Read(id, from, to, q);
        // An end, so that the export of a busy form ends.
        filter = filter with
        {
            To = filter.To ?? clock.GetUtcNow(),
        };
        var columns = format == "csv" ? await read.ColumnsAsync(caller, filter, ct) : [];
        var page = await read.OldestAsync(caller, filter, null, SubmissionsLimits.ExportPage, ct);

        var response = context.Response;
        response.ContentType =
            format == "csv" ? "text/csv; charset=utf-8; header=present" : "application/json; charset=utf-8";
        response.Headers.CacheControl = "private, no-store";
        response.Headers.ContentDisposition = string.Create(
            CultureInfo.InvariantCulture,
            $"attachment; filename=\"submissions-{clock.GetUtcNow():yyyyMMdd'T'HHmmss'Z'}.{format}\""
        );
        context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        var file = response.BodyWriter;
        if (format == "csv")
            WriteLine(file, ["id", "received_at", "locale", .. columns]);
        else
            file.Write("["u8);
        var isFirst = true;
        while (true)
        {
            foreach (var one in page)
            {
                if (format == "csv")
                {
                    WriteLine(file, Cells(one, columns));
                }
                else
                {
                    file.Write(isFirst ? "\n"u8 : ",\n"u8);
                    file.Write(JsonSerializer.SerializeToUtf8Bytes(one, FileJson));
                    isFirst = false;
                }
            }
            // A page is a transaction of its own: a slow reader holds no connection to the database.
            await file.FlushAsync(ct);
            if (page.Count < SubmissionsLimits.ExportPage)
                break;
            page = await read.OldestAsync(caller, filter, page[^1].Place, SubmissionsLimits.ExportPage, ct);
        }
        if (format == "json")
            file.Write("\n]\n"u8);
        await file.FlushAsync(ct);
    }

    private static IEnumerable<string?> Cells(Submission one, List<string> columns)
    {
        yield return one.Id.ToString();
        yield return one.ReceivedAt.UtcDateTime.ToString(
            "yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'",
            CultureInfo.InvariantCulture
        );
        yield return one.Locale;
        foreach (var column in columns)
            yield return one.Fields.TryGetProperty(column, out var value) ? value.GetString() : null;
    }

    private static void WriteLine(IBufferWriter<byte> file, IEnumerable<string?> cells)
    {
        var line = new StringBuilder();
        CsvLine.Append(line, cells);
        Encoding.UTF8.GetBytes(line.ToString(), file);
    }

    private static async Task<Ok<Submission>> Read(
        Guid id,
        SubmissionsAccess access,
        ReadSubmissions read,
        HttpContext context,
        CancellationToken ct,
        string? workspace = null
    )
    {
        var caller = await access.EnterWorkspaceAsync(context, workspace, ct, Scopes.SubmissionsRead);
        context.Response.Headers.CacheControl = "private, no-store";
        return TypedResults.Ok(await read.OneAsync(caller, id, ct));
    }

    private static async Task<Ok<Retention>> ReadRetention(
        SetRetention retention,
        HttpContext context,
        CancellationToken ct
    ) => Answer(context, await retention.ReadAsync(context.Caller(), ct));

    private static async Task<Ok<Retention>> ChangeRetention(
        SetRetention retention,
        HttpContext context,
        CancellationToken ct
    )
    {
        var precondition = context.RequirePrecondition();
        var body = await JsonBody.ReadAsync<SetRetention.Body>(context, Limits.JsonBodyBytes, JsonBody.Shape, ct);
        return Answer(context, await retention.RunAsync(context.Caller(), body, precondition, ct));
    }

    private static async Task<Ok<InstanceUsageView>> InstanceUsage(
        string publicId,
        SubmissionsAccess access,
        ReadUsage usage,
        HttpContext context,
        CancellationToken ct,
        string? from = null,
        string? to = null
    )
    {
        var (caller, id) = await access.EnterAsync(context, publicId, ct, Scopes.InstancesRead);
        context.Response.Headers.CacheControl = "private, no-store";
        return TypedResults.Ok(await usage.OfInstanceAsync(caller, id, from, to, ct));
    }

    private static async Task<Ok<WorkspaceUsageView>> WorkspaceUsage(
        ReadUsage usage,
        HttpContext context,
        CancellationToken ct,
        string? month = null
    )
    {
        context.Response.Headers.CacheControl = "private, no-store";
        return TypedResults.Ok(await usage.OfWorkspaceAsync(context.Caller(), month, ct));
    }

    private static Ok<Retention> Answer(HttpContext context, Retention retention)
    {
        context.StateVersion(retention.Tag);
        return TypedResults.Ok(retention);
    }

    private static async Task<NoContent> Erase(
        Guid id,
        SubmissionsAccess access,
        EraseSubmissions erase,
        HttpContext context,
        CancellationToken ct,
        string? workspace = null
    )
    {
        await erase.OneAsync(await access.EnterWorkspaceAsync(context, workspace, ct), id, ct);
        return TypedResults.NoContent();
    }

    private static async Task<Results<Ok<ErasureView>, Accepted<ErasureView>>> ErasePerson(
        SubmissionsAccess access,
        EraseSubmissions erase,
        HttpContext context,
        CancellationToken ct,
        string? workspace = null
    )
    {
        var caller = await access.EnterWorkspaceAsync(context, workspace, ct);
        var body = await JsonBody.ReadAsync<EraseSubmissions.Body>(context, Limits.JsonBodyBytes, JsonBody.Shape, ct);
        var view = ErasureView.Of(await erase.OfPersonAsync(caller, body, ct));
        if (view.Id is not { } id)
            return TypedResults.Ok(view);
        var query = workspace is null ? "" : "?workspace=" + Uri.EscapeDataString(workspace);
        return TypedResults.Accepted($"/v1/submissions/erasures/{id:D}{query}", view);
    }

    private static async Task<Ok<ErasureView>> ReadErasure(
        Guid id,
        SubmissionsAccess access,
        EraseSubmissions erase,
        HttpContext context,
        CancellationToken ct,
        string? workspace = null
    )
    {
        var caller = await access.EnterWorkspaceAsync(context, workspace, ct);
        context.Response.Headers.CacheControl = "private, no-store";
        return TypedResults.Ok(ErasureView.Of(await erase.FindAsync(caller, id, ct)));
    }

    /// <summary>What the token of a post to a form that is not public lets it do.</summary>
    /// <param name="Refusal">Why nothing is taken; null when it is.</param>
    /// <param name="PageToken">What shows the form's page again; null when it has expired.</param>
    private sealed record Admission(Problem? Refusal, string? PageToken = null);
}
