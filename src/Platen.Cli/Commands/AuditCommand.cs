using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Platen.Client;

namespace Platen.Cli.Commands;

/// <summary><c>platen audit</c>: who did what, when and from where.</summary>
internal static class AuditCommand
{
    private static readonly Option<string?> Workspace = new("--workspace", "-w")
    {
        Description = "Whose log: a workspace's slug or id. Else that of the key's own owner.",
        HelpName = "WORKSPACE",
    };

    private static readonly Option<Guid?> Actor = new("--actor")
    {
        Description = "Only what this person or key did: their id.",
        HelpName = "ID",
    };

    private static readonly Option<string?> Action = new("--action")
    {
        Description = "Only this action, such as key.revoked; 'key.*' for all that begin so.",
        HelpName = "ACTION",
    };

    private static readonly Option<string?> Subject = new("--subject")
    {
        Description = "Only what was done to this, such as instance/ID; 'instance/*' for all that begin so.",
        HelpName = "SUBJECT",
    };

    private static readonly Option<string?> From = new("--from")
    {
        Description = "Only what was done then or later: a date or an RFC 3339 time.",
        HelpName = "TIME",
    };

    private static readonly Option<string?> To = new("--to")
    {
        Description = "Only what was done before.",
        HelpName = "TIME",
    };

    private static readonly Option<int> Most = new("--most")
    {
        Description = "Show so many entries, the newest; 'platen audit export' writes all.",
        HelpName = "COUNT",
        DefaultValueFactory = _ => 200,
    };

    private static readonly Option<string> Format = new("--format")
    {
        Description = "csv, which runs nothing in a spreadsheet, or jsonl: an entry a line.",
        HelpName = "FORMAT",
        DefaultValueFactory = _ => "csv",
    };

    private static readonly Option<bool> Csv = new("--csv") { Description = "The same as --format csv." };

    private static readonly Option<string?> Out = new("--out")
    {
        Description = "Write the file there, whole or not at all. Else it goes to standard output.",
        HelpName = "FILE",
    };

    static AuditCommand() => Format.AcceptOnlyFromAmong("csv", "jsonl");

    public static Command Create() =>
        new("audit", "Show and export who did what, when and from where.")
        {
            new Command("list", "List what was done, newest first.")
            {
                Workspace,
                Actor,
                Action,
                Subject,
                From,
                To,
                Most,
            }.Runs(ListAsync),
            new Command("export", "Write the log into a file, oldest first.")
            {
                Workspace,
                Actor,
                Action,
                Subject,
                From,
                To,
                Format,
                Csv,
                Out,
            }.Runs(ExportAsync),
        };

    private static async Task<int> ListAsync(Invocation run, CancellationToken ct)
    {
        var most = run.Value(Most);
        if (most < 1)
            throw new CliException(ExitCode.Usage, "usage", "--most is 1 or more.", "Leave it out for 200.");
        var documents = new JsonArray();
        var rows = new List<string[]>();
        var more = false;
        await foreach (var entry in run.Client.ListAuditAsync(run.Value(Workspace), QueryOf(run), ct))
        {
            more = rows.Count == most;
            if (more)
                break;
            documents.Add(ToJson(entry));
            rows.Add([
                entry.At.UtcDateTime.ToString("u", CultureInfo.InvariantCulture),
                entry.ActorName,
                entry.Action,
                entry.Subject,
                entry.Origin ?? "",
            ]);
        }
        run.Output.Document(new JsonObject { ["items"] = documents, ["more"] = more });
        run.Output.Table(["at", "who", "did", "to", "from"], rows);
        if (more)
            run.Output.Progress("There is more: give --most or --to, or use 'platen audit export'.");
        return ExitCode.Ok;
    }

    private static async Task<int> ExportAsync(Invocation run, CancellationToken ct)
    {
        var format = run.Value(Format)!;
        if (run.Value(Csv) && format != "csv")
            throw new CliException(
                ExitCode.Usage,
                "usage",
                "--csv and --format jsonl exclude each other.",
                "Give one."
            );
        var pieces = run.Client.ExportAuditAsync(run.Value(Workspace), format, QueryOf(run), ct);
        if (run.Value(Out) is not { } path)
        {
            // A character may begin in one piece and end in the next.
            var decoder = Encoding.UTF8.GetDecoder();
            var letters = new char[Encoding.UTF8.GetMaxCharCount(64 * 1024)];
            await foreach (var piece in pieces)
                run.Output.Exactly(new string(letters, 0, decoder.GetChars(piece.Span, letters, flush: false)));
            return ExitCode.Ok;
        }
        var size = await WriteAsync(Path.GetFullPath(path, run.Terminal.WorkingFolder), pieces, ct);
        run.Output.Document(new JsonObject { ["out"] = path, ["sizeBytes"] = size });
        run.Output.Line(string.Create(CultureInfo.InvariantCulture, $"{path}: {size:N0} bytes"));
        return ExitCode.Ok;
    }

    // Beside its place until it is whole: what is cut off leaves no file that looks like all of it.
    private static async Task<long> WriteAsync(
        string path,
        IAsyncEnumerable<ReadOnlyMemory<byte>> pieces,
        CancellationToken ct
    )
    {
        var part = path + ".part";
        try
        {
            try
            {
                long size = 0;
                await using (var file = new FileStream(part, FileMode.Create, FileAccess.Write))
                {
                    await foreach (var piece in pieces)
                    {
                        await file.WriteAsync(piece, ct);
                        size += piece.Length;
                    }
                }
                File.Move(part, path, overwrite: true);
                return size;
            }
            finally
            {
                File.Delete(part);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CliException(
                ExitCode.Usage,
                "unusable",
                $"{path} cannot be written: {e.Message}",
                "Check the path and its rights."
            );
        }
    }

    private static AuditQuery QueryOf(Invocation run) =>
        new(run.Value(Actor), run.Value(Action), run.Value(Subject), run.Value(From), run.Value(To));

    private static JsonObject ToJson(AuditEntry entry) =>
        new()
        {
            ["id"] = entry.Id,
            ["at"] = entry.At,
            ["actor"] = entry.Actor,
            ["actorName"] = entry.ActorName,
            ["action"] = entry.Action,
            ["subject"] = entry.Subject,
            ["origin"] = entry.Origin,
            ["userAgent"] = entry.UserAgent,
            ["traceId"] = entry.TraceId,
            ["before"] = entry.Before,
            ["after"] = entry.After,
            ["detail"] = JsonNode.Parse(entry.Detail.GetRawText()),
        };
}
