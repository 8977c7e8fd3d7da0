using System.Globalization;
using Microsoft.AspNetCore.Http;
using Platen.Platform.Postgres;

namespace Platen.Registry;

/// <summary>The tags of a repository, in the order of their bytes.</summary>
internal sealed class ListTags(PostgresPools pools)
{
    public sealed record Body(string Name, IReadOnlyList<string> Tags);

    public async Task RunAsync(HttpContext context, string name, CancellationToken ct)
    {
        var repository = await RegistryRequest.RequireAsync(context, name, RepositoryActions.Pull, ct);
        var (entries, last) = RegistryRequest.Page(context);
        List<string> tags;
        await using (var session = await pools.OpenAsync(repository.Caller.Operation("registry list"), ct))
        {
            tags = await session.ListAsync(
                """
                select name from platform.channel
                where subject = $1 and release_digest is not null and name collate "C" > $2
                order by name collate "C"
                limit $3
                """,
                row => row.GetString(0),
                ct,
                Sql.Text(repository.Subject),
                Sql.Text(last),
                Sql.Int(entries + 1)
            );
            if (tags.Count == 0 && !await Membership.ExistsAsync(session, repository.Subject, ct))
                throw RegistryRequest.NameUnknown(name);
        }
        var page = tags.Take(entries).ToList();
        if (tags.Count > entries && entries > 0)
        {
            RegistryRequest.LinkNext(
                context,
                $"/v2/{name}/tags/list",
                ("n", entries.ToString(CultureInfo.InvariantCulture)),
                ("last", page[^1])
            );
        }
        await context.Response.WriteAsJsonAsync(new Body(name, page), RegistryModule.Json, "application/json", ct);
    }
}
