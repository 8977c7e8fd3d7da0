using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Npgsql;
using Platen.Access;
using Platen.Kernel;
using Platen.Testing;

namespace Platen.Facts;

/// <summary>One line of the matrix: what each kind of caller is answered at a route.</summary>
internal sealed record AuthzRow(MappedRoute Route, IReadOnlyDictionary<string, int> Statuses);

/// <summary>
/// Asks every route as every kind of caller, and keeps the statuses. The routes are asked with an empty body and without a version, so whoever
/// is let in is told what is missing (4xx) and changes little; what changes all the same is put back before the next route.
/// </summary>
internal sealed partial class AuthzMatrix
{
    /// <summary>The kinds of callers, in the order of the columns.</summary>
    public static readonly IReadOnlyList<string> Kinds =
    [
        "nobody",
        "viewer",
        "editor",
        "owner",
        "other",
        "no-scope",
        "key",
        "publisher",
        "operator",
        "token",
        "embed",
    ];

    private readonly HttpClient client;
    private readonly NpgsqlConnection admin;
    private readonly string slug;
    private readonly OwnerId owner;
    private readonly Dictionary<string, TestPersonSession> people;
    private readonly Dictionary<string, string> keys;

    private AuthzMatrix(
        HttpClient client,
        NpgsqlConnection admin,
        string slug,
        OwnerId owner,
        Dictionary<string, TestPersonSession> people,
        Dictionary<string, string> keys
    )
    {
        this.client = client;
        this.admin = admin;
        this.slug = slug;
        this.owner = owner;
        this.people = people;
        this.keys = keys;
    }

