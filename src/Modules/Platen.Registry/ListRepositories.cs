using System.Globalization;
using Microsoft.AspNetCore.Http;
using Platen.Access;
using Platen.Platform.Postgres;

namespace Platen.Registry;

/// <summary>The repositories of the caller's owner that have a manifest, in the order of their bytes.</summary>
internal sealed class ListRepositories(PostgresPools pools)
{
    public sealed record Body(IReadOnlyList<string> Repositories);

    public async Task RunAsync(HttpContext context, CancellationToken ct)
    {
        if (context.Features.Get<TokenGrant>() is { Catalog: false })
        {
            throw RegistryProblems
                .InsufficientToken.Because("The token was not issued for the list of repositories.")
                .AsException();
        }
        var (entries, last) = RegistryRequest.Page(context);
        await using var session = await pools.OpenAsync(context.Caller().Operation("registry list"), ct);
        // From name to next name by the index: a repository with many releases costs one step.
        var names = await session.ListAsync(
            """
            with recursive step as (
                (
                    select subject collate "C" as subject from platform.release
                    where withdrawn_at is null and subject collate "C" > $1
                    order by subject collate "C" limit 1
                )
                union all
                select (
                    select r.subject collate "C" from platform.release r
                    where r.withdrawn_at is null and r.subject collate "C" > step.subject
                    order by r.subject collate "C" limit 1
                )
                from step where step.subject is not null
            )
            select subject from step where subject is not null limit $2
            """,
            row => row.GetString(0),
            ct,
            Sql.Text(last),
            Sql.Int(entries + 1)
        );
        var page = names.Take(entries).ToList();
        if (names.Count > entries && entries > 0)
        {
            RegistryRequest.LinkNext(
                context,
                "/v2/_catalog",
                ("n", entries.ToString(CultureInfo.InvariantCulture)),
                ("last", page[^1])
            );
        }
        await context.Response.WriteAsJsonAsync(new Body(page), RegistryModule.Json, "application/json", ct);
    }
}
