using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Npgsql;
using Platen.Cli.Legacy;

namespace Platen.Cli.Commands;

/// <summary><c>platen migrate-legacy</c>: takes over a database in the old shape, phase by phase.</summary>
internal static class MigrateLegacyCommand
{
    private static readonly Option<string?> From = new("--from")
    {
        Description = "The old database, as an Npgsql connection string. Else $PLATEN_LEGACY.",
        HelpName = "CONNECTION",
    };

    private static readonly Option<int?> Phase = new("--phase")
    {
        Description =
            "Run this phase alone, 0 to 5; those before it must be finished. Else all of them, one after another.",
        HelpName = "N",
    };

    private static readonly Option<string[]> Type = new("--type")
    {
        Description =
            "What an old widget type is called here, such as --type quotes=social.testimonials; may be given several times.",
        HelpName = "OLD=NEW",
    };

    private static readonly Option<string?> Plan = new("--plan")
    {
        Description =
            "The plan of the workspaces that are made, which must have room for what they had. Else the server's default.",
        HelpName = "PLAN",
    };

    private static readonly Option<bool> DryRun = new("--dry-run")
    {
        Description = "Write nothing, here or there; show what would become of the rows, and with --json of each.",
    };

    public static Command Create() =>
        new Command(
            "migrate-legacy",
            "Take over a PostgreSQL database in the old shape (one table widget_instances): 0 names, 1 targets, 2 backfill, 3 overlays, "
                + "4 parity, 5 constraints. Each can be cut off and run again; nothing is deleted. Exit code 1 when the content differs."
        )
        {
            From,
            Phase,
            Type,
            Plan,
            DryRun,
        }.Runs(RunAsync);

    private static async Task<int> RunAsync(Invocation run, CancellationToken ct)
    {
        var connection =
            run.Value(From)
            ?? run.Terminal.Variable("PLATEN_LEGACY")
            ?? throw Usage("Which database is not said.", "Use --from or $PLATEN_LEGACY.");
        if (run.Value(Phase) is < 0 or > LegacyMigration.LastPhase)
            throw Usage("There is no such phase.", "They are 0 to 5.");
        await using var database = await LegacyDatabase.OpenAsync(connection, ct);
        await using var migration = new LegacyMigration(
            run,
            database,
            ReadTypes(run.Value(Type) ?? []),
            run.Value(Plan)
        );
        try
        {
            return await RunAsync(run, database, migration, ct);
        }
        catch (NpgsqlException e)
        {
            throw new CliException(
                ExitCode.Unreachable,
                "legacy-database",
                $"The old database refused: {e.Message}",
                "Nothing is half-done: run the command again when it answers."
            );
        }
    }

    private static async Task<int> RunAsync(
        Invocation run,
        LegacyDatabase database,
        LegacyMigration migration,
        CancellationToken ct
    )
    {
        var dryRun = run.Value(DryRun);
        var asked = run.Value(Phase);
        if (asked is > 0 && !dryRun)
        {
            var last = await database.HasLedgerAsync(ct) ? await database.LastPhaseAsync(ct) : -1;
            if (last < asked - 1)
            {
                throw new CliException(
                    ExitCode.No,
                    "phase-before",
                    string.Create(CultureInfo.InvariantCulture, $"Phase {last + 1} is not finished."),
                    "Run it first, or all of them without --phase."
                );
            }
        }
        var reports = new List<PhaseReport>();
        foreach (var number in asked is { } one ? [one] : Enumerable.Range(0, LegacyMigration.LastPhase + 1))
        {
            var report = await migration.RunAsync(number, dryRun, ct);
            reports.Add(report);
            Show(run, report);
            // What differs is looked at by a person before the old table is closed.
            if (number == 4 && report.Problems.Count > 0)
                break;
        }
        var isEqual = reports.All(r => r.Number != 4 || r.Problems.Count == 0);
        run.Output.Document(
            new JsonObject
            {
                ["dryRun"] = dryRun,
                ["parity"] = reports.Any(r => r.Number == 4) && !dryRun ? isEqual : null,
                ["phases"] = new JsonArray([.. reports.Select(r => r.ToJson())]),
            }
        );
        return isEqual ? ExitCode.Ok : ExitCode.No;
    }

    private static void Show(Invocation run, PhaseReport report)
    {
        run.Output.Line(
            string.Create(CultureInfo.InvariantCulture, $"{report.Number} {report.Name}: ")
                + string.Join(
                    ", ",
                    report.Counts.Select(c => string.Create(CultureInfo.InvariantCulture, $"{c.Value:N0} {c.Key}"))
                )
        );
        foreach (var problem in report.Problems)
            run.Output.Line("  " + problem);
    }

    private static Dictionary<string, string> ReadTypes(string[] pairs)
    {
        var types = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var pair in pairs)
        {
            if (
                pair.Split('=') is not [{ Length: > 0 } old, { Length: > 0 } type]
                || !types.TryAdd(old.ToLowerInvariant(), type)
            )
                throw Usage($"'{pair}' is not OLD=NEW, or is said twice.", "Write --type quotes=social.testimonials.");
        }
        return types;
    }

    private static CliException Usage(string what, string advice) => new(ExitCode.Usage, "usage", what, advice);
}
