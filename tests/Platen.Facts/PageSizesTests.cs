using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;

namespace Platen.Facts;

[Collection(typeof(ServerFacts))]
public sealed class PageSizesTests(ServerFixture fixture)
{
    private const string Budgets = "tests/expected/sizes.txt";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Sample_pages_stay_within_their_budgets()
    {
        var server = await fixture.ServerAsync(Ct);
        using var owner = server.Owner();
        using var reader = server.Anonymous();
        var sizes = new List<PageSize>();
        var ids = new List<string>();
        foreach (var sample in Repository.Files("samples/widgets").Where(file => file.Extension == ".json"))
            ids.Add(await SaveAsync(owner, JsonElement.Parse(sample.Text)));
        // They link to each other, so each is published when all are there.
        foreach (var id in ids)
        {
            await PutAsync(owner, $"/v1/instances/{id}/publication", new { reason = "sizes" }, creates: false);
            sizes.AddRange(await WeighPagesAsync(reader, id));
        }
        sizes.ShouldNotBeEmpty();
        sizes.AddRange(await WeighAsync(reader, "/embed/v1/loader.js"));

        var file = Path.Combine(Repository.Root, Budgets);
        if (Expected.Updating || !File.Exists(file))
            Expected.Equal(Budgets, PageSizes.Draw(sizes));
        Expected.NoFaults(PageSizes.Faults(await File.ReadAllTextAsync(file, Ct), sizes));
    }

    [Fact]
    public async Task The_loader_is_small()
    {
        using var reader = (await fixture.ServerAsync(Ct)).Anonymous();
        var sizes = await WeighAsync(reader, "/embed/v1/loader.js");

        sizes.Single(size => size.Encoding == "br").Bytes.ShouldBeLessThanOrEqualTo(4_096);
        sizes.Single(size => size.Encoding == "gzip").Bytes.ShouldBeLessThanOrEqualTo(28_672);
    }

    [Fact]
    public void A_page_over_its_budget_without_one_or_gone_is_refused()
    {
        var budgets = Repository.Fixture("PageSizes/sizes.txt");

        PageSizes
            .Faults(
                budgets,
                [new("/e/a", "br", 100), new("/e/b", "br", 101), new("/e/c", "br", 1), new("/e/heavy", "br", 6_145)]
            )
            .ShouldBe([
                "/e/b br weighs 101 bytes, and its budget is 100.",
                "/e/c br has no budget; it weighs 1 bytes.",
                "/e/heavy br weighs 6145 bytes; no page may weigh more than 6144.",
                "/e/gone br has a budget, but there is no such page.",
            ]);
    }

    private static async Task<string> SaveAsync(HttpClient owner, JsonElement sample)
    {
        var publicId = sample.GetProperty("publicId").GetString()!;
        var instance = $"/v1/instances/{publicId}";
        await PutAsync(
            owner,
            instance,
            new
            {
                widgetType = sample.GetProperty("widgetType"),
                status = sample.GetProperty("status"),
                config = sample.GetProperty("config"),
            },
            creates: true
        );
        if (sample.TryGetProperty("locales", out var locales))
        {
            foreach (var locale in locales.EnumerateObject())
                await PutAsync(owner, $"{instance}/locales/{locale.Name}", new { ops = locale.Value }, creates: true);
        }
        return publicId;
    }

    private static async Task PutAsync(HttpClient owner, string path, object body, bool creates)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, path) { Content = JsonContent.Create(body) };
        if (creates)
            request.Headers.IfNoneMatch.Add(EntityTagHeaderValue.Any);
        else
            request.Headers.IfMatch.Add(EntityTagHeaderValue.Any);
        using var response = await owner.SendAsync(request, Ct);
        response.IsSuccessStatusCode.ShouldBeTrue(await response.Content.ReadAsStringAsync(Ct));
    }

    private static async Task<List<PageSize>> WeighPagesAsync(HttpClient reader, string publicId)
    {
        var manifest = await reader.GetFromJsonAsync<JsonElement>($"/w/{publicId}/manifest.json", Ct);
        var sizes = new List<PageSize>();
        foreach (var locale in manifest.GetProperty("locales").EnumerateObject())
        {
            foreach (var theme in (string[])["auto", "light", "dark"])
                sizes.AddRange(await WeighAsync(reader, $"/e/{publicId}?locale={locale.Name}&theme={theme}"));
        }
        return sizes;
    }

    private static async Task<List<PageSize>> WeighAsync(HttpClient reader, string path)
    {
        var sizes = new List<PageSize>();
        foreach (var encoding in (string[])["gzip", "br"])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path);
            request.Headers.AcceptEncoding.Add(new StringWithQualityHeaderValue(encoding));
            using var response = await reader.SendAsync(request, Ct);
            response.EnsureSuccessStatusCode();
            response.Content.Headers.ContentEncoding.ShouldBe([encoding]);
            sizes.Add(new PageSize(path, encoding, (await response.Content.ReadAsByteArrayAsync(Ct)).Length));
        }
        return sizes;
    }
}
