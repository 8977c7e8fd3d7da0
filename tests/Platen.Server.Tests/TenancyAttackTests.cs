using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Routing;
using Platen.Kernel;
using Platen.Testing;

namespace Platen.Server.Tests;

/// <summary>
/// A member of one workspace and a key of it try everything of another: each route as it is mapped, with the victim's ids wherever an id can
/// stand. A new route is attacked without being listed.
/// </summary>
public sealed partial class TenancyAttackTests(ServerFixture server)
{
    private static readonly string[] Unsteady =
    [
        "Date",
        "traceparent",
        "Content-Length",
        "RateLimit",
        "RateLimit-Policy",
    ];

    /// <summary>
    /// Left out of the run without tenant predicates: what is about people before they are anywhere, about pages, fields and limits whoever
    /// they are of, and what makes databases of its own, which nobody mutates.
    /// </summary>
    private static readonly string[] WithoutTenants =
    [
        "*.People.PasskeyTests",
        "*.People.PasswordTests",
        "*.People.ProviderTests",
        "*.People.SetupTests",
        "*.People.SignInTests",
        "*.AllowedOriginsTests",
        "*.DemoUrlTests",
        "*.FramingTests",
        "*.GuardTests",
        "*.OperatingTests",
        "*.ProfileMatrixTests",
        "*.PublishGateTests",
        "*.RateLimitTests",
        "*.StageTests",
    ];

    private static bool IsMutated => MutatedRun.IsThis;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Nothing_of_another_workspace_is_told_or_changed_whatever_is_asked()
    {
        var (victim, attacker) = (await Tenant.MakeAsync(server, "victim"), await Tenant.MakeAsync(server, "attacker"));
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        var before = await RowsAsync(admin, victim);
        before.Keys.ShouldContain("access.machine_key");
        before.Keys.ShouldContain("access.invitation");
        before.Keys.ShouldContain("widgets.widget_instances");
        before.Keys.ShouldContain("platform.release");
        before.Keys.ShouldContain("platform.webhook");
        before.Keys.ShouldContain("submissions.submission");
        before.Keys.ShouldContain("templates.template");

        var breaches = new List<string>();
        var attempts = 0;
        foreach (var (method, pattern) in Routes())
        {
            foreach (var path in Fillings(pattern, victim))
            {
                foreach (var credential in attacker.Credentials)
                {
                    attempts++;
                    var told = await AskAsync(credential, method, path, victim);
                    // What is asked is told back as the problem's instance.
                    var answer = told.Body.Replace(
                        JsonEncodedText.Encode(Uri.UnescapeDataString(path)).ToString(),
                        "",
                        StringComparison.Ordinal
                    );
                    foreach (var (what, mark) in victim.Marks)
                    {
                        if (
                            answer.Contains(mark, StringComparison.OrdinalIgnoreCase)
                            && !path.Contains(mark, StringComparison.OrdinalIgnoreCase)
                        )
                            breaches.Add(
                                $"{method} {path} as {credential.Kind} tells the victim's {what}: {told.Status} {answer}"
                            );
                    }
                    if (pattern.Contains("{ws}", StringComparison.Ordinal) && told.Status != 404)
                        breaches.Add($"{method} {path} as {credential.Kind} answers {told.Status}");
                    if (told.Status == 429)
                        breaches.Add($"{method} {path} was not tried: too many requests");
                }
            }
        }
        attempts.ShouldBeGreaterThan(IsMutated ? 200 : 400);
        var after = await RowsAsync(admin, victim);
        breaches.AddRange(
            before
                .Keys.Union(after.Keys)
                .Where(t => before.GetValueOrDefault(t) != after.GetValueOrDefault(t))
                .Select(t => $"{t} has changed")
        );
        breaches.ShouldBeEmpty(string.Join('\n', breaches));
    }