    public static async Task<AuthzMatrix> PrepareAsync(
        HttpClient anonymous,
        HttpClient operators,
        string operatorKey,
        NpgsqlConnection admin,
        CancellationToken ct
    )
    {
        var (slug, owner) = await WorkspaceAsync(operators, "matrix", ct);
        var (otherSlug, other) = await WorkspaceAsync(operators, "other", ct);
        var persons = new Dictionary<string, TestPersonSession>(StringComparer.Ordinal);
        foreach (var role in (string[])["viewer", "editor", "owner", "other"])
            persons[role] = await TestPersonSession.AddAsync(admin, $"{role}@{slug}.example", ct);
        await persons["other"].JoinAsync(admin, other, "owner", ct);
        var own = Scopes.Known.Where(scope => !Scopes.IsForPlatform(scope)).ToArray();
        var secrets = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["operator"] = operatorKey,
            ["key"] = await KeyAsync(operators, $"/v1/workspaces/{slug}/keys", own, ct),
            ["no-scope"] = await KeyAsync(operators, $"/v1/workspaces/{slug}/keys", [Scopes.ThemesWrite], ct),
            ["publisher"] = await KeyAsync(
                operators,
                "/v1/keys",
                [Scopes.CuratedPublish, Scopes.InstancesRead, Scopes.InstancesWrite],
                ct
            ),
        };
        using var mint = new HttpRequestMessage(HttpMethod.Post, $"/v1/workspaces/{slug}/realtime-tokens");
        mint.Content = Json("""{"stream":"access/workspace"}""");
        secrets["token"] = (await AnswerAsync(operators, mint, ct)).GetProperty("token").GetString()!;
        secrets["embed"] = await EmbedTokenAsync(operators, slug, ct);
        return new AuthzMatrix(anonymous, admin, slug, owner, persons, secrets);
    }

    public async Task<AuthzRow> AskAsync(MappedRoute route, CancellationToken ct)
    {
        await PutBackAsync(ct);
        var statuses = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var kind in Kinds)
            statuses[kind] = await StatusAsync(route, kind, ct);
        return new AuthzRow(route, statuses);
    }

    /// <summary>What no answer may be, whatever was agreed.</summary>
    public static IEnumerable<string> Faults(IEnumerable<AuthzRow> rows)
    {
        foreach (var (route, is_) in rows)
        {
            if (is_.Values.Any(status => status >= 500))
                yield return $"{route} fails for {string.Join(", ", is_.Where(s => s.Value >= 500).Select(s => s.Key))}.";
            if (route.Who is "anybody")
                continue;
            if (is_["nobody"] is not 401)
                yield return $"{route} answers {is_["nobody"]} without a credential.";
            if (route.Who?.EndsWith(MappedRoute.InWorkspace, StringComparison.Ordinal) != true)
                continue;
            if (is_["other"] is not 404)
                yield return $"{route} answers {is_["other"]} to the owner of another workspace.";
            if (is_["publisher"] is not 404)
                yield return $"{route} answers {is_["publisher"]} to a publisher of the platform.";
            if (is_["no-scope"] is not (403 or 404))
                yield return $"{route} answers {is_["no-scope"]} to a key without the scope.";
        }
    }

    public static string Draw(IReadOnlyList<AuthzRow> rows)
    {
        var text = new StringBuilder(
            """
            What each route answers to each kind of caller, asked with an empty body and without a version.
            nobody: no credential. viewer, editor, owner: people of the workspace. other: the owner of another workspace.
            no-scope: a key of the workspace with another scope. key: one with every scope of a workspace. publisher: a key of the platform.
            operator: the owner key. token: a realtime token of the workspace's stream access/workspace. embed: an embed token of one of its instances.


            """.ReplaceLineEndings("\n")
        );
        var width = rows.Max(row => row.Route.ToString().Length) + 2;
        text.Append(new string(' ', width)).AppendJoin(' ', Kinds.Select(kind => kind.PadRight(9))).Append('\n');
        foreach (var row in rows)
        {
            text.Append(row.Route.ToString().PadRight(width))
                .Append(
                    string.Join(
                            ' ',
                            Kinds.Select(kind => row.Statuses[kind].ToString(CultureInfo.InvariantCulture).PadRight(9))
                        )
                        .TrimEnd()
                )
                .Append('\n');
        }
        return text.ToString();
    }

    private async Task<int> StatusAsync(MappedRoute route, string kind, CancellationToken ct)
    {
        var status = await StatusAsync(route, kind, "application/json", ct);
        // Which bodies a route takes is a part of its address: another kind of body has not met it yet.
        return status == 415 ? await StatusAsync(route, kind, "application/octet-stream", ct) : status;
    }

    private async Task<int> StatusAsync(MappedRoute route, string kind, string contentType, CancellationToken ct)
    {
        using var request = new HttpRequestMessage(new HttpMethod(route.Method), Filled(route.Pattern));
        if (people.TryGetValue(kind, out var person))
        {
            request.Headers.TryAddWithoutValidation("Cookie", person.Cookie);
            request.Headers.TryAddWithoutValidation("X-Platen-CSRF", await CsrfAsync(person, ct));
            request.Headers.TryAddWithoutValidation("Sec-Fetch-Site", "same-origin");
        }
        else if (keys.TryGetValue(kind, out var key))
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        }
        if (route.Method is "POST" or "PUT" or "PATCH")
            request.Content = new StringContent("{}", Encoding.UTF8, contentType);
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ct);
        return (int)response.StatusCode;
    }

    private async Task<string> CsrfAsync(TestPersonSession person, CancellationToken ct)
    {
        await PutBackAsync(ct);
        using var ask = new HttpRequestMessage(HttpMethod.Get, "/v1/session");
        ask.Headers.TryAddWithoutValidation("Cookie", person.Cookie);
        return (await AnswerAsync(client, ask, ct)).GetProperty("csrfToken").GetString()!;
    }

    // Whoever left is a member again, and whoever signed out is signed in.
    private async Task PutBackAsync(CancellationToken ct)
    {
        foreach (var role in (string[])["viewer", "editor", "owner"])
            await people[role].JoinAsync(admin, owner, role, ct);
        await using var sessions = new NpgsqlCommand(
            "update access.person_session set ended_at = null where person_id = any ($1)",
            admin
        );
        sessions.Parameters.AddWithValue(people.Values.Select(p => p.Id).ToArray());
        await sessions.ExecuteNonQueryAsync(ct);
    }

    private string Filled(string pattern) =>
        Parameter()
            .Replace(
                pattern,
                match =>
                    match.Value switch
                    {
                        "{ws}" => slug,
                        "{**stream}" => "access/workspace",
                        var id when id.Contains(":guid", StringComparison.Ordinal) => Guid.Empty.ToString(),
                        var number when number.Contains(":long", StringComparison.Ordinal) => "1",
                        // One that no other test publishes: the answers must not depend on which test comes first.
                        _ => "wgt_curated_nobody-made-this",
                    }
            );

    private static async Task<(string Slug, OwnerId Owner)> WorkspaceAsync(
        HttpClient operators,
        string name,
        CancellationToken ct
    )
    {
        using var create = new HttpRequestMessage(HttpMethod.Post, "/v1/workspaces");
        create.Content = Json($$"""{"name":"{{name}} {{Guid.CreateVersion7():N}}"}""");
        var made = await AnswerAsync(operators, create, ct);
        return (made.GetProperty("slug").GetString()!, new OwnerId(made.GetProperty("id").GetGuid()));
    }

    private static async Task<string> EmbedTokenAsync(HttpClient operators, string slug, CancellationToken ct)
    {
        using var create = new HttpRequestMessage(HttpMethod.Post, $"/v1/workspaces/{slug}/instances");
        create.Content = Json(
            """
            {"widgetType":"engagement.newsletter","config":{"heading":"News","emailLabel":"E-mail","consent":{"text":"Yes."},
            "submitLabel":"Subscribe","sent":{"heading":"Thanks"},"failed":{"heading":"Sorry"}}}
            """
        );
        var id = (await AnswerAsync(operators, create, ct)).GetProperty("publicId").GetString()!;
        using var mint = new HttpRequestMessage(HttpMethod.Post, $"/v1/instances/{id}/embed-tokens");
        mint.Content = Json("""{"origins":[]}""");
        return (await AnswerAsync(operators, mint, ct)).GetProperty("token").GetString()!;
    }

    private static async Task<string> KeyAsync(HttpClient operators, string path, string[] scopes, CancellationToken ct)
    {
        using var create = new HttpRequestMessage(HttpMethod.Post, path);
        create.Content = Json(JsonSerializer.Serialize(new { name = "matrix", scopes }));
        return (await AnswerAsync(operators, create, ct)).GetProperty("secret").GetString()!;
    }

    private static async Task<JsonElement> AnswerAsync(
        HttpClient http,
        HttpRequestMessage request,
        CancellationToken ct
    )
    {
        using var response = await http.SendAsync(request, ct);
        var text = await response.Content.ReadAsStringAsync(ct);
        response.IsSuccessStatusCode.ShouldBeTrue($"{request.Method} {request.RequestUri}: {text}");
        return JsonElement.Parse(text);
    }

    private static StringContent Json(string text) => new(text, Encoding.UTF8, "application/json");

    [GeneratedRegex(@"\{[^}]*\}", RegexOptions.NonBacktracking)]
    private static partial Regex Parameter();
}
