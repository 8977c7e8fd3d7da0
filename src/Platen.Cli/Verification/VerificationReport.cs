using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Platen.Cli.Verification;

/// <summary>What was found, for programs and for people.</summary>
internal static class VerificationReport
{
    private static readonly JsonSerializerOptions Style = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static JsonObject ToJson(Uri server, DateTimeOffset at, Findings findings) =>
        new()
        {
            ["server"] = server.ToString(),
            ["at"] = at,
            ["passed"] = findings.Count(Mark.Pass),
            ["warned"] = findings.Count(Mark.Warn),
            ["failed"] = findings.Count(Mark.Fail),
            ["skipped"] = findings.Count(Mark.Skip),
            ["sizes"] = new JsonArray([
                .. findings.Sizes.Select(size => new JsonObject
                {
                    ["path"] = size.Path,
                    ["identityBytes"] = size.IdentityBytes,
                    ["gzipBytes"] = size.GzipBytes,
                    ["brotliBytes"] = size.BrotliBytes,
                    ["mostGzipBytes"] = size.MostGzipBytes,
                    ["aimBrotliBytes"] = size.AimBrotliBytes,
                }),
            ]),
            ["checks"] = new JsonArray([
                .. findings.All.Select(finding => new JsonObject
                {
                    ["group"] = finding.Group,
                    ["name"] = finding.Name,
                    ["result"] = Word(finding.Mark),
                    ["detail"] = finding.Detail,
                }),
            ]),
        };

    public static string ToMarkdown(Uri server, DateTimeOffset at, Findings findings)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"# {server}\n\n")
            .Append(
                CultureInfo.InvariantCulture,
                $"Verified {at.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC: {findings.Count(Mark.Pass)} passed, {findings.Count(Mark.Fail)} failed, "
            )
            .Append(
                CultureInfo.InvariantCulture,
                $"{findings.Count(Mark.Warn)} to look at, {findings.Count(Mark.Skip)} not looked at.\n"
            );
        var wrong = findings.All.Where(finding => finding.Mark is Mark.Fail or Mark.Warn).ToList();
        if (wrong.Count > 0)
        {
            text.Append("\n## What is wrong\n\n");
            foreach (var finding in wrong)
                text.Append(
                    CultureInfo.InvariantCulture,
                    $"- **{Word(finding.Mark)}** {Cell(finding.Group)}: {Cell(finding.Name)}. Found: {Cell(finding.Detail)}\n"
                );
        }
        if (findings.Sizes.Count > 0)
        {
            text.Append(
                "\n## Sizes in bytes\n\n| | identity | gzip | at most | br | aim |\n|---|--:|--:|--:|--:|--:|\n"
            );
            foreach (var size in findings.Sizes)
                text.Append(
                    CultureInfo.InvariantCulture,
                    $"| {size.Path} | {size.IdentityBytes} | {size.GzipBytes} | {size.MostGzipBytes} | {size.BrotliBytes} | {size.AimBrotliBytes} |\n"
                );
        }
        foreach (var group in findings.All.GroupBy(finding => finding.Group))
        {
            text.Append(CultureInfo.InvariantCulture, $"\n## {Cell(group.Key)}\n\n| | | found |\n|---|---|---|\n");
            foreach (var finding in group)
                text.Append(
                    CultureInfo.InvariantCulture,
                    $"| {Word(finding.Mark)} | {Cell(finding.Name)} | {Cell(finding.Detail)} |\n"
                );
        }
        return text.ToString();
    }

    /// <summary>Writes <c>verify.json</c> and <c>verify.md</c> into a folder.</summary>
    /// <exception cref="CliException">They cannot be written.</exception>
    public static async Task WriteAsync(string folder, JsonObject json, string markdown, CancellationToken ct)
    {
        try
        {
            Directory.CreateDirectory(folder);
            await File.WriteAllTextAsync(Path.Combine(folder, "verify.json"), json.ToJsonString(Style) + "\n", ct);
            await File.WriteAllTextAsync(Path.Combine(folder, "verify.md"), markdown, ct);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CliException(
                ExitCode.Usage,
                "unwritable-report",
                $"The report cannot be written into {folder}: {e.Message}",
                "Name another folder with --report."
            );
        }
    }

    public static string Word(Mark mark) =>
        mark switch
        {
            Mark.Pass => "ok",
            Mark.Warn => "warn",
            Mark.Fail => "fail",
            _ => "skip",
        };

    private static string Cell(string text) =>
        text.Replace("|", "\\|", StringComparison.Ordinal)
            .Replace('\n', ' ')
            .Replace("<", "&lt;", StringComparison.Ordinal);
}
