// A worker process for tests to kill: takes jobs of one kind, prints "started ID ATTEMPT" and holds on to the job until it
// is killed. Arguments: connection string, kind.
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Platen.JobWorker;
using Platen.Platform;
using Platen.Platform.Jobs;
using Platen.Platform.Postgres;

await using var runtime = await PostgresSetup.StartAsync(
    new PostgresOptions { DataFolder = "/nonexistent", ConnectionString = args[0] },
    [PlatformModule.Sql],
    NullLogger.Instance,
    CancellationToken.None
);
var builder = Host.CreateEmptyApplicationBuilder(null);
builder.Services.AddLogging(logging => logging.ClearProviders());
builder.Services.AddSingleton(runtime.Pools);
builder.Services.AddSingleton<IJobHandler>(new Holder(args[1]));
builder.Services.AddJobRunner(new JobRunnerOptions { Lease = TimeSpan.FromSeconds(2) });
using var host = builder.Build();
await host.RunAsync();