    [Fact]
    public async Task A_foreign_id_is_answered_like_a_missing_one_in_status_body_and_headers()
    {
        var (victim, attacker) = (await Tenant.MakeAsync(server, "victim"), await Tenant.MakeAsync(server, "attacker"));
        var differences = new List<string>();
        var compared = 0;
        foreach (
            var (method, pattern) in Routes()
                .Where(r =>
                    r.Pattern.Contains("{ws}", StringComparison.Ordinal)
                    || r.Pattern.Contains(":guid}", StringComparison.Ordinal)
                    || r.Pattern.Contains("{publicId}", StringComparison.Ordinal)
                )
        )
        {
            if (pattern.Contains("{publicId}", StringComparison.Ordinal))
            {
                var another = victim.Instance[..victim.Instance.LastIndexOf('_')] + "_nobody-has-this";
                foreach (var credential in attacker.Credentials)
                {
                    compared++;
                    await CompareAsync(
                        credential,
                        Fill(pattern, "", null, victim),
                        Fill(pattern, "", null, victim with { Instance = another }),
                        victim.Instance,
                        another
                    );
                }
                continue;
            }
            // The workspace in the path is the attacker's own where the id behind it is what is foreign.
            foreach (var wsIsForeign in (bool[])[true, false])
            {
                if (
                    wsIsForeign != pattern.Contains("{ws}", StringComparison.Ordinal)
                    && !pattern.Contains(":guid}", StringComparison.Ordinal)
                )
                    continue;
                foreach (var id in Ids(pattern, victim))
                {
                    var another = Guid.CreateVersion7().ToString();
                    var foreign = Fill(pattern, wsIsForeign ? victim.Slug : attacker.Slug, id, victim);
                    var missing = Fill(pattern, wsIsForeign ? victim.Slug[..^1] + "0" : attacker.Slug, another, victim);
                    foreach (var credential in attacker.Credentials)
                    {
                        compared++;
                        await CompareAsync(credential, foreign, missing, id, another);
                    }
                }
            }

            async Task CompareAsync(Credential credential, string foreign, string missing, string id, string another)
            {
                var one = await AskAsync(credential, method, foreign, victim);
                var other = await AskAsync(credential, method, missing, victim);
                var (a, b) = (one.Steady(id), other.Steady(another));
                if (a != b)
                    differences.Add($"{method} {pattern} as {credential.Kind}\n  foreign: {a}\n  missing: {b}");
            }
        }
        compared.ShouldBeGreaterThan(IsMutated ? 40 : 100);
        differences.ShouldBeEmpty(string.Join('\n', differences));
    }

    [Fact]
    public async Task Nothing_of_another_workspace_is_reached_by_naming_it_in_a_body_or_a_query()
    {
        var (victim, attacker) = (await Tenant.MakeAsync(server, "victim"), await Tenant.MakeAsync(server, "attacker"));
        await using var admin = await server.Postgres.OpenAdminAsync(Ct);
        var before = await RowsAsync(admin, victim);
        var own = "/v1/workspaces/" + attacker.Slug;
        (string Method, string Path, object? Body, int[] Expected)[] attempts =
        [
            (
                "POST",
                own + "/snapshot-urls",
                new { subject = "widgets/" + victim.Instance, release = victim.Release },
                [404]
            ),
            ("POST", own + "/transfer", new { personId = victim.Ids[0] }, [403, 422]),
            ("POST", own + "/instances", new { from = victim.Instance }, [404, 422]),
            ("PUT", $"/v1/instances/{attacker.Instance}/publication", new { release = victim.Release }, [404, 422]),
            ("POST", $"/v1/instances/{attacker.Instance}/preview-links", new { release = victim.Release }, [404, 422]),
            ("PUT", "/v1/instances/" + victim.Instance, UserInstanceTests.Faq("mine"), [404, 409, 412, 422]),
            ("PATCH", own, new { slug = victim.Slug }, [409, 422]),
            ("POST", "/v1/workspaces", new { name = "x", slug = victim.Slug }, [403, 409, 422]),
            (
                "POST",
                $"/v2/{attacker.Slug}/x/blobs/uploads/?mount={victim.Release}&from={victim.Slug}/widgets/{victim.Instance}",
                null,
                [202]
            ),
            ("POST", $"/v2/{attacker.Slug}/x/blobs/uploads/?mount={victim.Release}", null, [202]),
            ("GET", $"/v1/audit?subject=instance/{victim.Instance}", null, [200, 403]),
            ("GET", $"{own}/audit?actor={victim.Ids[0]}", null, [200]),
            ("GET", $"{own}/instances?cursor={victim.Instance}", null, [200, 400]),
            ("GET", $"{own}/members?cursor={victim.Ids[0]}", null, [200, 400]),
            ("GET", $"{own}/keys?cursor={victim.KeyId}", null, [200, 400]),
        ];
        foreach (var (method, path, body, expected) in attempts)
        {
            foreach (var credential in attacker.Credentials)
            {
                if (path.StartsWith("/v2/", StringComparison.Ordinal) && credential != attacker.Credentials[1])
                    continue;
                var told = await AskAsync(
                    credential,
                    method,
                    path,
                    victim,
                    body is null ? "" : JsonSerializer.Serialize(body, JsonSerializerOptions.Web)
                );
                expected.ShouldContain(told.Status, $"{method} {path} as {credential.Kind}: {told.Body}");
                if (method != "GET")
                    continue;
                foreach (var (what, mark) in victim.Marks.Where(m => !path.Contains(m.Mark, StringComparison.Ordinal)))
                    told.Body.ShouldNotContain(mark, customMessage: $"{path} tells the victim's {what}");
            }
        }
        (await RowsAsync(admin, victim)).ShouldBe(before, ignoreOrder: true);
    }

