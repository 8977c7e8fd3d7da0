using System.Text.Json.Nodes;
using Npgsql;
using Platen.Testing.Servers;

namespace Platen.Cli.Tests;

/// <summary>Commands that change something, against the built server: what each does shows in what another command reads.</summary>
public sealed class WritingCommandsTests(RealServer real) : IClassFixture<RealServer>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_dead_job_is_listed_and_put_back()
    {
        await KillJobAsync(real.JobId);
        var dead = await DoneAsync("jobs", "list", "--state", "dead");
        dead["items"]!.AsArray().Single()!["id"]!.GetValue<string>().ShouldBe(real.JobId);
        await DoneAsync("jobs", "retry", real.JobId);
        using var run = real.Open();
        await ServerProcess.WaitUntilAsync(
            "the job that was put back",
            TimeSpan.FromSeconds(60),
            async _ => (await DoneAsync("jobs", "show", real.JobId))["state"]!.GetValue<string>() == "succeeded",
            Ct
        );
        (await run.RunAsync("jobs", "retry", real.JobId)).ShouldBe(ExitCode.Stale, run.Error);
        (await run.RunAsync("jobs", "retry", Guid.CreateVersion7().ToString())).ShouldBe(ExitCode.No, run.Error);
    }

    [Fact]
    public async Task A_webhook_is_paused_and_resumed_and_its_secret_replaced()
    {
        var added = await DoneAsync("webhooks", "add", "https://hooks.example.org/writing");
        var id = added["id"]!.GetValue<string>();
        (await DoneAsync("webhooks", "pause", id))["status"]!.GetValue<string>().ShouldBe("paused");
        (await DoneAsync("webhooks", "resume", id))["status"]!.GetValue<string>().ShouldBe("active");
        var secret = (await DoneAsync("webhooks", "rotate", id, "--overlap", "1"))["secret"]!.GetValue<string>();
        secret.ShouldStartWith("whsec_");
        secret.ShouldNotBe(added["secret"]!.GetValue<string>());
        await DoneAsync("webhooks", "remove", id);
        (await DoneAsync("webhooks", "list"))["items"]!
            .AsArray()
            .ShouldNotContain(hook => hook!["id"]!.GetValue<string>() == id);
    }

    [Fact]
    public async Task A_workspace_goes_and_comes_back_and_invites()
    {
        await DoneAsync("workspaces", "create", "Leavers", "--slug", "leavers");
        (await DoneAsync("workspaces", "delete", "leavers"))["purgeAt"].ShouldNotBeNull();
        (await DoneAsync("workspaces", "restore", "leavers"))["status"]!.GetValue<string>().ShouldBe("active");

        string[] there = ["-w", "leavers"];
        var sent = await DoneAsync(["members", "invite", "ada@example.org", "--role", "viewer", .. there]);
        var id = sent["id"]!.GetValue<string>();
        (await DoneAsync(["members", "resend", id, .. there]))["token"]!
            .GetValue<string>()
            .ShouldNotBe(sent["token"]!.GetValue<string>());
        (await DoneAsync(["members", "revoke", id, .. there]))["outcome"]!.GetValue<string>().ShouldBe("revoked");
        (await DoneAsync(["members", "invitations", .. there]))["items"]!.AsArray().ShouldBeEmpty();
        using var run = real.Open();
        (await run.RunAsync(["members", "role", "ada@example.org", "--role", "editor", .. there])).ShouldBe(
            ExitCode.No
        );
        (await run.RunAsync(["members", "remove", "ada@example.org", .. there])).ShouldBe(ExitCode.No);
        run.Error.ShouldContain("no member of leavers");
    }

    [Fact]
    public async Task A_rotated_key_lets_in_with_its_new_secret_alone()
    {
        var made = await DoneAsync("keys", "create", "rotated", "--scope", "instances:read");
        var rotated = await DoneAsync("keys", "rotate", made["id"]!.GetValue<string>());
        using var former = real.Open().With("PLATEN_KEY", made["secret"]!.GetValue<string>());
        (await former.RunAsync("list")).ShouldBe(ExitCode.NotAllowed, former.Error);
        using var now = real.Open().With("PLATEN_KEY", rotated["secret"]!.GetValue<string>());
        (await now.RunAsync("list")).ShouldBe(ExitCode.Ok, now.Error);
    }

    [Fact]
    public async Task A_draft_is_made_stable_and_requests_that_nobody_made_are_not_decided()
    {
        using var run = real.Open();
        run.Write("bundle/note.md", "A note.");
        run.Write(
            "bundle/manifest.json",
            """{"template":"drafted","artifacts":[{"kind":"master_prompt","path":"note.md"}]}"""
        );
        string[] push = ["push", "--template", "drafted", "--version", "1.0.0", "--dir", "bundle", "--draft"];
        (await run.RunAsync(push)).ShouldBe(ExitCode.Ok, run.Error);
        await DoneAsync("templates", "stable", "drafted", "1.0.0");
        (await DoneAsync("templates", "show", "drafted"))
            .ToJsonString()
            .ShouldContain("\"status\":\"stable\"", Case.Sensitive);
        (await DoneAsync("templates", "expire", "drafted", "--unused-older-than", "30", "--dry-run"))["items"]![0]![
            "removed"
        ]!
            .AsArray()
            .ShouldBeEmpty();
        foreach (var decision in new[] { "approve", "reject" })
            (await run.RunAsync("templates", decision, "drafted", Guid.CreateVersion7().ToString())).ShouldBe(
                ExitCode.No
            );
    }

    [Fact]
    public async Task What_a_form_received_is_exported_to_a_file()
    {
        const string Form = "wgt_main_forms.contact";
        using var run = real.Open();
        var file = Path.Combine(run.Folder, "received.csv");
        (await run.RunAsync("submissions", "export", Form, "--out", file)).ShouldBe(ExitCode.Ok, run.Error);
        (await File.ReadAllTextAsync(file, Ct)).Split('\n')[0].ShouldContain("received");
    }

    private async Task<JsonNode> DoneAsync(params string[] args)
    {
        using var run = real.Open();
        (await run.RunAsync([.. args, "--json"])).ShouldBe(ExitCode.Ok, $"{string.Join(' ', args)}: {run.Error}");
        return JsonNode.Parse(run.Out)!;
    }

    /// <summary>As if it had failed at every attempt.</summary>
    private async Task KillJobAsync(string id)
    {
        await using var admin = NpgsqlDataSource.Create(
            $"Host={Path.Combine(real.Server.DataFolder, "postgres-socket")};Username=postgres;Database=platen;SSL Mode=Disable"
        );
        await using var kill = admin.CreateCommand(
            "update platform.job set state = 'dead', finished_at = clock_timestamp(), error = 'broken' where id = $1"
        );
        kill.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = Guid.Parse(id) });
        (await kill.ExecuteNonQueryAsync(Ct)).ShouldBe(1);
    }
}
