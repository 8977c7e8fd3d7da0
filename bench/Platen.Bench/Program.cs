using Platen.Bench;

// Each bench compares Platen with a reference in one run and prints ratios: see bench/README.md.
var benches = new SortedDictionary<string, Func<CancellationToken, Task>>(StringComparer.Ordinal)
{
    ["access"] = AccessBench.RunAsync,
    ["blobs"] = BlobsBench.RunAsync,
    ["canonical"] = CanonicalBench.RunAsync,
    ["language"] = LanguageBench.RunAsync,
    ["versions"] = VersionsBench.RunAsync,
    ["delivery"] = DeliveryBench.RunAsync,
    ["delivery-bare"] = DeliveryBench.ServeBareAsync,
    ["delivery-many"] = ManyInstancesBench.RunAsync,
    ["delivery-many-node"] = ManyInstancesBench.ServeAsync,
    ["events"] = EventsBench.RunAsync,
    ["events-bare"] = EventsBench.ServeBareAsync,
    ["events-platen"] = EventsBench.ServePlatenAsync,
    ["gates"] = GatesBench.RunAsync,
    ["limits"] = LimitsBench.RunAsync,
    ["not-there"] = NotThereBench.RunAsync,
    ["publish"] = PublishBench.RunAsync,
    ["registry"] = RegistryBench.RunAsync,
    ["releases"] = ReleasesBench.RunAsync,
    ["resolve"] = ResolveBench.RunAsync,
    [ResolveHttpBench.Bare] = ResolveHttpBench.ServeBareAsync,
    ["resolve-http"] = ResolveHttpBench.RunAsync,
    ["publish-many"] = PublishManyBench.RunAsync,
    ["rest"] = RestBench.RunAsync,
    ["schema"] = SchemaBench.RunAsync,
    ["templates"] = TemplatesBench.RunAsync,
};

using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, e) =>
{
    e.Cancel = true;
    stop.Cancel();
};

if (args.Length != 1 || !benches.TryGetValue(args[0], out var bench))
{
    await Console.Error.WriteLineAsync(
        $"usage: dotnet run -c Release --project bench/Platen.Bench -- {string.Join('|', benches.Keys)}"
    );
    return 2;
}

await bench(stop.Token);
return Rounds.Missed ? 1 : 0;