    [Fact]
    public async Task No_attack_on_a_table_of_any_module_succeeds()
    {
        await using var database = await server.Postgres.CreateDatabaseAsync(Ct);
        await using var runtime = await database.StartAsync(server.Postgres.Modules, Ct);
        await using var admin = new Npgsql.NpgsqlConnection(database.ConnectionString + ";Pooling=false");
        await admin.OpenAsync(Ct);
        var (breaches, attempts) = await TenancyAttack.RunAsync(admin, Ct);
        breaches.ShouldBeEmpty(string.Join('\n', breaches));
        attempts.ShouldBeGreaterThan(100);
    }

    [Fact]
    public async Task Lists_and_cursors_stay_at_home()
    {
        var (victim, attacker) = (await Tenant.MakeAsync(server, "victim"), await Tenant.MakeAsync(server, "attacker"));
        foreach (var credential in attacker.Credentials)
        {
            foreach (
                var query in (string[])
                    [
                        "",
                        "?cursor=" + victim.Slug[..3],
                        "?search=victim",
                        "?status=deleted",
                        $"?owner={victim.Owner}&workspace={victim.Slug}&mine=false",
                    ]
            )
            {
                var list = await AskAsync(credential, "GET", "/v1/workspaces" + query, victim);
                list.Status.ShouldBe(200, list.Body);
                list.Body.ShouldNotContain(victim.Slug);
            }
        }
    }

    [Fact]
    public async Task A_token_of_one_stream_opens_no_other_and_no_other_owners_stream_of_that_name()
    {
        var (victim, attacker) = (await Tenant.MakeAsync(server, "victim"), await Tenant.MakeAsync(server, "attacker"));
        var minted = await AskAsync(
            attacker.Credentials[0],
            "POST",
            $"/v1/workspaces/{attacker.Slug}/realtime-tokens",
            victim,
            """{"stream":"access/workspace"}"""
        );
        minted.Status.ShouldBe(200, minted.Body);
        var token = JsonDocument.Parse(minted.Body).RootElement.GetProperty("token").GetString()!;

        (await FirstEventAsync("/v1/events/access/workspace?access_token=" + token)).ShouldContain(
            attacker.Owner.ToString()
        );
        (
            await FirstEventAsync($"/v1/workspaces/{attacker.Slug}/events/access/workspace?access_token=" + token)
        ).ShouldContain(attacker.Owner.ToString());
        (await StatusAsync("/v1/events/access/members?access_token=" + token)).ShouldBe(404);
        (await StatusAsync($"/v1/workspaces/{victim.Slug}/events/access/workspace?access_token=" + token)).ShouldBe(
            404
        );
        (await StatusAsync("/v1/jobs?access_token=" + token)).ShouldBe(401);
        (await StatusAsync("/v1/events/access/workspace?access_token=" + token[..^2])).ShouldBe(401);
        (await StatusAsync("/v1/jobs", token)).ShouldBe(401);
        (await StatusAsync("/v1/events/access/workspace?access_token=" + attacker.Key)).ShouldBe(401);
    }

