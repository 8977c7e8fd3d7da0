using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Platen.Kernel.Schemas;

namespace Platen.Bench;

/// <summary>Validates a parsed FAQ config of 25 questions, beside ajv 8 on the same input under Node.</summary>
internal static class SchemaBench
{
    public static async Task RunAsync(CancellationToken ct)
    {
        var folder = Path.GetFullPath(Path.Combine("bench", "schema"));
        var schemaFile = Path.Combine(folder, "faq.schema.json");
        var instanceFile = Path.Combine(folder, "faq.json");
        var ajv = Path.Combine(folder, "node_modules", "ajv");
        if (!Directory.Exists(ajv))
            Run("npm", "install", "--no-save", "--no-package-lock", "--prefix", folder, "ajv@8.20.0");

        var schema = JsonSchema.Compile(await File.ReadAllBytesAsync(schemaFile, ct));
        using var document = JsonDocument.Parse(await File.ReadAllBytesAsync(instanceFile, ct));
        var instance = document.RootElement;
        if (!schema.IsValid(instance))
            throw new InvalidOperationException("The bench's instance is not valid.");

        double Ours() => Rounds.SecondsPerCall(() => schema.IsValid(instance), TimeSpan.FromSeconds(1)) * 1e6;
        double Theirs() =>
            double.Parse(
                Run("node", Path.Combine(folder, "ajv.mjs"), folder, schemaFile, instanceFile),
                CultureInfo.InvariantCulture
            );
        Ours();
        var ours = new List<double>();
        var ratio = Rounds.MedianRatio(
            () =>
            {
                ours.Add(Ours());
                return ours[^1];
            },
            Theirs,
            rounds: 3
        );
        var invariant = CultureInfo.InvariantCulture;
        Rounds.Report("validate a FAQ of 25 questions / ajv", ratio.ToString("F2", invariant), "≤ 1.5");
        Rounds.Report("the same, µs", Rounds.Median(ours).ToString("F1", invariant), "≤ 30");
    }

    private static string Run(string program, params string[] arguments)
    {
        using var process =
            Process.Start(
                new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, UseShellExecute = false }
            ) ?? throw new InvalidOperationException($"{program} did not start.");
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0
            ? output.Trim()
            : throw new InvalidOperationException($"{program} ended with {process.ExitCode}.");
    }
}
