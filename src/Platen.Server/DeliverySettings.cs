using System.Globalization;
using System.Numerics;
using Platen.Delivery;

namespace Platen.Server;

/// <summary>What delivery may keep. A process that is delivery alone keeps a disk cache; one that has the store beside it need not.</summary>
public sealed record DeliverySettings
{
    private const int MiB = 1024 * 1024;

    /// <summary>In a process that is delivery alone, unless set: enough that a site's visitors find a new node warm.</summary>
    private const int DefaultWarm = 1_000;

    /// <summary><c>PLATEN_DELIVERY_MEMORY</c>, in MiB.</summary>
    public long MemoryBytes { get; init; } = 256L * MiB;

    /// <summary><c>PLATEN_DELIVERY_CACHE</c>; null for none.</summary>
    public string? CacheFolder { get; init; }

    /// <summary><c>PLATEN_DELIVERY_DISK</c>, in MiB.</summary>
    public long DiskBytes { get; init; } = 4_096L * MiB;

    /// <summary><c>PLATEN_DELIVERY_WARM</c>.</summary>
    public int WarmInstances { get; init; }

    internal static DeliverySettings Read(IConfiguration configuration, string dataFolder, bool isAlone)
    {
        var disk = Number(configuration, "PLATEN_DELIVERY_DISK", 0, 16L * 1024 * 1024, 4_096, "MiB");
        return new DeliverySettings
        {
            MemoryBytes = Number(configuration, "PLATEN_DELIVERY_MEMORY", 16, 1024 * 1024, 256, "MiB") * MiB,
            DiskBytes = disk * MiB,
            CacheFolder = configuration["PLATEN_DELIVERY_CACHE"] switch
            {
                { Length: > 0 } given => Path.GetFullPath(given),
                _ when isAlone && disk > 0 => Path.Combine(dataFolder, "delivery-cache"),
                _ => null,
            },
            WarmInstances = Number(
                configuration,
                "PLATEN_DELIVERY_WARM",
                0,
                100_000,
                isAlone ? DefaultWarm : 0,
                "instances"
            ),
        };
    }

    internal void Apply(DeliveryOptions options)
    {
        options.MemoryBytes = MemoryBytes;
        options.DiskFolder = CacheFolder;
        options.DiskBytes = DiskBytes;
        options.WarmInstances = WarmInstances;
    }

    private static T Number<T>(IConfiguration configuration, string name, T least, T most, T unset, string unit)
        where T : struct, INumber<T> =>
        configuration[name] is not { Length: > 0 } text ? unset
        : T.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value)
        && value >= least
        && value <= most
            ? value
        : throw new SettingException($"{name} is '{text}'; write a number of {unit} from {least} to {most}.");
}