    [Fact]
    public async Task A_followed_stream_ends_when_its_reader_may_read_it_no_more()
    {
        var tenant = await Tenant.MakeAsync(server, "tenant");
        using var request = new HttpRequestMessage(
            HttpMethod.Get,
            $"/v1/workspaces/{tenant.Slug}/events/access/workspace"
        );
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", tenant.Key);
        using var response = await server.Nobody.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Ct);
        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        await using var body = await response.Content.ReadAsStreamAsync(Ct);
        var buffer = new byte[4096];
        (await body.ReadAsync(buffer, Ct)).ShouldBeGreaterThan(0);
        (
            await server.Owner.SendAsync(HttpMethod.Delete, $"/v1/workspaces/{tenant.Slug}/keys/{tenant.KeyId}")
        ).Status.ShouldBe(204);
        await Should.ThrowAsync<Exception>(async () =>
        {
            // Cut off in the middle: there is no end of the body to be read.
            while (await body.ReadAsync(buffer, Ct) > 0) { }
            throw new HttpIOException(HttpRequestError.ResponseEnded);
        });
        (await StatusAsync($"/v1/workspaces/{tenant.Slug}", tenant.Key)).ShouldBe(401);
    }

    [Fact]
    public async Task Two_claims_about_who_asks_are_none()
    {
        var tenant = await Tenant.MakeAsync(server, "tenant");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/whoami");
        request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + tenant.Key);
        request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + server.OwnerKeyText);
        using var response = await server.Nobody.SendAsync(request, Ct);
        response.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        foreach (
            var text in (string[])
                [
                    "Basic " + tenant.Key,
                    "Bearer",
                    "Bearer " + tenant.Key[..^1],
                    "Bearer " + tenant.Key + "0",
                    "Bearer x.y.z",
                ]
        )
        {
            using var other = new HttpRequestMessage(HttpMethod.Get, "/v1/whoami");
            other.Headers.TryAddWithoutValidation("Authorization", text);
            using var refused = await server.Nobody.SendAsync(other, Ct);
            refused.StatusCode.ShouldBe(HttpStatusCode.Unauthorized, text[..Math.Min(12, text.Length)]);
        }
    }

    [Fact]
    public Task Every_test_passes_and_the_attack_fails_also_without_a_single_tenant_predicate() =>
        MutatedRun.RunAsync(
            typeof(TenancyAttackTests).Assembly,
            Ct,
            [
                .. WithoutTenants.SelectMany(left => (string[])["-class-", left]),
                // Much of the same.
                "-method-",
                "*.Ten_thousand_posts_at_once_*",
            ]
        );

    // How often things are seen is counted by itself, and written down a while later.
    private static async Task<Dictionary<string, string>> RowsAsync(Npgsql.NpgsqlConnection admin, Tenant victim)
    {
        var rows = await OwnersRows.DigestAsync(admin, victim.Owner, Ct);
        rows.Remove("platform.usage_day");
        return rows;
    }

    private IEnumerable<(string Method, string Pattern)> Routes() =>
        from endpoint in server.Endpoints.OfType<RouteEndpoint>()
        let pattern = "/" + endpoint.RoutePattern.RawText!.TrimStart('/')
        where
            pattern.StartsWith("/v1/", StringComparison.Ordinal) || pattern.StartsWith("/v2/", StringComparison.Ordinal)
        from method in endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods ?? ["GET"]
        // A stream does not end by itself; the tests of tokens follow some.
        where
            !pattern.Contains("{**stream}", StringComparison.Ordinal)
            || pattern.Contains("{ws}", StringComparison.Ordinal)
        // These end the attacker's own session, which would make the rest of the attack harmless.
        where !pattern.StartsWith("/v1/session", StringComparison.Ordinal)
        select (method, pattern);

    // Without the predicates each route gets one name of the workspace, whose finding is not mutated, and two of the ids.
    private static IEnumerable<string> Fillings(string pattern, Tenant victim) =>
        from ws in pattern.Contains("{ws}", StringComparison.Ordinal)
            ? (string[])[victim.Slug, .. IsMutated ? (string[])[] : [victim.Owner.ToString()]]
            : [""]
        from id in Parameter().Matches(pattern).Any(m => !m.Value.StartsWith("{ws", StringComparison.Ordinal))
            ? (string?[])[.. Ids(pattern, victim), null]
            : [""]
        select Fill(pattern, ws, id, victim);

    // All of them, or one that is another for the next route.
    private static IEnumerable<string> Ids(string pattern, Tenant victim) =>
        IsMutated ? [victim.Ids[pattern.Length % victim.Ids.Count]] : victim.Ids;

    // An id that is given stands everywhere; else each place gets what the victim has that fits.
    private static string Fill(string pattern, string ws, string? id, Tenant victim) =>
        Parameter()
            .Replace(
                pattern,
                match =>
                    match.Value switch
                    {
                        "{ws}" => ws,
                        "{**stream}" => "access/workspace",
                        "{name}" when pattern.EndsWith("/entitlements/{name}", StringComparison.Ordinal) => "members",
                        _ when id is not null => id,
                        "{publicId}" => victim.Instance,
                        "{name}" => victim.Template,
                        "{digest}" => victim.Release,
                        "{semver}" => "1.0.0",
                        "{channel}" => "live",
                        "{environment}" => "production",
                        "{locale}" => "de",
                        "{**path}" => $"{victim.Slug}/widgets/{victim.Instance}/manifests/{victim.Release}",
                        var other => other.Contains(":guid", StringComparison.Ordinal) ? victim.Ids[^1] : "1",
                    }
            );

    private async Task<Told> AskAsync(
        Credential credential,
        string method,
        string path,
        Tenant victim,
        string? body = null
    )
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (path.IndexOf('?', StringComparison.Ordinal) < 0 && method == "GET")
        {
            request.RequestUri = new Uri(
                $"{path}?owner={victim.Owner}&workspace={victim.Slug}&cursor={victim.Slug}",
                UriKind.Relative
            );
        }
        credential.Set(request);
        request.Headers.TryAddWithoutValidation("X-Platen-Owner", victim.Owner.ToString());
        request.Headers.TryAddWithoutValidation("X-Workspace", victim.Slug);
        request.Headers.TryAddWithoutValidation("X-Original-URL", "/v1/workspaces/" + victim.Slug);
        request.Headers.TryAddWithoutValidation("Idempotency-Key", "attack");
        if (method is not ("GET" or "HEAD" or "POST"))
            request.Headers.TryAddWithoutValidation("If-Match", "*");
        if (method is not ("GET" or "HEAD" or "DELETE"))
        {
            request.Content = new StringContent(
                body
                    ?? JsonSerializer.Serialize(
                        new
                        {
                            owner = victim.Owner.Value,
                            workspace = victim.Slug,
                            ws = victim.Slug,
                            personId = victim.Ids[0],
                            id = victim.Ids[1],
                        }
                    ),
                Encoding.UTF8,
                // Where bytes are taken, JSON would be turned away before anybody asks who it is from.
                path.Contains("/blobs/", StringComparison.Ordinal)
                    ? "application/octet-stream"
                    : "application/json"
            );
        }
        using var response = await server.Nobody.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Ct);
        var headers = response
            .Headers.Concat(response.Content.Headers)
            .Where(h => !Unsteady.Contains(h.Key, StringComparer.OrdinalIgnoreCase))
            .Select(h => $"{h.Key}: {string.Join(", ", h.Value)}")
            .Order(StringComparer.Ordinal);
        var isStream = response.Content.Headers.ContentType?.MediaType == "text/event-stream";
        return new Told(
            (int)response.StatusCode,
            string.Join('\n', headers),
            isStream ? "" : await response.Content.ReadAsStringAsync(Ct)
        );
    }

    private async Task<int> StatusAsync(string path, string? bearer = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (bearer is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", bearer);
        using var response = await server.Nobody.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Ct);
        return (int)response.StatusCode;
    }

    private async Task<string> FirstEventAsync(string path)
    {
        using var response = await server.Nobody.GetAsync(path, HttpCompletionOption.ResponseHeadersRead, Ct);
        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(Ct));
        while (await reader.ReadLineAsync(Ct) is { } line)
        {
            if (line.StartsWith("data: ", StringComparison.Ordinal))
                return line;
        }
        return "";
    }

    [GeneratedRegex(@"\{[^}]*\}", RegexOptions.NonBacktracking)]
    private static partial Regex Parameter();

    [GeneratedRegex("\"(traceId|instance)\":\"[^\"]*\"", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex OfThisRequest();

    private sealed record Told(int Status, string Headers, string Body)
    {
        /// <summary>Without what is different each time, and without the id that was asked for.</summary>
        public string Steady(string id) =>
            string.Create(
                CultureInfo.InvariantCulture,
                $"{Status}\n{Headers}\n{OfThisRequest().Replace(Body, "").Replace(id, "ID", StringComparison.Ordinal)}"
            );
    }

    private static async Task<(string Id, string Release)> PublishFormAsync(
        ServerFixture server,
        HttpClient own,
        string slug,
        string mark
    )
    {
        var form = ClosedWorkspaceTests.Newsletter(mark);
        var made = await own.SendAsync(
            HttpMethod.Post,
            $"/v1/workspaces/{slug}/instances",
            new { widgetType = "engagement.newsletter", config = form }
        );
        made.Status.ShouldBe(201, made.Text);
        var id = made.Json["publicId"]!.GetValue<string>();
        var live = await own.SendAsync(HttpMethod.Put, $"/v1/instances/{id}/publication", new { }, made.Tag);
        live.Status.ShouldBe(200, live.Text);
        await server.IsServedAsync(id, isServed: true);
        var sent = await server.Nobody.SendAsync(
            HttpMethod.Post,
            "/s/" + id,
            new { email = mark + "-visitor@example.org", consent = true }
        );
        sent.Status.ShouldBe(201, sent.Text);
        return (id, live.Json["release"]!.GetValue<string>());
    }

    private sealed record Credential(string Kind, Action<HttpRequestMessage> Set);

    private sealed record Tenant(
        OwnerId Owner,
        string Slug,
        string Key,
        Guid KeyId,
        string Instance,
        string Release,
        string Template,
        IReadOnlyList<string> Ids,
        IReadOnlyList<(string What, string Mark)> Marks,
        IReadOnlyList<Credential> Credentials
    )
    {
        public static async Task<Tenant> MakeAsync(ServerFixture server, string name)
        {
            var mark = name + Guid.CreateVersion7().ToString("N")[^10..];
            var made = await server.Owner.SendAsync(HttpMethod.Post, "/v1/workspaces", new { name = mark });
            made.Status.ShouldBe(201, made.Text);
            var owner = new OwnerId(made.Json["id"]!.GetValue<Guid>());
            var slug = made.Json["slug"]!.GetValue<string>();
            await using var admin = await server.Postgres.OpenAdminAsync(Ct);
            var person = await TestPersonSession.AddAsync(admin, mark + "@example.org", Ct);
            await person.JoinAsync(admin, owner, "owner", Ct);
            var key = await server.Owner.SendAsync(
                HttpMethod.Post,
                $"/v1/workspaces/{slug}/keys",
                new { name = mark + " key", scopes = Access.Scopes.Known.Where(s => !Access.Scopes.IsForPlatform(s)) }
            );
            key.Status.ShouldBe(201, key.Text);
            var invited = await server.Owner.SendAsync(
                HttpMethod.Post,
                $"/v1/workspaces/{slug}/invitations",
                new { email = mark + "-guest@example.org", role = "viewer" }
            );
            invited.Status.ShouldBe(201, invited.Text);
            var secret = key.Json["secret"]!.GetValue<string>();
            using var own = new HttpClient { BaseAddress = server.Address };
            own.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", secret);
            var (instance, release) = await PublishFormAsync(server, own, slug, mark);
            var template = await own.SendAsync(
                HttpMethod.Put,
                $"/v1/templates/t-{mark}",
                new { description = mark },
                create: true
            );
            template.Status.ShouldBe(201, template.Text);
            // Nothing is sent: its rows stand still.
            var webhook = await own.SendAsync(
                HttpMethod.Post,
                $"/v1/workspaces/{slug}/webhooks",
                new { url = $"https://{mark}.example.org/", types = (string[])["*"] }
            );
            webhook.Status.ShouldBe(201, webhook.Text);
            var hook = $"/v1/workspaces/{slug}/webhooks/{webhook.Json["id"]}";
            (await own.SendAsync(HttpMethod.Patch, hook, new { status = "paused" }, "*")).Status.ShouldBe(200);
            var keyId = key.Json["id"]!.GetValue<Guid>();
            using var ask = new HttpRequestMessage(HttpMethod.Get, "/v1/session");
            ask.Headers.TryAddWithoutValidation("Cookie", person.Cookie);
            using var session = await server.Nobody.SendAsync(ask, Ct);
            var csrf = JsonDocument
                .Parse(await session.Content.ReadAsStringAsync(Ct))
                .RootElement.GetProperty("csrfToken")
                .GetString();
            return new Tenant(
                owner,
                slug,
                secret,
                keyId,
                instance,
                release,
                "t-" + mark,
                [
                    person.Id.ToString(),
                    keyId.ToString(),
                    invited.Json["id"]!.GetValue<string>(),
                    webhook.Json["id"]!.GetValue<string>(),
                ],
                [
                    ("name", mark),
                    ("owner", owner.ToString()),
                    ("key", keyId.ToString()),
                    ("secret", secret),
                    ("person", person.Id.ToString()),
                    ("invitation", invited.Json["id"]!.GetValue<string>()),
                    ("webhook", webhook.Json["id"]!.GetValue<string>()),
                    ("instance", instance),
                    ("release", release),
                ],
                [
                    new Credential(
                        "a member of another workspace",
                        request =>
                        {
                            request.Headers.TryAddWithoutValidation("Cookie", person.Cookie);
                            request.Headers.TryAddWithoutValidation("X-Platen-CSRF", csrf);
                        }
                    ),
                    new Credential(
                        "a key of another workspace",
                        request => request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", secret)
                    ),
                ]
            );
        }
    }
}
