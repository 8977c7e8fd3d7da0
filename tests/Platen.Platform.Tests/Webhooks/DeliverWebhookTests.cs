using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Platen.Platform.Events;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;
using Platen.Platform.Webhooks;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Platform.Tests.Webhooks;

/// <summary>Receivers that answer slowly, and what they cost everybody else.</summary>
public sealed class DeliverWebhookTests(PostgresFixture postgres)
{
    private static readonly WebhookOptions Options = new()
    {
        Networks = [IPNetwork.Parse("127.0.0.0/8")],
        Patience = TimeSpan.FromMinutes(1),
        TurnWait = TimeSpan.FromMilliseconds(20),
        MostTurnWait = TimeSpan.FromMilliseconds(100),
    };

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_message_that_waits_for_its_turn_is_one_job_however_often_it_is_put_off()
    {
        var owner = TestOwner.New();
        await using var slow = await Slow.StartAsync();
        await TellAsync(owner, await AddAsync(owner, slow.Url), messages: 12);
        await using var worker = await WorkAsync();
        await UntilAsync("its turns are taken", async () => slow.Now == 4 && await MostPutOffAsync(owner) >= 3);

        (await RowsAsync(owner)).ShouldBe(12);
        slow.Open();
        await UntilAsync("all are delivered", async () => await DeliveredAsync(owner) == 12);
        await UntilAsync("no job is left", async () => await LiveAsync(owner) == 0);
        (await RowsAsync(owner)).ShouldBe(12);
        slow.Most.ShouldBe(4);
        slow.Count.ShouldBe(12);
    }

    [Fact]
    public async Task Many_slow_receivers_of_one_owner_do_not_hold_up_another_owner()
    {
        var owner = TestOwner.New();
        await using var slow = await Slow.StartAsync();
        for (var n = 0; n < 10; n++)
            await TellAsync(owner, await AddAsync(owner, $"{slow.Url}?{n}"), messages: 10);
        await using var worker = await WorkAsync();
        await UntilAsync("its turns are taken", async () => slow.Now == 8 && await MostPutOffAsync(owner) >= 3);

        var other = TestOwner.New();
        await using var quick = await WebhookReceiver.AnsweringAsync(200);
        await TellAsync(other, await AddAsync(other, quick.Url), messages: 1);
        await UntilAsync("the other's message is delivered", async () => await DeliveredAsync(other) == 1);
        slow.Count.ShouldBe(8);

        slow.Open();
        await UntilAsync("all are delivered", async () => await DeliveredAsync(owner) == 100);
        slow.Most.ShouldBe(8);
        slow.Count.ShouldBe(100);
    }

    private async Task<WebhookId> AddAsync(TestOwner owner, string url)
    {
        await using var session = await OpenAsync(owner);
        var id = new WebhookId(Guid.CreateVersion7());
        await WebhookStore.AddAsync(session, id, new WebhookOrder(url, ["*"], ""), Ct);
        await session.CommitAsync(Ct);
        return id;
    }

    private async Task TellAsync(TestOwner owner, WebhookId webhook, int messages)
    {
        await using var session = await OpenAsync(owner);
        for (var n = 0; n < messages; n++)
            await WebhookQueue.EnqueueToAsync(session, webhook, "test.happened", "{}"u8.ToArray(), Ct);
        await session.CommitAsync(Ct);
    }

    private async Task<int> MostPutOffAsync(TestOwner owner)
    {
        await using var session = await OpenAsync(owner);
        return await session.FirstAsync(
            "select max(attempts_forgiven) from platform.job where owner = platform.current_owner()",
            row => row.GetInt32(0),
            Ct
        );
    }

    private Task<long> LiveAsync(TestOwner owner) =>
        CountAsync(owner, "platform.job", "state in ('queued', 'running')");

    private Task<long> RowsAsync(TestOwner owner) => CountAsync(owner, "platform.job", "true");

    private Task<long> DeliveredAsync(TestOwner owner) =>
        CountAsync(owner, "platform.webhook_delivery", "status = 'delivered'");

    private async Task<long> CountAsync(TestOwner owner, string table, string condition)
    {
        await using var session = await OpenAsync(owner);
        return await session.FirstAsync(
            $"select count(*) from {table} where owner = platform.current_owner() and {condition}",
            row => row.GetInt64(0),
            Ct
        );
    }

    private ValueTask<Session> OpenAsync(TestOwner owner) => postgres.OpenAsync(owner, Ct);

    private static Task UntilAsync(string what, Func<Task<bool>> holds) =>
        ServerProcess.WaitUntilAsync(what, TimeSpan.FromSeconds(60), _ => holds(), Ct);

    private async Task<Worker> WorkAsync()
    {
        var listener = new NotificationListener(
            postgres.Pools,
            NullLogger<NotificationListener>.Instance,
            TimeProvider.System
        );
        var sender = new WebhookSender(Options, TimeProvider.System);
        var runner = new JobRunner(
            postgres.Pools,
            listener,
            [
                new DeliverWebhook(
                    postgres.Pools,
                    sender,
                    Options,
                    TimeProvider.System,
                    NullLogger<DeliverWebhook>.Instance
                ),
            ],
            new JobRunnerOptions { Poll = TimeSpan.FromMilliseconds(50) },
            NullLogger<JobRunner>.Instance,
            TimeProvider.System
        );
        await listener.StartAsync(Ct);
        await runner.StartAsync(Ct);
        return new Worker(listener, runner, sender);
    }

    private sealed class Worker(NotificationListener listener, JobRunner runner, WebhookSender sender)
        : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await runner.StopAsync(CancellationToken.None);
            await listener.StopAsync(CancellationToken.None);
            runner.Dispose();
            listener.Dispose();
            sender.Dispose();
        }
    }

    /// <summary>A receiver that answers nobody until it is opened, and counts who waits.</summary>
    private sealed class Slow : IAsyncDisposable
    {
        private readonly TaskCompletionSource open = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Lock counting = new();
        private WebhookReceiver? receiver;

        public string Url => receiver!.Url;

        public int Now { get; private set; }

        public int Most { get; private set; }

        public int Count => receiver!.Messages.Count;

        public static async Task<Slow> StartAsync()
        {
            var slow = new Slow();
            slow.receiver = await WebhookReceiver.StartAsync(
                async (context, _) =>
                {
                    lock (slow.counting)
                        slow.Most = Math.Max(slow.Most, ++slow.Now);
                    await slow.open.Task.WaitAsync(context.RequestAborted);
                    lock (slow.counting)
                        slow.Now--;
                }
            );
            return slow;
        }

        public void Open() => open.TrySetResult();

        public async ValueTask DisposeAsync()
        {
            Open();
            await receiver!.DisposeAsync();
        }
    }
}
