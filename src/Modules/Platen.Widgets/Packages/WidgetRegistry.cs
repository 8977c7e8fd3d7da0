using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;
using Platen.Kernel;
using Platen.Kernel.Versions;

namespace Platen.Widgets.Packages;

/// <summary>
/// The widget types this server has: the packages in its widgets folder, and those that were published to it, which win over an own
/// package of the same or an older version. Readers see one immutable set, which is swapped whole. Thread-safe.
/// </summary>
public sealed partial class WidgetRegistry(string folder, ILogger<WidgetRegistry> logger)
{
    private readonly Lock gate = new();
    private FrozenDictionary<string, WidgetPackage> packages = FrozenDictionary<string, WidgetPackage>.Empty;
    private IReadOnlyList<WidgetPackage> own = [];
    private IReadOnlyList<WidgetPackage> published = [];

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
            .ToList();
        lock (gate)
        {
            own = read;
            Swap();
        }
        LogLoaded(logger, read.Count, folder);
    }

    /// <summary>Takes up what was published to this server, instead of what was so far.</summary>
    internal void Install(IReadOnlyList<WidgetPackage> packagesOfStore)
    {
        lock (gate)
        {
            published = packagesOfStore;
            Swap();
        }
        LogInstalled(logger, packagesOfStore.Count);
    }

    private void Swap()
    {
        var set = own.ToDictionary(p => p.Type.Value, StringComparer.Ordinal);
        foreach (var package in published)
        {
            if (!set.TryGetValue(package.Type.Value, out var mine) || !IsNewer(mine, package))
                set[package.Type.Value] = package;
        }
        packages = set.ToFrozenDictionary(StringComparer.Ordinal);
        Packages = [.. set.Values.OrderBy(p => p.Type.Value, StringComparer.Ordinal)];
    }

    private static bool IsNewer(WidgetPackage one, WidgetPackage other) =>
        SemVer.TryParse(one.Version, out var version)
        && SemVer.TryParse(other.Version, out var than)
        && version.CompareTo(than) > 0;

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

    [LoggerMessage(3003, LogLevel.Information, "{Count} widget types that were published to this server")]
    private static partial void LogInstalled(ILogger logger, int count);
}
