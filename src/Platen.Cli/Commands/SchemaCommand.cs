using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Platen.Kernel.Schemas;

namespace Platen.Cli.Commands;

/// <summary><c>platen schema</c>: JSON Schema 2020-12 on files, with no server.</summary>
internal static class SchemaCommand
{
    private static readonly Argument<string?> SchemaFile = new("schema")
    {
        Description = "The schema's file, or - for standard input.",
        HelpName = "SCHEMA",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private static readonly Argument<string[]> InstanceFiles = new("instance")
    {
        Description = "JSON files to validate, or - for standard input. None: only the schema is checked.",
        HelpName = "INSTANCE",
        Arity = ArgumentArity.ZeroOrMore,
    };

    private static readonly Option<bool> AssertFormat = new("--assert-format")
    {
        Description = "Check format; without it format is an annotation.",
    };

    private static readonly Option<string?> Registry = new("--registry")
    {
        Description = "A folder whose .json files a $ref may name, by $id or by file URI.",
        HelpName = "DIR",
    };

    private static readonly Option<string> OutputForm = new("--output")
    {
        Description = "flag: only whether it is valid. basic: every fault.",
        DefaultValueFactory = _ => "basic",
        HelpName = "flag|basic",
    };

    private static readonly Option<string?> Suite = new("--suite")
    {
        Description = "Run the tests of a folder in the public JSON-Schema-Test-Suite's format.",
        HelpName = "DIR",
    };

    static SchemaCommand() => OutputForm.AcceptOnlyFromAmong("flag", "basic");

    public static Command Create() =>
        new Command("schema", "Check JSON Schemas (draft 2020-12) and what they describe.")
        {
            new Command(
                "check",
                "Check a schema and validate files with it. Ends with 0 when all are valid, 1 when one is not, 2 when one cannot be used."
            )
            {
                SchemaFile,
                InstanceFiles,
                AssertFormat,
                Registry,
                OutputForm,
                Suite,
            }.Runs(CheckAsync),
        };

    private static async Task<int> CheckAsync(Invocation run, CancellationToken ct)
    {
        var registry = new SchemaRegistry();
        if (run.Value(Registry) is { } folder)
            await AddFolderAsync(registry, Full(run, folder), FileUri, ct);
        if (run.Value(Suite) is { } suite)
            return await RunSuiteAsync(run, Full(run, suite), registry, ct);

        var schemaFile =
            run.Value(SchemaFile)
            ?? throw Unusable("A schema is needed.", "Name its file, or a folder of tests with --suite.");
        var bytes = await Input.ReadAsync(run, schemaFile, ct);
        var options = new SchemaOptions { AssertFormat = run.Value(AssertFormat) };
        if (schemaFile != "-")
            options = options with { BaseUri = FileUri(Full(run, schemaFile)) };
        JsonSchema schema;
        try
        {
            schema = JsonSchema.Compile(bytes, options, registry);
        }
        catch (SchemaCompileException fault)
        {
            throw new CliException(
                ExitCode.Usage,
                "unusable-schema",
                $"{schemaFile} is not a usable schema: {fault.Message}",
                "Mend the schema; --registry DIR supplies the documents its references name."
            )
            {
                Faults = [.. fault.Errors.Select(error => new InputFault(error.InstanceLocation, error.Message))],
            };
        }

        var output = run.Value(OutputForm) == "flag" ? SchemaOutput.Flag : SchemaOutput.Basic;
        var documents = new JsonArray();
        var codes = new List<int>();
        foreach (var file in run.Value(InstanceFiles))
        {
            var result = schema.Validate((ReadOnlyMemory<byte>)await Input.ReadAsync(run, file, ct), output);
            codes.Add(
                result.Outcome switch
                {
                    SchemaOutcome.Valid => ExitCode.Ok,
                    SchemaOutcome.Invalid => ExitCode.No,
                    _ => ExitCode.Usage,
                }
            );
            Show(run.Output, file, result);
            documents.Add(ToJson(file, result));
        }
        if (codes.Count == 0)
            run.Output.Line($"{schemaFile}: a usable schema");
        run.Output.Document(
            new JsonObject { ["valid"] = codes.TrueForAll(code => code == ExitCode.Ok), ["results"] = documents }
        );
        return codes.Count == 0 ? ExitCode.Ok : codes.Max();
    }

    private static void Show(Output output, string file, SchemaResult result)
    {
        var word = result.Outcome switch
        {
            SchemaOutcome.Valid => "valid",
            SchemaOutcome.Invalid => "invalid",
            _ => "cannot be validated",
        };
        output.Line($"{file}: {word}");
        foreach (var error in result.Errors)
        {
            var at = error.InstanceLocation.Length == 0 ? "(whole document)" : error.InstanceLocation;
            output.Line($"  {at}: {error.Message} [{error.AbsoluteKeywordLocation}]");
        }
        if (result.IsTruncated)
            output.Line("  … and more");
    }

    // The names of the specification's "basic" output (Core 12.4.2).
    private static JsonObject ToJson(string file, SchemaResult result)
    {
        var json = new JsonObject { ["instance"] = file, ["valid"] = result.IsValid };
        if (result.Outcome == SchemaOutcome.Abandoned)
            json["unusable"] = true;
        if (result.IsTruncated)
            json["truncated"] = true;
        if (result.Errors.Count > 0)
        {
            json["errors"] = new JsonArray([
                .. result.Errors.Select(error => new JsonObject
                {
                    ["keywordLocation"] = error.KeywordLocation,
                    ["absoluteKeywordLocation"] = error.AbsoluteKeywordLocation,
                    ["instanceLocation"] = error.InstanceLocation,
                    ["error"] = error.Message,
                }),
            ]);
        }
        return json;
    }

    private static async Task<int> RunSuiteAsync(
        Invocation run,
        string folder,
        SchemaRegistry registry,
        CancellationToken ct
    )
    {
        if (!Directory.Exists(folder))
            throw Unusable($"There is no folder {folder}.", "Name a folder with the suite's files.");
        foreach (var remotes in RemotesOf(folder))
        {
            await AddFolderAsync(
                registry,
                remotes,
                path => SchemaSuite.RemoteRoot + Path.GetRelativePath(remotes, path).Replace('\\', '/'),
                ct
            );
        }
        var passed = 0;
        var failures = new List<SchemaSuiteFailure>();
        foreach (var path in SuiteFiles(folder))
        {
            var name = Path.GetRelativePath(folder, path).Replace('\\', '/');
            var isFormat = $"/{Path.GetFileName(folder)}/{name}".Contains("/format/", StringComparison.Ordinal);
            var options = new SchemaOptions { AssertFormat = isFormat || run.Value(AssertFormat) };
            try
            {
                var result = SchemaSuite.Run(name, await File.ReadAllBytesAsync(path, ct), options, registry);
                passed += result.Passed;
                failures.AddRange(result.Failures);
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException)
            {
                throw Unusable($"{name} is not in the suite's format: {e.Message}", "Leave other files out.");
            }
        }
        foreach (var failure in failures)
        {
            await run.Terminal.Error.WriteLineAsync(
                $"{failure.File}: {failure.Group}: {failure.Test}: {failure.Reason}".AsMemory(),
                ct
            );
        }
        run.Output.Line(string.Create(CultureInfo.InvariantCulture, $"{passed} passed, {failures.Count} failed"));
        run.Output.Document(new JsonObject { ["passed"] = passed, ["failed"] = failures.Count });
        if (passed + failures.Count == 0)
            throw Unusable($"{folder} holds no tests.", "Name a folder with the suite's files.");
        return failures.Count == 0 ? ExitCode.Ok : ExitCode.No;
    }

    private static IEnumerable<string> SuiteFiles(string folder) =>
        Directory
            .EnumerateFiles(folder, "*.json", SearchOption.AllDirectories)
            .Where(path => !IsRemote(folder, path))
            .Order(StringComparer.Ordinal);

    private static bool IsRemote(string folder, string path) =>
        $"/{Path.GetRelativePath(folder, path).Replace('\\', '/')}".Contains("/remotes/", StringComparison.Ordinal);

    // Inside the folder, or beside it or one of the two folders above, as the public repository lays them out.
    private static IEnumerable<string> RemotesOf(string folder)
    {
        var at = new DirectoryInfo(folder);
        for (var level = 0; level < 4 && at is not null; level++, at = at.Parent)
        {
            var remotes = Path.Combine(at.FullName, "remotes");
            if (Directory.Exists(remotes))
                return [remotes];
        }
        return [];
    }

    private static async Task AddFolderAsync(
        SchemaRegistry registry,
        string folder,
        Func<string, string> address,
        CancellationToken ct
    )
    {
        if (!Directory.Exists(folder))
            throw Unusable($"There is no folder {folder}.", "Name a folder with schemas.");
        foreach (var path in Directory.EnumerateFiles(folder, "*.json", SearchOption.AllDirectories))
        {
            try
            {
                registry.Add(address(path), await File.ReadAllBytesAsync(path, ct));
            }
            catch (SchemaCompileException fault)
            {
                throw Unusable($"{path} cannot be read: {fault.Reason}", "Mend it, or move it out of the folder.");
            }
        }
    }

    private static string Full(Invocation run, string path) => Path.GetFullPath(path, run.Terminal.WorkingFolder);

    private static string FileUri(string path) => new Uri(path).AbsoluteUri;

    private static CliException Unusable(string message, string advice) =>
        new(ExitCode.Usage, "unusable", message, advice);
}
