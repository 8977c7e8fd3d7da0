using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Platen.Client;
using Platen.Kernel;

namespace Platen.Cli.Commands;

/// <summary><c>platen submissions</c>: what visitors sent with a form.</summary>
internal static class SubmissionsCommand
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(1);

    private static readonly Argument<string> Instance = new("instance")
    {
        Description = "The public id of the instance whose form it was.",
        HelpName = "ID",
    };

    private static readonly Argument<string> What = new("what")
    {
        Description = "An e-mail address, to erase everything it is an answer in; or the id of one submission.",
        HelpName = "ADDRESS|ID",
    };

    private static readonly Option<string?> Workspace = new("--workspace", "-w")
    {
        Description = "Whose submissions: a workspace's slug or id. Else those of the key's own owner.",
        HelpName = "WORKSPACE",
    };

    private static readonly Option<string?> From = new("--from")
    {
        Description = "Only what was received then or later: a date or an RFC 3339 time.",
        HelpName = "TIME",
    };

    private static readonly Option<string?> To = new("--to")
    {
        Description = "Only what was received before.",
        HelpName = "TIME",
    };

    private static readonly Option<string?> Search = new("--search")
    {
        Description = "Only those with this text in an answer, in any case.",
        HelpName = "TEXT",
    };

    private static readonly Option<string> Format = NewFormat();

    private static readonly Option<string?> Out = new("--out")
    {
        Description = "Write the file there. Else it goes to standard output.",
        HelpName = "FILE",
    };

    private static readonly Option<string> Owner = new("--workspace", "-w")
    {
        Description = "Whose: a workspace's slug or id. Else the platform's.",
        HelpName = "WORKSPACE",
        DefaultValueFactory = _ => "platform",
    };

    private static readonly Option<string?> Days = new("--days")
    {
        Description = "Keep submissions for so many days, or 'forever'.",
        HelpName = "DAYS",
    };

    private static readonly Option<string[]> InstanceDays = new("--instance")
    {
        Description = "What is different for an instance: ID=DAYS, ID=forever, or ID=default to take it back.",
        HelpName = "ID=DAYS",
        DefaultValueFactory = _ => [],
    };

    public static Command Create() =>
        new("submissions", "List, export and erase what visitors sent with a form.")
        {
            new Command("list", "List what was sent, newest first.") { Instance, From, To, Search }.Runs(ListAsync),
            new Command("export", "Write what was sent into a file, oldest first.")
            {
                Instance,
                From,
                To,
                Search,
                Format,
                Out,
            }.Runs(ExportAsync),
            new Command("erase", "Erase one submission, or all of a person, for good.") { What, Workspace }.Runs(
                EraseAsync
            ),
            new Command(
                "retention",
                "Show how long submissions are kept, or change it: what is older is erased at once."
            )
            {
                Owner,
                Days,
                InstanceDays,
            }.Runs(RetentionAsync),
        };

    private static async Task<int> ListAsync(Invocation run, CancellationToken ct)
    {
        var documents = new JsonArray();
        var rows = new List<string[]>();
        await foreach (var one in run.Client.ListSubmissionsAsync(run.PublicId(Instance), QueryOf(run), ct))
        {
            documents.Add(ToJson(one));
            rows.Add([
                one.Id.ToString("D"),
                one.ReceivedAt.ToString("u", CultureInfo.InvariantCulture),
                one.Locale ?? "",
                string.Join("; ", one.Fields.Select(field => $"{field.Key}: {field.Value.ReplaceLineEndings(" ")}")),
            ]);
        }
        run.Output.Document(new JsonObject { ["items"] = documents });
        run.Output.Table(["submission", "received", "locale", "answers"], rows);
        return ExitCode.Ok;
    }

    private static async Task<int> ExportAsync(Invocation run, CancellationToken ct)
    {
        var id = run.PublicId(Instance);
        var file = await run.Client.ExportSubmissionsAsync(id, run.Value(Format)!, QueryOf(run), ct);
        if (run.Value(Out) is not { } path)
        {
            run.Output.Exactly(Encoding.UTF8.GetString(file));
            return ExitCode.Ok;
        }
        var full = Path.GetFullPath(path, run.Terminal.WorkingFolder);
        try
        {
            await File.WriteAllBytesAsync(full, file, ct);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CliException(
                ExitCode.Usage,
                "unusable",
                $"{full} cannot be written: {e.Message}",
                "Check the path and its rights."
            );
        }
        run.Output.Document(new JsonObject { ["out"] = path, ["sizeBytes"] = file.Length });
        run.Output.Line(string.Create(CultureInfo.InvariantCulture, $"{path}: {file.Length:N0} bytes"));
        return ExitCode.Ok;
    }

    private static async Task<int> EraseAsync(Invocation run, CancellationToken ct)
    {
        var what = run.Value(What)!;
        long count = 1;
        if (Guid.TryParseExact(what, "D", out var id))
        {
            await run.Client.EraseSubmissionAsync(run.Value(Workspace), id, ct);
        }
        else if (what.Contains('@', StringComparison.Ordinal))
        {
            count = await ErasePersonAsync(run, what, ct);
        }
        else
        {
            throw new CliException(
                ExitCode.Usage,
                "usage",
                $"'{what}' is neither an e-mail address nor a submission's id.",
                "'platen submissions list' shows the ids."
            );
        }
        run.Output.Document(new JsonObject { ["erased"] = count });
        run.Output.Line(string.Create(CultureInfo.InvariantCulture, $"{count} erased"));
        return ExitCode.Ok;
    }

    // The server goes on by itself; to wait for it is to know how many there were.
    private static async Task<long> ErasePersonAsync(Invocation run, string address, CancellationToken ct)
    {
        var workspace = run.Value(Workspace);
        var erasure = await run.Client.EraseSubmissionsOfAsync(workspace, address, ct);
        using var timer = new PeriodicTimer(LookAgain, run.Terminal.Time);
        while (erasure is { IsDone: false, IsFailed: false, Id: { } id })
        {
            run.Output.Progress(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{erasure.LookedAt:N0} looked at, {erasure.Count:N0} erased; the server goes on also without you"
                )
            );
            await timer.WaitForNextTickAsync(ct);
            erasure = await run.Client.GetErasureAsync(workspace, id, ct);
        }
        if (erasure.IsFailed)
        {
            var job = erasure.JobId is { } failed ? $" Why is in 'platen jobs show {failed}'." : "";
            throw new CliException(
                ExitCode.No,
                "erasure-failed",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"The server gave up after {erasure.LookedAt:N0} looked at and {erasure.Count:N0} erased; the rest is still there."
                ),
                $"Run the same command again, and it goes on from there.{job}"
            );
        }
        return erasure.Count;
    }

    private static async Task<int> RetentionAsync(Invocation run, CancellationToken ct)
    {
        var workspace = run.Value(Owner)!;
        var current = await run.Client.GetSubmissionRetentionAsync(workspace, ct);
        var retention = current.Value;
        if (run.Value(Days) is not null || run.Value(InstanceDays)!.Length > 0)
        {
            var instances = new Dictionary<string, int?>(retention.Instances, StringComparer.Ordinal);
            foreach (var own in run.Value(InstanceDays)!)
            {
                var equals = own.IndexOf('=', StringComparison.Ordinal);
                var id = Invocation.ReadPublicId(equals < 0 ? own : own[..equals]).ToString();
                if (own[(equals + 1)..] == "default")
                    instances.Remove(id);
                else
                    instances[id] = ReadDays(own[(equals + 1)..]);
            }
            var days = run.Value(Days) is { } text ? ReadDays(text) : retention.Days;
            retention = await run.Client.SetSubmissionRetentionAsync(
                workspace,
                new SubmissionRetention(days, instances),
                new Precondition.OneOf([current.Tag!.ToString()]),
                ct
            );
        }
        var byInstance = new JsonObject();
        foreach (var (id, days) in retention.Instances)
            byInstance.Add(id, days);
        run.Output.Document(new JsonObject { ["days"] = retention.Days, ["instances"] = byInstance });
        run.Output.Table(
            ["instance", "kept"],
            [
                ["all others", Kept(retention.Days)],
                .. retention.Instances.Select(one => new[] { one.Key, Kept(one.Value) }),
            ]
        );
        return ExitCode.Ok;
    }

    private static string Kept(int? days) =>
        days is null ? "until erased" : string.Create(CultureInfo.InvariantCulture, $"{days} days");

    private static int? ReadDays(string text) =>
        text == "forever" ? null
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var days) ? days
        : throw new CliException(
            ExitCode.Usage,
            "usage",
            $"'{text}' is not a number of days.",
            "Write a number such as 90, or forever."
        );

    private static SubmissionQuery QueryOf(Invocation run) => new(run.Value(From), run.Value(To), run.Value(Search));

    private static JsonObject ToJson(Submission one)
    {
        var fields = new JsonObject();
        foreach (var (key, value) in one.Fields)
            fields.Add(key, value);
        return new JsonObject
        {
            ["id"] = one.Id,
            ["publicId"] = one.PublicId,
            ["widgetType"] = one.WidgetType,
            ["releaseDigest"] = one.ReleaseDigest,
            ["locale"] = one.Locale,
            ["receivedAt"] = one.ReceivedAt,
            ["fields"] = fields,
        };
    }

    private static Option<string> NewFormat()
    {
        var format = new Option<string>("--format")
        {
            Description = "csv, which runs nothing in a spreadsheet, or json.",
            HelpName = "FORMAT",
            DefaultValueFactory = _ => "csv",
        };
        format.AcceptOnlyFromAmong("csv", "json");
        return format;
    }
}
