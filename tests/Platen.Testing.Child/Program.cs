using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Platen.Kernel;
using Platen.Platform.Blobs;
using Platen.Testing.Child;

// What tests need a process of its own for: to be killed, or to have its memory measured.
const int MegaByte = 1024 * 1024;
var owner = OwnerId.Parse(args[2], null);
var credentials = Environment.GetEnvironmentVariable("PLATEN_BLOBS_ACCESS_KEY") is { } access
    ? new BlobCredentials(access, Environment.GetEnvironmentVariable("PLATEN_BLOBS_SECRET_KEY")!)
    : null;
var store = BlobStores.Open(args[1], credentials, TimeProvider.System, NullLoggerFactory.Instance);
switch (args[0])
{
    case "put-until-killed":
        for (var seed = 1; ; seed++)
        {
            var number = seed.ToString(CultureInfo.InvariantCulture);
            await using var content = new PatternStream(seed, MegaByte, () => Console.WriteLine("half " + number));
            await store.PutAsync(owner, PatternStream.DigestOf(seed, MegaByte), MegaByte, content, default);
            Console.WriteLine("done " + number);
        }
    case "through":
        var sizeBytes = long.Parse(args[3], CultureInfo.InvariantCulture);
        await ThroughAsync(0, MegaByte * 20);
        var growth = await ResidentMemory.GrowthAsync(() => ThroughAsync(1, sizeBytes));
        Console.WriteLine(growth.ToString(CultureInfo.InvariantCulture));
        return 0;
    default:
        return 2;
}

async Task ThroughAsync(int seed, long size)
{
    var digest = PatternStream.DigestOf(seed, size);
    await using var content = new PatternStream(seed, size);
    var put = await store.PutAsync(owner, digest, size, content, default);
    if (put is not PutOutcome.Stored)
        throw new InvalidOperationException($"The put ended with {put}.");
    var found = (OpenOutcome.Found)await store.OpenAsync(owner, digest, default);
    await using (found.Content)
        await found.Content.CopyToAsync(Stream.Null);
}
