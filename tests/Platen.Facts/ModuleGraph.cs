using System.Text;
using System.Xml.Linq;

namespace Platen.Facts;

/// <summary>A project below <c>src</c>, and what it refers to.</summary>
internal sealed record Project(
    string Name,
    string Path,
    IReadOnlyList<string> Projects,
    IReadOnlyList<string> Packages,
    IReadOnlyList<string> Frameworks
)
{
    public static Project Read(SourceFile file)
    {
        var document = XDocument.Parse(file.Text);
        return new Project(
            System.IO.Path.GetFileNameWithoutExtension(file.Path),
            file.Path,
            Includes("ProjectReference", reference => System.IO.Path.GetFileNameWithoutExtension(reference)),
            Includes("PackageReference", reference => reference),
            Includes("FrameworkReference", reference => reference)
        );

        List<string> Includes(string element, Func<string, string> name) =>
            [
                .. document
                    .Descendants(element)
                    .Select(one => name(one.Attribute("Include")!.Value.Replace('\\', '/')))
                    .Order(StringComparer.Ordinal),
            ];
    }
}

/// <summary>Who may refer to whom. Which layer a project is in follows from where it lies, so a new one cannot be forgotten.</summary>
internal static class ModuleGraph
{
    /// <summary>Calls between modules, always downwards, and why each is needed. Anything else travels as an event.</summary>
    private static readonly Dictionary<(string From, string To), string> BetweenModules = new()
    {
        [("Platen.Registry", "Platen.Access")] = "its token endpoint and routes act for the caller of a key",
        [("Platen.Submissions", "Platen.Access")] = "its routes ask for scopes, and it acts for the caller",
        [("Platen.Templates", "Platen.Access")] = "its routes ask for scopes, and it acts for the caller",
        [("Platen.Widgets", "Platen.Access")] = "its routes ask for scopes, and it acts for the caller",
    };

    private enum Layer
    {
        Kernel,
        Platform,
        Module,
        Delivery,
        Client,
        CommandLine,
        Server,
    }

    private static readonly Dictionary<Layer, Layer[]> Below = new()
    {
        [Layer.Kernel] = [],
        [Layer.Platform] = [Layer.Kernel],
        [Layer.Module] = [Layer.Kernel, Layer.Platform],
        [Layer.Delivery] = [Layer.Kernel, Layer.Platform],
        [Layer.Client] = [Layer.Kernel],
        [Layer.CommandLine] = [Layer.Kernel, Layer.Client],
        [Layer.Server] = [Layer.Kernel, Layer.Platform, Layer.Module, Layer.Delivery],
    };

    /// <summary>Every project below a folder.</summary>
    public static List<Project> Discover(string folder, string root) =>
        [
            .. Repository
                .FilesBelow(folder, root)
                .Where(file => file.Extension == ".csproj")
                .Select(Project.Read)
                .OrderBy(project => project.Name, StringComparer.Ordinal),
        ];

    public static string Draw(IEnumerable<Project> projects)
    {
        var text = new StringBuilder("What each project below src refers to.\n");
        foreach (var project in projects)
        {
            text.Append('\n').Append(project.Name).Append('\n');
            foreach (var reference in project.Projects)
                text.Append("  -> ").Append(reference).Append('\n');
            foreach (var package in project.Packages)
                text.Append("  package ").Append(package).Append('\n');
            foreach (var framework in project.Frameworks)
                text.Append("  framework ").Append(framework).Append('\n');
        }
        return text.ToString();
    }

    public static IEnumerable<string> Faults(IReadOnlyList<Project> projects)
    {
        var layers = projects.ToDictionary(project => project.Name, LayerOf, StringComparer.Ordinal);
        foreach (var project in projects)
        {
            if (layers[project.Name] is not { } layer)
            {
                yield return $"{project.Path} lies in no layer: a module belongs to src/Modules.";
                continue;
            }
            if (layer == Layer.Kernel && project.Packages.Count + project.Frameworks.Count > 0)
                yield return $"{project.Name} is pure and refers to nothing, but names {string.Join(", ", [.. project.Packages, .. project.Frameworks])}.";
            foreach (var reference in project.Projects)
            {
                if (!layers.TryGetValue(reference, out var below) || below is not { } belowLayer)
                    yield return $"{project.Name} refers to {reference}, which is not a project of src.";
                else if (layer == Layer.Module && belowLayer == Layer.Module)
                {
                    if (!BetweenModules.ContainsKey((project.Name, reference)))
                        yield return $"{project.Name} calls {reference} beside or above it: send an event, or list the call with its reason.";
                }
                else if (!Below[layer].Contains(belowLayer))
                    yield return $"{project.Name} refers to {reference}: calls go down only, from {layer} to {string.Join(", ", Below[layer])}.";
            }
        }
        foreach (var (from, to) in BetweenModules.Keys)
        {
            if (layers.ContainsKey(from) && projects.Single(one => one.Name == from).Projects.Contains(to) is false)
                yield return $"The call from {from} to {to} is listed but not made.";
        }
    }

    /// <summary>Projects that a solution does not build, and so nobody tests.</summary>
    public static IEnumerable<string> OutsideOf(string solution, IEnumerable<SourceFile> files) =>
        files
            .Where(file =>
                file.Extension == ".csproj" && !solution.Contains($"\"{file.Path}\"", StringComparison.Ordinal)
            )
            .Select(file => $"{file.Path} is not in Platen.slnx.");

    /// <summary>The project and everything it refers to, directly or by another.</summary>
    public static HashSet<string> ReachedFrom(string name, IReadOnlyList<Project> projects)
    {
        var known = projects.ToDictionary(project => project.Name, StringComparer.Ordinal);
        var reached = new HashSet<string>(StringComparer.Ordinal);
        var ahead = new Stack<string>([name]);
        while (ahead.TryPop(out var next))
        {
            if (!reached.Add(next) || !known.TryGetValue(next, out var project))
                continue;
            foreach (var below in project.Projects)
                ahead.Push(below);
        }
        return reached;
    }

    private static Layer? LayerOf(Project project) =>
        project.Path.StartsWith("src/Modules/", StringComparison.Ordinal)
            ? Layer.Module
            : project.Name switch
            {
                "Platen.Kernel" => Layer.Kernel,
                "Platen.Platform" => Layer.Platform,
                "Platen.Delivery" => Layer.Delivery,
                "Platen.Client" => Layer.Client,
                "Platen.Cli" => Layer.CommandLine,
                "Platen.Server" => Layer.Server,
                _ => null,
            };
}
