using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Platen.Acceptance;

/// <summary>
/// An instance whose page says a number, written and published again and again by one writer, who keeps what was acknowledged.
/// </summary>
internal sealed class NumberedPage(string id)
{
    private readonly List<(long ChannelRevision, string Release)> acknowledged = [];

    /// <summary>The number in the last publish that was acknowledged; -1 before the first.</summary>
    public int Acknowledged { get; private set; } = -1;

    /// <summary>The number last tried.</summary>
    public int Tried { get; private set; } = -1;

    /// <summary>What refused a save or publish, in this order.</summary>
    public List<HttpStatusCode> Refusals { get; } = [];

    /// <summary>The public id.</summary>
    public string Id => id;

    /// <summary>Writes the next number and publishes it; false when either was refused.</summary>
    /// <exception cref="HttpRequestException">The server did not answer.</exception>
    public async Task<bool> NextAsync(HttpClient client, CancellationToken ct)
    {
        Tried++;
        if (await SaveAsync(client, Tried, ct) is not { } tag)
            return false;
        using var published = await PublishAsync(client, tag, ct);
        return published.IsSuccessStatusCode;
    }

    /// <summary>Writes and publishes until the server does not answer.</summary>
    public async Task UntilKilledAsync(HttpClient client, Action? published, CancellationToken ct)
    {
        try
        {
            while (true)
            {
                if (await NextAsync(client, ct))
                    published?.Invoke();
            }
        }
        catch (HttpRequestException)
        {
            // The last publish was not acknowledged.
        }
    }

    /// <summary>Writes a version that says the number; its tag, or null when it was refused.</summary>
    /// <param name="client">A client with the owner's key.</param>
    /// <param name="number">What it says.</param>
    /// <param name="ct">Cancels.</param>
    /// <param name="randomBytes">How much else it says, that does not become smaller by compression.</param>
    public async Task<string?> SaveAsync(HttpClient client, int number, CancellationToken ct, int randomBytes = 0)
    {
        Tried = Math.Max(Tried, number);
        using var current = await client.GetAsync("v1/instances/" + id, ct);
        if (!current.IsSuccessStatusCode && current.StatusCode != HttpStatusCode.NotFound)
        {
            Refusals.Add(current.StatusCode);
            return null;
        }
        using var put = new HttpRequestMessage(HttpMethod.Put, "v1/instances/" + id);
        if (current.Headers.ETag is { } seen)
            put.Headers.TryAddWithoutValidation("If-Match", seen.ToString());
        else
            put.Headers.TryAddWithoutValidation("If-None-Match", "*");
        var items = new JsonArray(Item("first", "It is."));
        for (var i = 0; i < randomBytes; i += 1000)
            items.Add(
                Item("more" + i.ToString(CultureInfo.InvariantCulture), RandomNumberGenerator.GetHexString(1000))
            );
        var body = new JsonObject
        {
            ["widgetType"] = "content.faq",
            ["config"] = new JsonObject
            {
                ["heading"] = string.Create(CultureInfo.InvariantCulture, $"Number {number}."),
                ["items"] = items,
            },
        };
        put.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        using var saved = await client.SendAsync(put, ct);
        if (saved.IsSuccessStatusCode)
            return saved.Headers.ETag!.ToString();
        Refusals.Add(saved.StatusCode);
        return null;
    }

    /// <summary>Publishes the version with that tag.</summary>
    public async Task<HttpResponseMessage> PublishAsync(HttpClient client, string tag, CancellationToken ct)
    {
        using var put = new HttpRequestMessage(HttpMethod.Put, $"v1/instances/{id}/publication");
        put.Headers.TryAddWithoutValidation("If-Match", tag);
        var published = await client.SendAsync(put, ct);
        if (!published.IsSuccessStatusCode)
        {
            Refusals.Add(published.StatusCode);
            return published;
        }
        var told = JsonNode.Parse(await published.Content.ReadAsStringAsync(ct))!;
        acknowledged.Add((told["channelRevision"]!.GetValue<long>(), told["release"]!.GetValue<string>()));
        Acknowledged = Tried;
        return published;
    }

    /// <summary>The number that the page says, which is whole.</summary>
    public async Task<int> ReadAsync(HttpClient client, CancellationToken ct)
    {
        var page = await client.GetStringAsync("e/" + id, ct);
        page.ShouldEndWith("</html>\n");
        var at = page.IndexOf("Number ", StringComparison.Ordinal) + "Number ".Length;
        return int.Parse(page.AsSpan(at, page.IndexOf('.', at) - at), CultureInfo.InvariantCulture);
    }

    /// <summary>The live channel's moves have no gap, and each publish that was acknowledged is one of them, once.</summary>
    public async Task MovesAreWholeAsync(HttpClient client, CancellationToken ct)
    {
        var moves = new SortedDictionary<long, string?>();
        for (var next = $"v1/instances/{id}/publication?limit=100"; next.Length > 0; )
        {
            var page = JsonNode.Parse(await client.GetStringAsync(next, ct))!;
            foreach (var move in page["moves"]!.AsArray())
                moves.Add(move!["revision"]!.GetValue<long>(), move["to"]?.GetValue<string>());
            next = page["nextBefore"] is { } before ? $"v1/instances/{id}/publication?limit=100&before={before}" : "";
        }
        moves.Keys.ShouldBe(Enumerable.Range(1, moves.Count).Select(n => (long)n));
        acknowledged.Select(publish => publish.ChannelRevision).ShouldBeUnique();
        foreach (var (revision, release) in acknowledged)
            moves[revision].ShouldBe(release);
        moves.Count.ShouldBeInRange(acknowledged.Count, Tried + 1);
    }

    private static JsonObject Item(string itemId, string text) =>
        new()
        {
            ["id"] = itemId,
            ["question"] = "Is it whole?",
            ["answer"] = new JsonArray(new JsonObject { ["type"] = "paragraph", ["text"] = text }),
        };
}
