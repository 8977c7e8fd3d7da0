using System.Diagnostics;

namespace Platen.Kernel.Tests;

/// <summary>Runs Node or npm, as the judge of what is defined by what they do.</summary>
internal static class NodeProcess
{
    /// <summary>Runs a script of Node in a folder, and returns what it printed.</summary>
    public static Task<string> RunScriptAsync(string folder, string script, CancellationToken ct)
    {
        File.WriteAllText(Path.Combine(folder, "script.cjs"), script);
        return RunAsync(folder, "node", ["script.cjs"], ct);
    }

    /// <summary>Installs one package, of one version, into a folder.</summary>
    public static Task InstallAsync(string folder, string package, CancellationToken ct) =>
        RunAsync(
            folder,
            "npm",
            ["install", "--prefix", folder, "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", package],
            ct
        );

    private static async Task<string> RunAsync(
        string folder,
        string program,
        IReadOnlyList<string> arguments,
        CancellationToken ct
    )
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start.");
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(ct);
            var errors = process.StandardError.ReadToEndAsync(ct);
            await process.WaitForExitAsync(ct);
            process.ExitCode.ShouldBe(0, $"{program} {string.Join(' ', arguments)}: {await errors}");
            return await output;
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }
}
