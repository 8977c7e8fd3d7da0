using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Bench;

/// <summary>
/// Whether the time of a 404 tells what exists: over HTTP, a member of one workspace asks for another's ids and for ids that nobody has, in
/// turns. The answer is the ratio of the medians with its 95 % interval, by resampling (Efron's percentile bootstrap).
/// </summary>
internal static class NotThereBench
{
    private const int Asks = 2_000;
    private const int Resamples = 2_000;

    public static async Task RunAsync(CancellationToken ct)
    {
        var folder = PostgresFixture.NewFolder();
        await using var server = await PlatenServer.StartAsync(
            folder,
            ct,
            ("PLATEN_SAMPLES", "off"),
            ("PLATEN_LIMITS", "off")
        );
        using var owner = Client(server, server.OwnerKey);
        var (victim, victimKey) = await MakeAsync(owner, "victim", ct);
        var (_, attackerKey) = await MakeAsync(owner, "attacker", ct);
        using var own = Client(server, victimKey);
        using var attacker = Client(server, attackerKey);
        var instance = await SendAsync(
            own,
            HttpMethod.Post,
            $"/v1/workspaces/{victim}/instances",
            new JsonObject { ["widgetType"] = "content.faq", ["config"] = Faq() },
            ct
        );
        var id = instance["publicId"]!.GetValue<string>();
        // Whose submissions are, is known by what is live.
        await SendAsync(own, HttpMethod.Put, $"/v1/instances/{id}/publication", new JsonObject(), ct, ifMatch: "*");
        await SendAsync(own, HttpMethod.Put, "/v1/templates/bench-secret", new JsonObject(), ct, create: true);

        // As long and of the same form as what is there, and another one each time: nothing of an id is remembered.
        await CompareAsync(attacker, "instance", "/v1/instances/" + id, n => "/v1/instances/" + Another(id, n), ct);
        await CompareAsync(
            attacker,
            "its submissions",
            $"/v1/instances/{id}/submissions",
            n => $"/v1/instances/{Another(id, n)}/submissions",
            ct
        );
        await CompareAsync(
            attacker,
            "workspace",
            "/v1/workspaces/" + victim,
            n => "/v1/workspaces/" + Another(victim, n),
            ct
        );
        await CompareAsync(
            attacker,
            "template",
            "/v1/templates/bench-secret",
            n => "/v1/templates/" + Another("bench-secret", n),
            ct
        );
        await CompareAsync(
            attacker,
            "repository",
            $"/v2/w/{victim}/templates/bench-secret/tags/list",
            n => $"/v2/w/{Another(victim, n)}/templates/bench-secret/tags/list",
            ct
        );
    }

    private static async Task CompareAsync(
        HttpClient attacker,
        string what,
        string foreign,
        Func<int, string> missing,
        CancellationToken ct
    )
    {
        var (of, none) = (new List<double>(Asks), new List<double>(Asks));
        for (var i = -200; i < Asks; i++)
        {
            // A-B-B-A, so that neither always comes after the other.
            var foreignFirst = i % 4 is 0 or 3 or -1 or -4;
            var first = await AskAsync(attacker, foreignFirst ? foreign : missing(i), ct);
            var second = await AskAsync(attacker, foreignFirst ? missing(i) : foreign, ct);
            if (i < 0)
                continue;
            of.Add(foreignFirst ? first : second);
            none.Add(foreignFirst ? second : first);
        }
        var ratio = Rounds.Median(of) / Rounds.Median(none);
        var random = new Random(404);
        var resampled = new double[Resamples];
        for (var i = 0; i < Resamples; i++)
            resampled[i] = Rounds.Median(Resample(of, random)) / Rounds.Median(Resample(none, random));
        Rounds.Report(
            $"404 of another's {what} beside one of nobody's",
            string.Create(
                CultureInfo.InvariantCulture,
                $"{ratio:F3} [{Rounds.Percentile(resampled, 0.025):F3}, {Rounds.Percentile(resampled, 0.975):F3}]"
            ),
            string.Create(
                CultureInfo.InvariantCulture,
                $"0.95 to 1.05; medians {Rounds.Median(of):F3} and {Rounds.Median(none):F3} ms, {Asks} pairs"
            )
        );
    }

    private static double[] Resample(List<double> values, Random random)
    {
        var drawn = new double[values.Count];
        for (var i = 0; i < drawn.Length; i++)
            drawn[i] = values[random.Next(values.Count)];
        return drawn;
    }

    private static async Task<double> AskAsync(HttpClient attacker, string path, CancellationToken ct)
    {
        var started = Stopwatch.GetTimestamp();
        using var response = await attacker.GetAsync(path, ct);
        var took = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        return (int)response.StatusCode == 404
            ? took
            : throw new InvalidOperationException($"GET {path} answers {(int)response.StatusCode}.");
    }

    private static string Another(string text, int n) =>
        string.Concat(
            text.AsSpan(0, text.Length - 6),
            string.Create(CultureInfo.InvariantCulture, $"{n + 500_000:D6}").AsSpan()
        );

    private static async Task<(string Slug, string Key)> MakeAsync(HttpClient owner, string name, CancellationToken ct)
    {
        var made = await SendAsync(
            owner,
            HttpMethod.Post,
            "/v1/workspaces",
            new JsonObject { ["name"] = name + " workspace" },
            ct
        );
        var slug = made["slug"]!.GetValue<string>();
        var key = await SendAsync(
            owner,
            HttpMethod.Post,
            $"/v1/workspaces/{slug}/keys",
            new JsonObject
            {
                ["name"] = "bench",
                ["scopes"] = new JsonArray(
                    "instances:read",
                    "instances:write",
                    "submissions:read",
                    "templates:read",
                    "templates:push",
                    "workspace:read",
                    "registry:pull"
                ),
            },
            ct
        );
        return (slug, key["secret"]!.GetValue<string>());
    }

    private static async Task<JsonNode> SendAsync(
        HttpClient http,
        HttpMethod method,
        string path,
        JsonNode body,
        CancellationToken ct,
        bool create = false,
        string? ifMatch = null
    )
    {
        using var request = new HttpRequestMessage(method, path);
        request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        if (create)
            request.Headers.TryAddWithoutValidation("If-None-Match", "*");
        if (ifMatch is not null)
            request.Headers.TryAddWithoutValidation("If-Match", ifMatch);
        using var response = await http.SendAsync(request, ct);
        var text = await response.Content.ReadAsStringAsync(ct);
        return response.IsSuccessStatusCode
            ? JsonNode.Parse(text)!
            : throw new InvalidOperationException($"{method} {path} answers {(int)response.StatusCode}: {text}");
    }

    private static HttpClient Client(PlatenServer server, string key)
    {
        var client = new HttpClient { BaseAddress = server.Address };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return client;
    }

    private static JsonNode Faq() =>
        JsonNode.Parse(
            File.ReadAllText(Path.Combine(Build.Repository, "samples", "widgets", "wgt_main_content.faq.json"))
        )!["config"]!.DeepClone();
}
