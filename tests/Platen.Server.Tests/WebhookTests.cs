using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Npgsql;
using Platen.Kernel;
using Platen.Platform.Postgres;
using Platen.Platform.Webhooks;
using Platen.Testing.Servers;

namespace Platen.Server.Tests;

/// <summary>Messages to other people's servers, from the making of a webhook to the last attempt.</summary>
public sealed class WebhookTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_message_arrives_signed_as_Standard_Webhooks_says()
    {
        await using var receiver = await WebhookReceiver.AnsweringAsync(204);
        var hooks = await Hooks.NewAsync(server);
        var (place, secret) = await hooks.AddAsync(receiver.Url);

        await hooks.TellAsync("submission.arrived", """{"id":"1","text":"ünï"}""");
        await receiver.HasAsync(1, Ct);
        var message = receiver.Messages.Single();
        message.Target.ShouldBe("POST /hook");
        message.IsSignedWith(secret).ShouldBeTrue();
        message.IsSignedWith(WebhookSecret.Generate().Reveal()).ShouldBeFalse();
        message.Json["type"]!.GetValue<string>().ShouldBe("submission.arrived");
        message.Json["data"]!["text"]!.GetValue<string>().ShouldBe("ünï");
        DateTimeOffset
            .Parse(message.Json["timestamp"]!.GetValue<string>(), System.Globalization.CultureInfo.InvariantCulture)
            .ShouldBe(TimeProvider.System.GetUtcNow(), TimeSpan.FromMinutes(1));
        // Nothing of ours travels along.
        message.Fields.ShouldNotContain("traceparent");
        message.Fields.ShouldNotContain("Authorization");

        var delivery = await hooks.LastDeliveryAsync(place, "delivered");
        delivery["attempts"]!.GetValue<int>().ShouldBe(1);
        delivery["responseCode"]!.GetValue<int>().ShouldBe(204);
        delivery["messageId"]!.GetValue<string>().ShouldBe(message.Id);
        var one = await server.Owner.SendAsync(HttpMethod.Get, $"{place}/deliveries/{delivery["id"]}");
        JsonNode.DeepEquals(one.Json["body"], message.Json).ShouldBeTrue();
    }

    [Fact]
    public async Task What_fails_is_sent_again_under_the_same_id_until_it_is_dead_and_then_by_hand()
    {
        await using var receiver = await WebhookReceiver.AnsweringAsync(500, 302, 404, 200);
        var hooks = await Hooks.NewAsync(server);
        var (place, secret) = await hooks.AddAsync(receiver.Url);
        await hooks.TellAsync("submission.arrived", """{"id":"1"}""");

        var dead = await hooks.LastDeliveryAsync(place, "dead");
        dead["attempts"]!.GetValue<int>().ShouldBe(3);
        dead["responseCode"]!.GetValue<int>().ShouldBe(404);
        dead["error"]!.GetValue<string>().ShouldBe("It answered 404.");
        (await hooks.ReadAsync(place)).Json["failingSince"].ShouldNotBeNull();

        var again = await server.Owner.SendAsync(HttpMethod.Post, $"{place}/deliveries/{dead["id"]}/redeliver");
        again.Status.ShouldBe(202);
        (await hooks.LastDeliveryAsync(place, "delivered"))["attempts"]!.GetValue<int>().ShouldBe(4);
        receiver.Messages.Count.ShouldBe(4);
        receiver.Messages.Select(m => m.Id).Distinct().Count().ShouldBe(1);
        receiver.Messages.Select(m => Convert.ToBase64String(m.Body)).Distinct().Count().ShouldBe(1);
        receiver.Messages.ShouldAllBe(m => m.IsSignedWith(secret));
        (await hooks.ReadAsync(place)).Json["failingSince"].ShouldBeNull();
    }

    [Fact]
    public async Task A_receiver_that_does_not_answer_is_waited_for_so_long_and_no_longer()
    {
        var never = new TaskCompletionSource();
        await using var receiver = await WebhookReceiver.StartAsync(
            (context, number) => number == 1 ? never.Task.WaitAsync(context.RequestAborted) : Task.CompletedTask
        );
        var hooks = await Hooks.NewAsync(server);
        var (place, _) = await hooks.AddAsync(receiver.Url);
        await hooks.TellAsync("submission.arrived", "{}");
        await hooks.LastDeliveryAsync(place, "delivered");
        receiver.Messages.Count.ShouldBe(2);
        receiver.Messages.Select(m => m.Id).Distinct().Count().ShouldBe(1);
    }

    [Fact]
    public async Task An_answer_without_end_is_not_read()
    {
        await using var receiver = await WebhookReceiver.StartAsync(
            async (context, _) =>
            {
                var part = new byte[64 * 1024];
                try
                {
                    while (!context.RequestAborted.IsCancellationRequested)
                        await context.Response.Body.WriteAsync(part, context.RequestAborted);
                }
                catch (OperationCanceledException)
                {
                    // The sender has hung up.
                }
            }
        );
        var hooks = await Hooks.NewAsync(server);
        var (place, _) = await hooks.AddAsync(receiver.Url);
        await hooks.TellAsync("submission.arrived", "{}");
        (await hooks.LastDeliveryAsync(place, "delivered"))["durationMs"]!.GetValue<int>().ShouldBeLessThan(2000);
    }

    [Fact]
    public async Task Nothing_is_sent_of_what_was_rolled_back_or_not_asked_for()
    {
        await using var receiver = await WebhookReceiver.AnsweringAsync(200);
        var hooks = await Hooks.NewAsync(server);
        var (place, _) = await hooks.AddAsync(receiver.Url);
        await using (var session = await hooks.OpenAsync())
            (await WebhookQueue.EnqueueAsync(session, "submission.arrived", "{}"u8.ToArray(), Ct)).ShouldBe(1);
        await using (var session = await hooks.OpenAsync())
        {
            (await WebhookQueue.EnqueueAsync(session, "something.else", "{}"u8.ToArray(), Ct)).ShouldBe(0);
            await session.CommitAsync(Ct);
        }
        var other = await Hooks.NewAsync(server);
        await other.TellAsync("submission.arrived", """{"of":"another"}""");
        await hooks.TellAsync("submission.arrived", """{"of":"mine"}""");
        await hooks.LastDeliveryAsync(place, "delivered");
        receiver.Messages.Single().Json["data"]!["of"]!.GetValue<string>().ShouldBe("mine");
    }

    [Fact]
    public async Task A_secret_is_told_once_and_its_successor_signs_beside_it()
    {
        await using var receiver = await WebhookReceiver.AnsweringAsync(200);
        var hooks = await Hooks.NewAsync(server);
        var (place, first) = await hooks.AddAsync(receiver.Url);
        var read = await hooks.ReadAsync(place);
        read.Text.ShouldNotContain("whsec_");
        (await server.Owner.SendAsync(HttpMethod.Get, hooks.Place)).Text.ShouldNotContain("whsec_");

        var rotated = await server.Owner.SendAsync(
            HttpMethod.Post,
            place + "/rotate-secret",
            new { overlapHours = 1 },
            read.Tag
        );
        rotated.Status.ShouldBe(200, rotated.Text);
        var second = rotated.Json["secret"]!.GetValue<string>();
        await hooks.TellAsync("submission.arrived", "{}");
        await hooks.LastDeliveryAsync(place, "delivered");
        var both = receiver.Messages.Single();
        both.Signature.Split(' ').Length.ShouldBe(2);
        both.IsSignedWith(first).ShouldBeTrue();
        both.IsSignedWith(second).ShouldBeTrue();

        (
            await server.Owner.SendAsync(HttpMethod.Post, place + "/rotate-secret", new { overlapHours = 0 }, read.Tag)
        ).Status.ShouldBe(412);
        var third = (
            await server.Owner.SendAsync(
                HttpMethod.Post,
                place + "/rotate-secret",
                new { overlapHours = 0 },
                rotated.Tag
            )
        ).Json["secret"]!.GetValue<string>();
        await server.Owner.SendAsync(HttpMethod.Post, place + "/ping");
        await receiver.HasAsync(2, Ct);
        var ping = receiver.Messages.Last();
        ping.Json["type"]!.GetValue<string>().ShouldBe("webhook.ping");
        ping.IsSignedWith(third).ShouldBeTrue();
        ping.IsSignedWith(second).ShouldBeFalse();
    }

    [Fact]
    public async Task The_role_that_serves_requests_cannot_read_a_secret()
    {
        var hooks = await Hooks.NewAsync(server);
        await hooks.AddAsync("https://example.org/hook");
        await using var session = await hooks.OpenAsync();
        var refused = await Should.ThrowAsync<PostgresException>(() =>
            session.FirstAsync("select secret from platform.webhook_secret", row => row.GetValue(0), Ct)
        );
        refused.SqlState.ShouldBe(PostgresErrorCodes.InsufficientPrivilege);
    }

    [Fact]
    public async Task Where_nothing_arrives_any_more_the_webhook_is_disabled_and_says_why()
    {
        await using var receiver = await WebhookReceiver.AnsweringAsync(503);
        var hooks = await Hooks.NewAsync(server);
        var (place, _) = await hooks.AddAsync(receiver.Url);
        await hooks.TellAsync("submission.arrived", "{}");
        await hooks.LastDeliveryAsync(place, "dead");
        await using (var admin = await server.Postgres.OpenAdminAsync(Ct))
        {
            await using var age = new NpgsqlCommand(
                "update platform.webhook set failing_since = failing_since - interval '6 days' where owner = $1",
                admin
            );
            age.Parameters.AddWithValue(hooks.Owner.Value);
            await age.ExecuteNonQueryAsync(Ct);
        }
        await hooks.TellAsync("submission.arrived", "{}");
        await Platen.Testing.Servers.ServerProcess.WaitUntilAsync(
            "the webhook is disabled",
            TimeSpan.FromSeconds(30),
            async _ => (await hooks.ReadAsync(place)).Json["status"]!.GetValue<string>() == "disabled",
            Ct
        );
        var disabled = await hooks.ReadAsync(place);
        disabled.Json["disabledReason"]!.GetValue<string>().ShouldContain("Nothing has arrived since");
        var count = receiver.Messages.Count;
        await hooks.TellAsync("submission.arrived", "{}");

        var active = await server.Owner.SendAsync(HttpMethod.Patch, place, new { status = "active" }, disabled.Tag);
        active.Status.ShouldBe(200, active.Text);
        active.Json["disabledReason"].ShouldBeNull();
        receiver.Messages.Count.ShouldBe(count);
    }

    [Fact]
    public async Task A_receiver_that_is_gone_is_asked_no_more()
    {
        await using var receiver = await WebhookReceiver.AnsweringAsync(410);
        var hooks = await Hooks.NewAsync(server);
        var (place, _) = await hooks.AddAsync(receiver.Url);
        await hooks.TellAsync("submission.arrived", "{}");
        await hooks.LastDeliveryAsync(place, "dead");
        var read = await hooks.ReadAsync(place);
        read.Json["status"]!.GetValue<string>().ShouldBe("disabled");
        receiver.Messages.Count.ShouldBe(1);
    }

    [Theory]
    [InlineData("http://10.0.0.1/hook")]
    [InlineData("https://169.254.169.254/latest/meta-data/")]
    [InlineData("https://[::1]/hook")]
    [InlineData("https://[::ffff:10.0.0.1]/hook")]
    [InlineData("https://[fd00::1]/hook")]
    [InlineData("https://[fe80::1]/hook")]
    [InlineData("https://[64:ff9b::a00:1]/hook")]
    [InlineData("https://0xA000001/hook")]
    [InlineData("https://192.168.1.1/hook")]
    [InlineData("https://0.0.0.0/hook")]
    [InlineData("https://100.64.0.1/hook")]
    [InlineData("https://user:pass@example.org/hook")]
    [InlineData("https://example.org/hook#part")]
    [InlineData("ftp://example.org/hook")]
    [InlineData("file:///etc/passwd")]
    [InlineData("/hook")]
    [InlineData("https://exa mple.org/")]
    [InlineData("")]
    public async Task An_address_that_is_not_on_the_public_internet_is_refused(string url)
    {
        var hooks = await Hooks.NewAsync(server);
        var refused = await server.Owner.SendAsync(HttpMethod.Post, hooks.Place, new { url, types = new[] { "*" } });
        refused.Problem.ShouldBe("invalid", refused.Text);
        refused.FaultPointers.ShouldBe(["/url"]);
    }

    [Fact]
    public async Task A_name_that_leads_to_the_machine_itself_is_found_out_when_it_is_asked()
    {
        // The name of this machine and its loopback: nobody listed ::1, and nothing is connected to.
        var hooks = await Hooks.NewAsync(server);
        var (place, _) = await hooks.AddAsync("https://ip6-localhost:1/hook");
        await hooks.TellAsync("submission.arrived", "{}");
        var dead = await hooks.LastDeliveryAsync(place, "dead");
        dead["responseCode"].ShouldBeNull();
        dead["error"]!
            .GetValue<string>()
            .ShouldBeOneOf(
                "The receiver's address is not on the public internet, and the operator has not listed it.",
                "Its name is not known."
            );
    }

    [Fact]
    public async Task Orders_are_checked_and_there_are_only_so_many()
    {
        var hooks = await Hooks.NewAsync(server);
        var refused = await server.Owner.SendAsync(
            HttpMethod.Post,
            hooks.Place,
            new
            {
                url = "gopher://x",
                types = new[] { "*", "no.such" },
                description = "a\nb",
            }
        );
        refused.FaultPointers.Order(StringComparer.Ordinal).ShouldBe(["/description", "/types/1", "/url"]);
        for (var i = 0; i < WebhookLimits.PerOwner; i++)
            await hooks.AddAsync("https://example.org/" + i);
        (
            await server.Owner.SendAsync(
                HttpMethod.Post,
                hooks.Place,
                new { url = "https://example.org/one-more", types = new[] { "*" } }
            )
        ).Problem.ShouldBe("conflict");
    }

    [Fact]
    public async Task An_idempotency_key_makes_one_webhook_whose_secret_is_told_once()
    {
        var hooks = await Hooks.NewAsync(server);
        var key = Guid.CreateVersion7().ToString();
        using var first = await PostAsync();
        ((int)first.StatusCode).ShouldBe(201);
        first.Headers.CacheControl!.NoStore.ShouldBeTrue();
        using var second = await PostAsync();
        ((int)second.StatusCode).ShouldBe(409);
        (await second.Content.ReadAsStringAsync(Ct)).ShouldNotContain("whsec_");

        async Task<HttpResponseMessage> PostAsync()
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, hooks.Place);
            request.Content = JsonContent.Create(new { url = "https://example.org/", types = new[] { "*" } });
            request.Headers.Add("Idempotency-Key", key);
            return await server.Owner.SendAsync(request, Ct);
        }
    }

    [Fact]
    public async Task A_removed_webhook_is_told_nothing_and_others_never_see_it()
    {
        await using var receiver = await WebhookReceiver.AnsweringAsync(200);
        var hooks = await Hooks.NewAsync(server);
        var (place, _) = await hooks.AddAsync(receiver.Url);
        var other = await Hooks.NewAsync(server);
        var id = place[(place.LastIndexOf('/') + 1)..];
        (await server.Owner.SendAsync(HttpMethod.Get, $"{other.Place}/{id}")).Status.ShouldBe(404);
        (await server.Owner.SendAsync(HttpMethod.Get, $"/v1/workspaces/platform/webhooks/{id}")).Status.ShouldBe(404);
        var key = await server.CreateKeyAsync(other.Owner, Access.Scopes.WebhooksManage);
        using var stranger = new HttpClient { BaseAddress = server.Address };
        stranger.DefaultRequestHeaders.Authorization = new("Bearer", key);
        (await stranger.SendAsync(HttpMethod.Get, place)).Status.ShouldBe(404);
        (await stranger.SendAsync(HttpMethod.Get, other.Place)).Status.ShouldBe(200);

        (await server.Owner.SendAsync(HttpMethod.Delete, place)).Problem.ShouldBe("precondition-required");
        var tag = (await hooks.ReadAsync(place)).Tag;
        (await server.Owner.SendAsync(HttpMethod.Delete, place, ifMatch: tag)).Status.ShouldBe(204);
        await hooks.TellAsync("submission.arrived", "{}", expected: 0);
        (await hooks.ReadAsync(place)).Status.ShouldBe(404);
        receiver.Messages.ShouldBeEmpty();
    }

    [Fact]
    public async Task The_audit_names_a_receiver_and_not_what_its_address_lets_somebody_do()
    {
        var hooks = await Hooks.NewAsync(server);
        var (place, _) = await hooks.AddAsync("https://chat.example.org/hooks/T0KEN-OF-A-ROOM?key=s3cret");
        var tag = (await hooks.ReadAsync(place)).Tag;
        var changed = await server.Owner.SendAsync(
            HttpMethod.Patch,
            place,
            new { url = "https://chat.example.org/hooks/AN0THER?key=s3cret" },
            tag
        );
        (await server.Owner.SendAsync(HttpMethod.Delete, place, ifMatch: changed.Tag)).Status.ShouldBe(204);

        using var reader = new HttpClient { BaseAddress = server.Address };
        var key = await server.CreateKeyAsync(hooks.Owner, Access.Scopes.AuditRead);
        reader.DefaultRequestHeaders.Authorization = new("Bearer", key);
        var audit = await reader.SendAsync(HttpMethod.Get, "/v1/audit?action=webhook.*");
        audit.Json["items"]!.AsArray().Count.ShouldBe(3, audit.Text);
        audit.Text.ShouldContain("https://chat.example.org");
        audit.Text.ShouldNotContain("T0KEN");
        audit.Text.ShouldNotContain("AN0THER");
        audit.Text.ShouldNotContain("s3cret");
        var digests = audit.Json["items"]!
            .AsArray()
            .Select(entry => entry!["detail"]!["to"]!["urlDigest"]!.GetValue<string>())
            .ToList();
        digests.Distinct().Count().ShouldBe(2);
    }

    [Fact]
    public async Task The_platform_has_webhooks_as_well()
    {
        await using var receiver = await WebhookReceiver.AnsweringAsync(200);
        var made = await server.Owner.SendAsync(
            HttpMethod.Post,
            "/v1/workspaces/platform/webhooks",
            new { url = receiver.Url, types = new[] { "*" } }
        );
        made.Status.ShouldBe(201, made.Text);
        var place = $"/v1/workspaces/platform/webhooks/{made.Json["id"]}";
        (await server.Owner.SendAsync(HttpMethod.Post, place + "/ping")).Status.ShouldBe(202);
        await receiver.HasAsync(1, Ct);
        (await server.Owner.SendAsync(HttpMethod.Delete, place, ifMatch: made.Tag)).Status.ShouldBe(204);
    }
}

