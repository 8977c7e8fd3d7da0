using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;
using Platen.Kernel;

namespace Platen.Widgets.Packages;

/// <summary>
/// The widget types this server has: the packages in its widgets folder, and nothing else. Read at start; readers see one
/// immutable set, which <see cref="Reload"/> swaps whole. Thread-safe.
/// </summary>
public sealed partial class WidgetRegistry(string folder, ILogger<WidgetRegistry> logger)
{
    private FrozenDictionary<string, WidgetPackage> packages = FrozenDictionary<string, WidgetPackage>.Empty;

    /// <summary>The packages, ordered by type.</summary>
    public IReadOnlyList<WidgetPackage> Packages { get; private set; } = [];

    /// <summary>The names of the types, in order.</summary>
    public IReadOnlyList<string> TypeNames => [.. Packages.Select(p => p.Type.Value)];

    /// <summary>Reads every package of the folder and swaps the set.</summary>
    /// <exception cref="WidgetPackageException">A package breaks a rule; the set stays as it was.</exception>
    public void Reload()
    {
        if (!Directory.Exists(folder))
            throw new WidgetPackageException(folder, "The widgets folder is missing.");
        var tokens = WidgetPackage.LoadTokens(folder);
        var read = Directory
            .EnumerateDirectories(folder)
            .Where(f => File.Exists(Path.Combine(f, "widget.json")))
            .Take(WidgetsLimits.WidgetTypes)
            .Select(f => WidgetPackage.Load(f, tokens))
            .OrderBy(p => p.Type.Value, StringComparer.Ordinal)
            .ToList();
        packages = read.ToFrozenDictionary(p => p.Type.Value, StringComparer.Ordinal);
        Packages = read;
        LogLoaded(logger, read.Count, folder);
    }

    /// <summary>The package of a type.</summary>
    public bool TryFind(string type, [NotNullWhen(true)] out WidgetPackage? package) =>
        packages.TryGetValue(type, out package);

    /// <summary>The package of a type that a request named.</summary>
    /// <exception cref="ProblemException"><see cref="WidgetsProblems.UnknownWidgetType"/>, listing the types there are.</exception>
    public WidgetPackage Find(string type) =>
        TryFind(type, out var package)
            ? package
            : throw WidgetsProblems
                .UnknownWidgetType.Because(
                    $"'{type}' is not a widget type of this server. There are: {string.Join(", ", TypeNames)}.",
                    [new Fault("/widgetType", $"Must be one of: {string.Join(", ", TypeNames)}.")]
                )
                .With("validTypes", TypeNames)
                .AsException();

    [LoggerMessage(3000, LogLevel.Information, "{Count} widget types from {Folder}")]
    private static partial void LogLoaded(ILogger logger, int count, string folder);
}
