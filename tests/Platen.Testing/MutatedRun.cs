using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;

namespace Platen.Testing;

/// <summary>
/// Runs tests once more in a process of their own in which our SQL has lost every tenant predicate (<see cref="TenantPredicates"/>): they
/// must pass all the same.
/// </summary>
public static partial class MutatedRun
{
    /// <summary>Whether this process is such a run.</summary>
    public static bool IsThis => Environment.GetEnvironmentVariable(TenantPredicates.Variable) == "1";

    /// <summary>Runs classes of an assembly; does nothing in a run that is mutated already.</summary>
    /// <param name="tests">The assembly, whose database <see cref="PostgresFixture"/> makes.</param>
    /// <param name="ct">Cancels the waiting.</param>
    /// <param name="classes">Their names, such as <c>WorkspaceTests</c>; one that has no test fails.</param>
    public static async Task OfClassesAsync(Assembly tests, CancellationToken ct, params string[] classes)
    {
        foreach (var name in classes)
        {
            if (tests.GetTypes().All(type => type.Name != name))
                throw new ArgumentException($"{tests.GetName().Name} has no class {name}.", nameof(classes));
        }
        await RunAsync(tests, ct, [.. classes.SelectMany(name => (string[])["-class", "*." + name])]);
    }

    /// <summary>Runs what the arguments choose.</summary>
    /// <param name="tests">As above.</param>
    /// <param name="ct">Cancels the waiting.</param>
    /// <param name="arguments">Of the test runner.</param>
    /// <exception cref="InvalidOperationException">A test failed, with all that the run printed; or there was none.</exception>
    public static async Task RunAsync(Assembly tests, CancellationToken ct, params string[] arguments)
    {
        if (IsThis)
            return;
        var start = new ProcessStartInfo(Environment.ProcessPath!)
        {
            RedirectStandardOutput = true,
            UseShellExecute = false,
            RedirectStandardError = true,
        };
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet")
            start.ArgumentList.Add(tests.Location);
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        start.Environment[TenantPredicates.Variable] = "1";
        using var run = Process.Start(start)!;
        var output = run.StandardOutput.ReadToEndAsync(ct);
        var errors = run.StandardError.ReadToEndAsync(ct);
        await run.WaitForExitAsync(ct);
        var printed = await output + await errors;
        var ran = Total().Match(printed) is { Success: true } total
            ? int.Parse(total.Groups["count"].Value, CultureInfo.InvariantCulture)
            : 0;
        if (run.ExitCode != 0 || ran == 0)
            throw new InvalidOperationException(
                $"{ran} tests without predicates, exit code {run.ExitCode}:\n{printed}"
            );
    }

    [GeneratedRegex(@"\bTotal: (?<count>[0-9]+)", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex Total();
}