/// <summary>A workspace of its own, and its webhooks.</summary>
internal sealed class Hooks(ServerFixture server, string slug, OwnerId owner)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public string Place => $"/v1/workspaces/{slug}/webhooks";

    public OwnerId Owner => owner;

    public static async Task<Hooks> NewAsync(ServerFixture server)
    {
        var slug = "hooks-" + Guid.CreateVersion7().ToString("N")[20..];
        var made = await server.Owner.SendAsync(HttpMethod.Post, "/v1/workspaces", new { name = "Hooks", slug });
        made.Status.ShouldBe(201, made.Text);
        return new Hooks(server, slug, new OwnerId(made.Json["id"]!.GetValue<Guid>()));
    }

    public async Task<(string Place, string Secret)> AddAsync(string url)
    {
        var made = await server.Owner.SendAsync(
            HttpMethod.Post,
            Place,
            new { url, types = new[] { "submission.arrived" } }
        );
        made.Status.ShouldBe(201, made.Text);
        return ($"{Place}/{made.Json["id"]}", made.Json["secret"]!.GetValue<string>());
    }

    public Task<Answer> ReadAsync(string place) => server.Owner.SendAsync(HttpMethod.Get, place);

    public ValueTask<Session> OpenAsync() =>
        server.Postgres.Pools.OpenAsync(OperationContext.ForSystem(owner, "test"), Ct);

    /// <summary>Something happens.</summary>
    public async Task TellAsync(string type, string payload, int? expected = null)
    {
        await using var session = await OpenAsync();
        var told = await WebhookQueue.EnqueueAsync(session, type, System.Text.Encoding.UTF8.GetBytes(payload), Ct);
        if (expected is not null)
            told.ShouldBe(expected.Value);
        await session.CommitAsync(Ct);
    }

    /// <summary>Waits until the last message has come to that.</summary>
    public async Task<JsonNode> LastDeliveryAsync(string place, string status)
    {
        JsonNode? last = null;
        await Platen.Testing.Servers.ServerProcess.WaitUntilAsync(
            "a message " + status,
            TimeSpan.FromSeconds(60),
            async _ =>
            {
                var page = await server.Owner.SendAsync(HttpMethod.Get, place + "/deliveries");
                last = page.Json["items"]!.AsArray().FirstOrDefault();
                return last?["status"]!.GetValue<string>() == status;
            },
            Ct
        );
        return last!;
    }
}
