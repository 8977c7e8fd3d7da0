using System.Reflection;
using Platen.Kernel;

namespace Platen.Server;

/// <summary>Every problem type of every part, collected from the classes named <c>*Problems</c>.</summary>
public static class ProblemCatalogue
{
    /// <summary>Ordered by slug.</summary>
    public static IReadOnlyList<ProblemType> All { get; } =
    [
        .. Assemblies()
            .SelectMany(a => a.GetTypes())
            .Where(t => t.Name.EndsWith("Problems", StringComparison.Ordinal))
            .SelectMany(t => t.GetFields(BindingFlags.Public | BindingFlags.Static))
            .Where(f => f.FieldType == typeof(ProblemType))
            .Select(f => (ProblemType)f.GetValue(null)!)
            .OrderBy(p => p.Slug, StringComparer.Ordinal),
    ];

    private static IEnumerable<Assembly> Assemblies()
    {
        var server = typeof(ProblemCatalogue).Assembly;
        return server
            .GetReferencedAssemblies()
            .Where(name => name.Name!.StartsWith("Platen.", StringComparison.Ordinal))
            .Select(Assembly.Load)
            .Append(server);
    }
}
