using System.Collections.Immutable;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Platen.Access;
using Platen.Kernel;
using Platen.Platform.Blobs;
using Platen.Platform.Http;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;

namespace Platen.Registry.Tests;

/// <summary>A module takes in what is pushed under its prefix, in the push's own transaction.</summary>
public sealed class IntakeTests(RegistryFixture registry)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_an_intake_takes_in_is_written_with_the_move_and_what_it_refuses_is_not_there()
    {
        await using var app = await StartAsync();
        var key = await RegistryFixture.CreateKeyAsync(
            registry.Postgres.Pools,
            OwnerId.Platform,
            [Scopes.RegistryPull, Scopes.RegistryPush, Scopes.EventsRead]
        );
        var client = new RegistryClient(new Uri(app.Urls.Single()), OwnerId.Platform, key);
        var name = $"templates/t{Guid.CreateVersion7():N}";
        var file = new DraftFile(
            "prompt.md",
            "text/markdown",
            "Write well."u8.ToArray(),
            ImmutableSortedDictionary<string, string>.Empty
        );
        var good = new ReleaseDraft(name, "application/vnd.platen.template.v1", [file], Note("good"));
        var bad = new ReleaseDraft(name, "application/vnd.platen.template.v1", [file], Note("bad"));
        await client.PushBlobAsync(name, "{}"u8.ToArray());
        await client.PushBlobAsync(name, file.Bytes.ToArray());

        (await client.PutManifestAsync(name, "stable", good.ManifestBytes.ToArray())).Status.ShouldBe(201);
        (await client.PutManifestAsync(name, "stable", good.ManifestBytes.ToArray())).Status.ShouldBe(201);
        var taken = app.Services.GetServices<IReleaseIntake>().OfType<TemplateIntake>().Single().Taken;
        taken
            .Select(t => (t.Subject, t.Channel, t.Replaces, t.Digest))
            .ShouldBe([(name, "stable", null, good.Digest), (name, "stable", good.Digest, good.Digest)]);
        taken[0].Manifest!.Files.Single().Path.ShouldBe("prompt.md");
        (await EventsAsync(name)).ShouldBe(2);

        foreach (var reference in (string[])["stable", bad.Digest.ToString()])
        {
            var refused = await client.PutManifestAsync(name, reference, bad.ManifestBytes.ToArray());
            refused.Refusal.ShouldBe((422, "MANIFEST_INVALID"));
            var detail = refused.Json["errors"]![0]!["detail"]!;
            detail["type"]!.GetValue<string>().ShouldBe("/problems/invalid");
            detail["faults"]![0]!["pointer"]!.GetValue<string>().ShouldBe("/annotations/note");
        }
        (await client.GetAsync($"/v2/{name}/manifests/{bad.Digest}")).Status.ShouldBe(404);
        (await client.GetAsync($"/v2/{name}/manifests/stable"))["Docker-Content-Digest"]
            .ShouldBe(good.Digest.ToString());
        (await EventsAsync(name)).ShouldBe(2);
    }

    [Fact]
    public async Task An_intakes_scope_is_needed_too()
    {
        await using var app = await StartAsync();
        var key = await RegistryFixture.CreateKeyAsync(
            registry.Postgres.Pools,
            OwnerId.Platform,
            [Scopes.RegistryPull, Scopes.RegistryPush]
        );
        var client = new RegistryClient(new Uri(app.Urls.Single()), OwnerId.Platform, key);
        await client.PushBlobAsync("templates/mine", "{}"u8.ToArray());
        var refused = await client.PutManifestAsync("templates/mine", "v1", Manifests.Image("{}"u8.ToArray()));
        refused.Refusal.ShouldBe((403, "DENIED"));
        refused.Text.ShouldContain("'events:read'");
    }

    private static ImmutableSortedDictionary<string, string> Note(string text) =>
        ImmutableSortedDictionary<string, string>.Empty.Add("note", text);

    private async Task<long> EventsAsync(string name)
    {
        await using var session = await registry.Postgres.Pools.OpenAsync(
            OperationContext.ForSystem(OwnerId.Platform, "test"),
            Ct
        );
        return await session.FirstAsync(
            "select count(*) from platform.event where stream_id = $1",
            row => row.GetInt64(0),
            Ct,
            Sql.Text("taken/" + name)
        );
    }

    // The server's own pieces, with one intake more than it has.
    private async Task<WebApplication> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.AddSingleton(registry.Postgres.Pools);
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddBlobStore("file:" + Path.Combine(registry.Postgres.Folder, "blobs"));
        builder.Services.AddAccess();
        builder.Services.AddRegistry(RegistryOptions.Default);
        builder.Services.AddSingleton<IReleaseIntake, TemplateIntake>();
        var app = builder.Build();
        app.UseProblems(app.Logger);
        app.UseRegistry();
        app.UseRouting();
        app.UseAuthentication();
        app.UseAuthorization();
        app.MapRegistry();
        await app.StartAsync(Ct);
        return app;
    }

    /// <summary>Takes what is noted as good, and writes an event for it.</summary>
    private sealed class TemplateIntake : IReleaseIntake
    {
        public List<IncomingRelease> Taken { get; } = [];

        public string SubjectPrefix => "templates/";

        public string Scope => Scopes.EventsRead;

        public async Task TakeInAsync(Session session, IncomingRelease release, CancellationToken ct)
        {
            await session.ExecuteAsync(
                "select platform.append_event($1, 'release.taken', '{}')",
                ct,
                Sql.Text("taken/" + release.Subject)
            );
            if (release.Manifest?.Annotations.GetValueOrDefault("note") != "good")
            {
                throw KernelProblems
                    .Invalid.Because("The template is not good.", [new Fault("/annotations/note", "Say 'good'.")])
                    .AsException();
            }
            Taken.Add(release);
        }
    }
}
