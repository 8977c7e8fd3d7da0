using System.Globalization;
using System.Text.Json;
using Platen.Kernel;
using Platen.Kernel.Json;
using Platen.Widgets.Packages;

namespace Platen.Widgets;

/// <summary>What makes a config acceptable: canonical JSON of bounded size that its type's schema allows.</summary>
internal static class Configs
{
    /// <summary>Adds every fault to <paramref name="faults"/>; returns the canonical bytes (empty when there are none).</summary>
    /// <param name="package">The type's package.</param>
    /// <param name="config">The config as it came.</param>
    /// <param name="at">The JSON Pointer of the config in the request.</param>
    /// <param name="faults">Where faults are reported.</param>
    public static byte[] Check(WidgetPackage package, JsonElement config, string at, List<Fault> faults)
    {
        if (config.ValueKind != JsonValueKind.Object)
        {
            faults.Add(new Fault(at, "The config is a JSON object."));
            return [];
        }
        byte[] canonical;
        try
        {
            canonical = CanonicalJson.Serialize(config);
        }
        catch (CanonicalJsonException e)
        {
            faults.Add(new Fault(at, e.Message));
            return [];
        }
        if (canonical.Length > WidgetsLimits.ConfigBytes)
        {
            faults.Add(
                new Fault(
                    at,
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"The config has {canonical.Length:N0} bytes; at most {WidgetsLimits.ConfigBytes:N0} are accepted."
                    )
                )
            );
            return [];
        }
        foreach (var error in package.Schema.Validate(config).Errors.Take(Limits.Faults))
            faults.Add(new Fault(at + error.InstanceLocation, error.Message));
        RefuseNul(config, JsonPointer.Parse(at), faults);
        return canonical;
    }

    /// <summary>PostgreSQL stores every character but U+0000.</summary>
    private static void RefuseNul(JsonElement value, JsonPointer at, List<Fault> faults)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var member in value.EnumerateObject())
                {
                    if (member.Name.Contains('\0', StringComparison.Ordinal))
                        faults.Add(new Fault(at.ToString(), "A member's name contains the character U+0000."));
                    RefuseNul(member.Value, at.Append(member.Name), faults);
                }
                break;
            case JsonValueKind.Array:
                var index = 0;
                foreach (var item in value.EnumerateArray())
                    RefuseNul(item, at.Append(index++), faults);
                break;
            case JsonValueKind.String when value.GetString()!.Contains('\0', StringComparison.Ordinal):
                faults.Add(new Fault(at.ToString(), "The text contains the character U+0000, which cannot be stored."));
                break;
        }
    }
}
