using Platen.Platform.Blobs;
using Platen.Platform.Postgres;
using Platen.Server;

namespace Platen.Templates.Tests;

public sealed class ResidencyTests(ServerFixture server)
{
    [Fact]
    public async Task A_store_that_cannot_prove_the_required_region_stops_the_start()
    {
        var folder = server.Postgres.Folder;
        await using var app = ServerHost.Build(
            new ServerSettings
            {
                DataFolder = folder,
                Urls = "http://127.0.0.1:0",
                Profile = "standalone",
                Roles = ServerRoles.Api,
                Blobs = "file:" + Path.Combine(folder, "blobs"),
                BlobsRegion = "ca-central-1",
                WidgetsFolder = Path.Combine(AppContext.BaseDirectory, "widgets"),
                Samples = false,
                Postgres = new PostgresOptions { DataFolder = folder },
            },
            server.Postgres.Runtime
        );
        var refused = await Should.ThrowAsync<BlobLocationException>(() =>
            app.StartAsync(TestContext.Current.CancellationToken)
        );
        refused.Message.ShouldContain("ca-central-1");
    }
}
