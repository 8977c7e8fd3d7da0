using System.Collections.Immutable;
using Platen.Kernel;

namespace Platen.Platform.Webhooks;

/// <summary>The types that webhooks can ask for, as the modules of this process registered them. Immutable.</summary>
public sealed class WebhookTypes(IEnumerable<WebhookType> types)
{
    /// <summary>All of them, by name.</summary>
    public ImmutableArray<WebhookType> All { get; } = [.. types.OrderBy(type => type.Name, StringComparer.Ordinal)];

    internal IEnumerable<Fault> FaultsOf(IReadOnlyList<string> asked, string pointer)
    {
        if (asked.Count is 0 or > WebhookLimits.Types)
            yield return new Fault(
                pointer,
                $"Name 1 to {WebhookLimits.Types} types, or '{WebhookType.Every}' for all."
            );
        for (var i = 0; i < Math.Min(asked.Count, WebhookLimits.Types); i++)
        {
            if (asked[i] != WebhookType.Every && All.All(type => type.Name != asked[i]))
            {
                yield return new Fault(
                    $"{pointer}/{i}",
                    $"There is no such type; the types are {string.Join(", ", All.Select(type => type.Name))}."
                );
            }
        }
    }
}
