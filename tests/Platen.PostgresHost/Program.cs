// A server that is nothing but its database, for tests to kill: prints "ready PID" or "refused REASON", and stops when its
// input ends.
using Microsoft.Extensions.Logging.Abstractions;
using Platen.Platform;
using Platen.Platform.Postgres;

try
{
    await using var runtime = await PostgresSetup.StartAsync(
        new PostgresOptions { DataFolder = args[0], Url = "http://127.0.0.1:5080" },
        [PlatformModule.Sql],
        NullLogger.Instance,
        CancellationToken.None
    );
    Console.WriteLine($"ready {runtime.ProcessId}");
    await Console.In.ReadToEndAsync();
    return 0;
}
catch (PostgresStartException refused)
{
    Console.WriteLine("refused " + refused.Message.ReplaceLineEndings(" "));
    return 1;
}
