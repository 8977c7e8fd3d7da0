using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Platen.Client;
using Spectre.Console;

namespace Platen.Cli.Commands;

/// <summary><c>platen push</c>: makes a version of a template from a folder.</summary>
internal static class PushCommand
{
    public static readonly Option<string?> Template = new("--template")
    {
        Description = "The template's name. Else the manifest's.",
        HelpName = "NAME",
    };

    public static readonly Option<string?> Version = new("--version")
    {
        Description = "The version (SemVer 2.0). Else the manifest's.",
        HelpName = "SEMVER",
    };

    private static readonly Option<bool> SetDefault = new("--set-default")
    {
        Description = "Make it the version that a resolve without a version takes.",
    };

    private static readonly Option<string> Folder = new("--dir")
    {
        Description = "The folder with manifest.json. Else this one.",
        HelpName = "DIR",
        DefaultValueFactory = _ => ".",
    };

    private static readonly Option<bool> Draft = new("--draft")
    {
        Description = "Push it as a draft, which may be pushed again with other content until it is stable.",
    };

    private static readonly Option<bool> DryRun = new("--dry-run")
    {
        Description = "Show what would change and travel, and write nothing.",
    };

    private static readonly Option<string?> Reason = new("--reason")
    {
        Description = "Why, in a few words; kept with the move of the default.",
        HelpName = "TEXT",
    };

    public static Command Create() =>
        new Command("push", "Make a version of a template from a folder with a manifest.json.")
        {
            TemplatesCommand.Workspace,
            Template,
            Version,
            SetDefault,
            Folder,
            Draft,
            DryRun,
            Reason,
        }.Runs(RunAsync);

    private static async Task<int> RunAsync(Invocation run, CancellationToken ct)
    {
        if (run.Value(SetDefault) && run.Value(Draft))
        {
            throw new CliException(
                ExitCode.Usage,
                "usage",
                "A draft cannot be the default: it may still change.",
                "Leave out --draft or --set-default."
            );
        }
        var shown = run.Value(Folder)!;
        var bundle = await TemplateFolder.ReadAsync(
            Path.GetFullPath(shown, run.Terminal.WorkingFolder),
            shown,
            run.Value(Template),
            run.Value(Version),
            ct
        );
        var push = new TemplatePush(
            run,
            run.Value(Draft) ? "draft" : "stable",
            run.Value(SetDefault),
            run.Value(Reason)
        );
        try
        {
            if (run.Value(DryRun))
                return await push.CompareAsync(bundle, ct);
            var result = await WithProgressAsync(run, bundle, push, ct);
            Report(run, bundle, result);
            return ExitCode.Ok;
        }
        catch (PlatenProblemException e)
        {
            run.Output.Refusal(
                run.Explain(Refusal.Of(e, bundle.PlaceOf)) with
                {
                    About = $"{bundle.Name} {bundle.Version}",
                }
            );
            return ExitCode.Of(e);
        }
    }

    private static async Task<TemplatePush.Result> WithProgressAsync(
        Invocation run,
        TemplateFolder bundle,
        TemplatePush push,
        CancellationToken ct
    )
    {
        if (!run.Output.ShowsBars)
        {
            run.Output.Progress($"{bundle.Name} {bundle.Version}: {Files(bundle.Files.Length)}");
            var telling = new Lock();
            var told = -1;
            return await push.RunAsync(
                bundle,
                (done, of) =>
                {
                    // A line for every tenth, not for every file; of two at once the later one is told.
                    var tenth = of == 0 ? 10 : done * 10 / of;
                    lock (telling)
                    {
                        if (tenth <= told)
                            return;
                        told = tenth;
                        run.Output.Progress(of == 0 ? "nothing to upload" : $"uploaded {done} of {of}");
                    }
                },
                ct
            );
        }
        return await run
            .Output.Notes.Progress()
            .AutoClear(true)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn())
            .StartAsync(async bars =>
            {
                var bar = bars.AddTask(Markup.Escape($"{bundle.Name} {bundle.Version}"));
                return await push.RunAsync(bundle, (done, of) => bar.Value = of == 0 ? 100 : 100.0 * done / of, ct);
            });
    }

    private static void Report(Invocation run, TemplateFolder bundle, TemplatePush.Result result)
    {
        run.Output.Document(
            new JsonObject
            {
                ["template"] = bundle.Name.Value,
                ["version"] = bundle.Version.ToString(),
                ["outcome"] = result.Outcome,
                ["status"] = result.Version.Status,
                ["release"] = result.Version.Release.ToString(),
                ["uploaded"] = result.Uploaded,
                ["uploadedBytes"] = result.UploadedBytes,
                ["default"] = result.Default,
            }
        );
        run.Output.Line(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{bundle.Name} {bundle.Version}: {result.Outcome} as {result.Version.Release} ({result.Version.Status}); {Files(result.Uploaded)}, {result.UploadedBytes:N0} bytes travelled"
            )
        );
        if (result.Default is not null)
            run.Output.Line(result.Default);
    }

    private static string Files(int count) => count == 1 ? "1 file" : $"{count} files";
}
