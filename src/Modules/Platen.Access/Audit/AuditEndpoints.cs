using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access.Audit;

/// <summary>An entry, as the API gives it.</summary>
internal sealed record AuditEntryView(
    Guid Id,
    DateTimeOffset At,
    Guid Actor,
    string ActorName,
    string Action,
    string Subject,
    string? Origin,
    string? UserAgent,
    string? TraceId,
    Digest? Before,
    Digest? After,
    JsonElement Detail
)
{
    public static AuditEntryView Of(AuditEntry entry) =>
        new(
            entry.Id,
            entry.At,
            entry.Actor.Id.Value,
            entry.Actor.Name,
            entry.Action,
            entry.Subject,
            entry.Origin?.ToString(),
            entry.UserAgent,
            entry.TraceId,
            entry.Before,
            entry.After,
            JsonElement.Parse(entry.Detail.Span)
        );
}

/// <summary>A page of the log, newest first; the cursor is null on the last.</summary>
internal sealed record AuditListView(IReadOnlyList<AuditEntryView> Items, string? NextCursor);

/// <summary>The audit log of the caller's owner: pages of it, and all of it as a file.</summary>
internal static class AuditEndpoints
{
    public static void Map(IEndpointRouteBuilder app)
    {
        // The log names people, addresses and subjects: reading it takes a scope of its own.
        app.MapGet("/v1/audit", List).WithName("listAuditEntries").WithTags("audit").NeedsScope(Scopes.AuditRead);
        MapExport(app, "/v1/audit:export").WithName("exportAuditEntries").NeedsScope(Scopes.AuditRead);
        // A person reads it where they are an owner.
        app.MapGet("/v1/workspaces/{ws}/audit", List)
            .WithName("listWorkspaceAuditEntries")
            .WithTags("audit")
            .NeedsWorkspace(Scopes.AuditRead);
        MapExport(app, "/v1/workspaces/{ws}/audit:export")
            .WithName("exportWorkspaceAuditEntries")
            .NeedsWorkspace(Scopes.AuditRead);
    }

    private static IEndpointConventionBuilder MapExport(IEndpointRouteBuilder app, string pattern) =>
        app.MapGet(pattern, Export)
            .WithTags("audit")
            .Produces(200, contentType: "text/csv", additionalContentTypes: "application/jsonl")
            // As long as the reader takes it: a large log is a large file.
            .DisableRequestTimeout();

    private static async Task<Ok<AuditListView>> List(
        PostgresPools pools,
        HttpContext context,
        CancellationToken ct,
        string? cursor = null,
        int? limit = null,
        string? actor = null,
        string? action = null,
        string? subject = null,
        string? from = null,
        string? to = null
    )
    {
        var filter = ReadFilter(actor, action, subject, from, to);
        AuditPlace? after = cursor switch
        {
            null or "" => null,
            _ when AuditPlace.TryParse(cursor, out var place) => place,
            _ => throw KernelProblems.UnknownCursor(),
        };
        var size = Math.Clamp(limit ?? Limits.DefaultPageItems, 1, Limits.PageItems);
        await using var session = await pools.OpenAsync(context.Caller().Operation("read audit log"), ct);
        var page = await AuditLog.ReadAsync(session, filter, after, newestFirst: true, size, ct);
        context.Response.Headers.CacheControl = "private, no-store";
        return TypedResults.Ok(
            new AuditListView(
                [.. page.Select(AuditEntryView.Of)],
                page.Count == size ? page[^1].Place.ToString() : null
            )
        );
    }

    private static async Task Export(
        PostgresPools pools,
        TimeProvider clock,
        HttpContext context,
        CancellationToken ct,
        string format = "csv",
        string? actor = null,
        string? action = null,
        string? subject = null,
        string? from = null,
        string? to = null
    )
    {
        var write =
            AuditExport.Format(format)
            ?? throw KernelProblems
                .Malformed.Because($"'{format}' is not a format of the export: use csv or jsonl.")
                .AsException();
        var filter = ReadFilter(actor, action, subject, from, to);
        // An end, so that an export of a busy log ends.
        filter = filter with
        {
            To = filter.To ?? clock.GetUtcNow(),
        };
        var operation = context.Caller().Operation("export audit log");

        // The first page before the first byte: what is wrong with the database is still answered as a problem.
        var page = await PageAsync(pools, operation, filter, after: null, ct);
        var response = context.Response;
        response.ContentType = write.ContentType;
        response.Headers.CacheControl = "private, no-store";
        response.Headers.ContentDisposition = string.Create(
            CultureInfo.InvariantCulture,
            $"attachment; filename=\"audit-{clock.GetUtcNow():yyyyMMdd'T'HHmmss'Z'}.{format}\""
        );
        context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        write.Begin(response.BodyWriter);
        while (true)
        {
            foreach (var entry in page)
                write.Write(response.BodyWriter, entry);
            // A page is a transaction of its own: a slow reader holds no connection to the database.
            await response.BodyWriter.FlushAsync(ct);
            if (page.Count < AuditLimits.ExportPage)
                return;
            page = await PageAsync(pools, operation, filter, page[^1].Place, ct);
        }
    }

    private static async Task<List<AuditEntry>> PageAsync(
        PostgresPools pools,
        OperationContext operation,
        AuditFilter filter,
        AuditPlace? after,
        CancellationToken ct
    )
    {
        await using var session = await pools.OpenAsync(operation, ct);
        return await AuditLog.ReadAsync(session, filter, after, newestFirst: false, AuditLimits.ExportPage, ct);
    }

    private static AuditFilter ReadFilter(string? actor, string? action, string? subject, string? from, string? to) =>
        new(
            actor switch
            {
                null or "" => null,
                _ when Guid.TryParseExact(actor, "D", out var id) => new ActorId(id),
                _ => throw KernelProblems.Malformed.Because($"'{actor}' is not an actor's id.").AsException(),
            },
            Text(action, "action", 100),
            Text(subject, "subject", AuditLimits.SubjectLength),
            Time(from, "from"),
            Time(to, "to")
        );

    private static string? Text(string? value, string name, int most) =>
        value switch
        {
            null or "" => null,
            _ when value.Length <= most + 1 && !value.Contains('\0', StringComparison.Ordinal) => value,
            _ => throw KernelProblems.Malformed.Because($"'{name}' is too long or holds U+0000.").AsException(),
        };

    private static DateTimeOffset? Time(string? value, string name) =>
        value switch
        {
            null or "" => null,
            _ when DateTimeOffset.TryParseExact(
                    value,
                    ["yyyy-MM-dd", "yyyy-MM-dd'T'HH:mmK", "yyyy-MM-dd'T'HH:mm:ssK", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK"],
                    CultureInfo.InvariantCulture,
                    DateTimeStyles.AssumeUniversal,
                    out var time
                ) => time,
            _ => throw KernelProblems
                .Malformed.Because(
                    $"'{name}' is '{value}'; write a date or an RFC 3339 time such as 2026-01-31T08:00:00Z."
                )
                .AsException(),
        };
}
