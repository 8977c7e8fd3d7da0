using System.CommandLine;
using System.Globalization;
using Platen.Cli.Verification;

namespace Platen.Cli.Commands;

/// <summary><c>platen verify</c>: the looks at a running server before it is let among people.</summary>
internal static class VerifyCommand
{
    private static readonly Argument<string?> Address = new("url")
    {
        Description = "The server's address. Without it: that of --server.",
        HelpName = "URL",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private static readonly Option<string[]> Ids = new("--id")
    {
        Description =
            "An instance whose pages are looked at; may be given again. Else the baseline of each widget type.",
        HelpName = "ID",
    };

    private static readonly Option<string?> Origin = new("--origin")
    {
        Description = "An origin of PLATEN_CORS_ORIGINS, to see that its pages are answered.",
        HelpName = "ORIGIN",
    };

    private static readonly Option<string?> Token = new("--token")
    {
        Description =
            "An embed token, to see how the instance that it opens is shown: platen embed token. Of one origin or none.",
        HelpName = "TOKEN",
    };

    private static readonly Option<bool> Submit = new("--submit")
    {
        Description = "Send a form twice, to see that it is kept once. With a key the submission is erased again.",
    };

    private static readonly Option<string?> Report = new("--report")
    {
        Description = "Write verify.json and verify.md into this folder.",
        HelpName = "FOLDER",
    };

    public static Command Create() =>
        new Command(
            "verify",
            "Check a running server as browsers, caches and attackers meet it: sizes, policies, conditions, origins, guards. Exit code 1 when a check fails."
        )
        {
            Address,
            Ids,
            Origin,
            Token,
            Submit,
            Report,
        }.Runs(RunAsync);

    private static async Task<int> RunAsync(Invocation run, CancellationToken ct)
    {
        // The key is looked for as if the address had been given with --server.
        var connection = run.Optional(Address) is { } named
            ? Connection.Find(named, run.Value(GlobalOptions.Key), run.Terminal, run.Value(GlobalOptions.Profile))
            : run.Connection;
        var (server, key) = (new Uri(connection.Server.GetLeftPart(UriPartial.Authority)), connection.Key);
        var findings = new Findings();
        using var wire = new Wire(server, key);
        run.Output.Progress($"verifying {server} {(key is null ? "without a key" : "with a key")}");
        await new VerifyServer(
            wire,
            new VerifyOptions(run.Value(Ids) ?? [], run.Value(Origin), run.Value(Submit), run.Value(Token)),
            findings,
            run.Output.Progress
        ).RunAsync(ct);

        var at = run.Terminal.Time.GetUtcNow();
        var json = VerificationReport.ToJson(server, at, findings);
        if (run.Value(Report) is { } folder)
        {
            var path = Path.GetFullPath(folder, run.Terminal.WorkingFolder);
            await VerificationReport.WriteAsync(path, json, VerificationReport.ToMarkdown(server, at, findings), ct);
            run.Output.Progress($"report: {Path.Combine(path, "verify.md")}");
        }
        run.Output.Document(json);
        Print(run.Output, findings);
        return findings.Count(Mark.Fail) == 0 ? ExitCode.Ok : ExitCode.No;
    }

    private static void Print(Output output, Findings findings)
    {
        foreach (var finding in findings.All.Where(finding => finding.Mark != Mark.Pass))
        {
            output.Verdict(
                VerificationReport.Word(finding.Mark),
                finding.Mark switch
                {
                    Mark.Fail => "red",
                    Mark.Warn => "yellow",
                    _ => "grey",
                },
                $"{finding.Group}: {finding.Name}: {finding.Detail}"
            );
        }
        output.Table(
            ["bytes of", "identity", "gzip", "br"],
            [
                .. findings.Sizes.Select(size =>
                    new[]
                    {
                        size.Path,
                        size.IdentityBytes.ToString(CultureInfo.InvariantCulture),
                        size.GzipBytes.ToString(CultureInfo.InvariantCulture),
                        size.BrotliBytes.ToString(CultureInfo.InvariantCulture),
                    }
                ),
            ]
        );
        output.Line(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{findings.Count(Mark.Pass)} passed, {findings.Count(Mark.Fail)} failed, {findings.Count(Mark.Warn)} to look at, {findings.Count(Mark.Skip)} not looked at"
            )
        );
    }
}
