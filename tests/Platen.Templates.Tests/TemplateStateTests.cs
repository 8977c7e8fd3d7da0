using Platen.Kernel;

namespace Platen.Templates.Tests;

public sealed class TemplateStateTests(ServerFixture server)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_is_read_while_versions_are_pushed_is_of_one_moment()
    {
        var name = ServerFixture.NewName();
        await server.Owner.PushPromptAsync(name, "1.0.0", "version 0");
        var pushing = PushAsync();
        while (!pushing.IsCompleted)
        {
            await Parallel.ForAsync(
                0,
                8,
                Ct,
                async (_, ct) =>
                {
                    await using var session = await server.Postgres.Pools.OpenAsync(
                        OperationContext.ForSystem(OwnerId.Platform, "test"),
                        ct
                    );
                    // One that remembers nothing, and so reads each time.
                    var state = (await new TemplateStates().FindAsync(session, name, ct))!;
                    foreach (var channel in state.Channels.Values)
                        state.Find(channel.Release!.Value).ShouldNotBeNull(channel.Key.Name);
                }
            );
        }
        await pushing;

        async Task PushAsync()
        {
            for (var i = 1; i <= 40; i++)
                (await server.Owner.PushPromptAsync(name, $"1.0.{i}", $"version {i}")).Status.ShouldBe(201);
        }
    }
}
