using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using Platen.Client;
using Platen.Client.Resolving;
using Platen.Kernel.Templates;

namespace Platen.Cli.Commands;

/// <summary><c>platen resolve</c>: the file of a template that a program here would get, and why.</summary>
internal static class ResolveCommand
{
    private static readonly Argument<string> Name = new("name")
    {
        Description = "The template's name.",
        HelpName = "NAME",
    };

    private static readonly Option<string?> Version = new("--version")
    {
        Description = "A version, a range such as 1.x, or a channel. Else the default.",
        HelpName = "RANGE|ALIAS",
    };

    private static readonly Option<string?> Kind = new("--kind")
    {
        Description = "The artifact's kind.",
        HelpName = "K",
    };

    private static readonly Option<string?> Role = new("--role") { Description = "The prompt's role." };

    private static readonly Option<string?> FilePath = new("--path")
    {
        Description = "The artifact's path in the bundle.",
        HelpName = "PATH",
    };

    private static readonly Option<string?> Locale = new("--locale")
    {
        Description = "The wanted language, such as fr-CA.",
        HelpName = "L",
    };

    private static readonly Option<string?> ForKey = new("--for")
    {
        Description = "Whose request it is, such as a user's id: decides the side of a trial.",
        HelpName = "KEY",
    };

    private static readonly Option<string?> Environment = new("--environment")
    {
        Description = "Where it is used, such as production: an operator's pin may hold there.",
        HelpName = "NAME",
    };

    private static readonly Option<string?> Cache = new("--cache")
    {
        Description = "The folder that keeps what was fetched. Else $XDG_CACHE_HOME/platen/templates.",
        HelpName = "DIR",
    };

    private static readonly Option<string?> Files = new("--files")
    {
        Description = "A folder with bundles, which answers when nothing else does.",
        HelpName = "DIR",
    };

    private static readonly Option<bool> Remote = new("--remote")
    {
        Description =
            $"Ask the registry. Also ${TemplateResolverOptions.RegistryFlag}=true. Without it the local manifest decides.",
    };

    private static readonly Option<bool> AllowUnpinned = new("--allow-unpinned")
    {
        Description = "When no source has the pinned bytes, take what the files folder has, and say so.",
    };

    private static readonly Option<string[]> Set = new("--set")
    {
        Description = "Fill in a prompt's variable; once for each. Everything is checked against what it declares.",
        HelpName = "NAME=VALUE",
    };

    private static readonly Option<string?> Out = new("--out")
    {
        Description = "Write the file there instead of to standard output.",
        HelpName = "FILE",
    };

    static ResolveCommand() => Role.AcceptOnlyFromAmong("system", "manager", "user");

    public static Command Create() =>
        new Command("resolve", "Print the file of a template that a program here would get, and say why.")
        {
            TemplatesCommand.Workspace,
            Name,
            Version,
            Kind,
            Role,
            FilePath,
            Locale,
            ForKey,
            Environment,
            Cache,
            Files,
            Remote,
            AllowUnpinned,
            Set,
            Out,
        }.Runs(RunAsync);

    private static async Task<int> RunAsync(Invocation run, CancellationToken ct)
    {
        var name = TemplatesCommand.ReadName(run.Value(Name));
        var options = Options(run);
        using var registry = options.UseRegistry ? Registry(run) : null;
        await using var resolver = new TemplateResolver(options with { Registry = registry }, new Notes(run.Output));
        if (run.Value(Kind) is null && run.Value(Role) is null && run.Value(FilePath) is null)
            return await ListAsync(run, resolver, name, ct);
        var request = new ArtifactRequest(
            name,
            run.Value(Version),
            run.Value(Kind),
            run.Value(Locale),
            run.Value(Role),
            run.Value(FilePath),
            run.Value(ForKey)
        );
        byte[] bytes;
        ResolvedArtifact resolved;
        int? tokens = null;
        if (run.Value(Set) is { Length: > 0 } settings)
        {
            var rendered = await resolver.RenderAsync(request, ReadValues(settings), ct);
            (resolved, bytes) = (rendered.Prompt, System.Text.Encoding.UTF8.GetBytes(rendered.Text));
            tokens = rendered.EstimatedTokens;
        }
        else
        {
            resolved = await resolver.ResolveAsync(request, ct);
            bytes = resolved.Bytes.ToArray();
            if (resolved.Artifact.Role is not null)
                tokens = PromptText.EstimateTokens(resolved.Text);
        }
        Report(run, resolved, bytes, tokens);
        return ExitCode.Ok;
    }

    private static TemplateResolverOptions Options(Invocation run)
    {
        var fromEnvironment = new TemplateResolverOptions().FromEnvironment(run.Terminal.Variable);
        return fromEnvironment with
        {
            UseRegistry = fromEnvironment.UseRegistry || run.Value(Remote),
            CacheFolder = run.Value(Cache) is { } cache
                ? Path.GetFullPath(cache, run.Terminal.WorkingFolder)
                : DefaultCache(run.Terminal),
            FilesFolder = run.Value(Files) is { } files ? Path.GetFullPath(files, run.Terminal.WorkingFolder) : null,
            Environment = run.Value(Environment),
            Mode = run.Value(AllowUnpinned) ? ResolveMode.AllowUnpinnedFallback : ResolveMode.Strict,
            Time = run.Terminal.Time,
            // Who asks on the command line asks now, whatever another process was told a moment ago.
            RevalidateAfter = TimeSpan.Zero,
            Patience = TimeSpan.FromMinutes(1),
        };
    }

    /// <summary>Asks briefly: who runs this has other sources, and wants an answer now.</summary>
    private static PlatenClient Registry(Invocation run) =>
        new(
            run.Connection.Server,
            run.Connection.Key,
            new PlatenClientOptions
            {
                Attempts = 2,
                AttemptTimeout = TimeSpan.FromSeconds(5),
                TemplatesOf = run.Value(TemplatesCommand.Workspace),
            }
        );

    private static string? DefaultCache(Terminal terminal) =>
        terminal.Variable("XDG_CACHE_HOME") is { Length: > 0 } xdg ? Path.Combine(xdg, "platen", "templates")
        : terminal.Variable("HOME") is { Length: > 0 } home ? Path.Combine(home, ".cache", "platen", "templates")
        : null;

    private static Dictionary<string, string> ReadValues(string[] settings)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var setting in settings)
        {
            var at = setting.IndexOf('=', StringComparison.Ordinal);
            if (at < 1 || !values.TryAdd(setting[..at], setting[(at + 1)..]))
            {
                throw new CliException(
                    ExitCode.Usage,
                    "usage",
                    $"'{setting}' does not set a variable, or sets it again.",
                    "Write --set NAME=VALUE, once for each variable."
                );
            }
        }
        return values;
    }

    private static void Report(Invocation run, ResolvedArtifact resolved, byte[] bytes, int? tokens)
    {
        var json = new JsonObject
        {
            ["template"] = resolved.Template.Value,
            ["version"] = resolved.Version,
            ["kind"] = resolved.Artifact.Kind,
            ["path"] = resolved.Artifact.Path,
            ["role"] = resolved.Artifact.Role,
            ["locale"] = resolved.Artifact.Locale,
            ["contentType"] = resolved.Artifact.ContentType,
            ["digest"] = resolved.Digest.ToString(),
            ["sizeBytes"] = resolved.Bytes.Length,
            ["release"] = resolved.Release?.ToString(),
            ["source"] = SourceName(resolved.Source),
            ["pointerSource"] = resolved.PointerSource == PointerSource.Registry ? "registry" : "localManifest",
            ["rule"] = resolved.Rule,
            ["explanation"] = resolved.Explanation,
            ["ageSeconds"] = Math.Round(resolved.Age.TotalSeconds, 3),
            ["stale"] = resolved.IsStale,
            ["pinned"] = resolved.IsPinned,
        };
        if (tokens is not null)
            json["estimatedTokens"] = tokens;
        if (resolved.Deprecation is { } deprecation)
        {
            json["deprecation"] = new JsonObject
            {
                ["reason"] = deprecation.Reason,
                ["successor"] = deprecation.Successor,
                ["sunsetAt"] = deprecation.SunsetAt?.ToString("O", CultureInfo.InvariantCulture),
            };
        }
        var isText = System.Text.Unicode.Utf8.IsValid(bytes);
        if (run.Value(Out) is { } file)
        {
            WriteFile(Path.GetFullPath(file, run.Terminal.WorkingFolder), bytes);
            json["out"] = file;
        }
        else if (run.Output.Json)
            json[isText ? "text" : "base64"] = isText
                ? System.Text.Encoding.UTF8.GetString(bytes)
                : Convert.ToBase64String(bytes);
        else if (!isText)
        {
            throw new CliException(
                ExitCode.Usage,
                "not-text",
                $"{resolved.Artifact.Path} is no text: printed, it would not be the same bytes.",
                "Write it into a file with --out, or take it as Base64 with --json."
            );
        }
        else
            run.Output.Exactly(System.Text.Encoding.UTF8.GetString(bytes));
        run.Output.Document(json);
        var about = tokens is null ? "" : string.Create(CultureInfo.InvariantCulture, $", about {tokens:N0} tokens");
        run.Output.Progress(
            string.Create(
                CultureInfo.InvariantCulture,
                $"resolved from {SourceName(resolved.Source)}: {resolved.Template}@{resolved.Version} {resolved.Artifact.Path}, rule {resolved.Rule} ({resolved.Explanation}), {resolved.Digest}, {bytes.Length:N0} bytes{about}, age {resolved.Age.TotalSeconds:0.0} s"
            )
        );
        if (resolved.IsStale)
            run.Output.Progress("The registry could not be asked: this is what it said last.");
    }

    private static async Task<int> ListAsync(
        Invocation run,
        TemplateResolver resolver,
        Kernel.Templates.TemplateName name,
        CancellationToken ct
    )
    {
        var resolution = await resolver.DescribeAsync(name, run.Value(Version), ct);
        var artifacts = resolution.Artifacts ?? [];
        run.Output.Document(
            new JsonObject
            {
                ["template"] = name.Value,
                ["version"] = resolution.Version,
                ["rule"] = resolution.Rule,
                ["explanation"] = resolution.Explanation,
                ["artifacts"] = new JsonArray([
                    .. artifacts.Select(a => new JsonObject
                    {
                        ["kind"] = a.Kind,
                        ["path"] = a.Path,
                        ["role"] = a.Role,
                        ["locale"] = a.Locale,
                        ["digest"] = a.Digest.ToString(),
                        ["sizeBytes"] = a.SizeBytes,
                    }),
                ]),
            }
        );
        run.Output.Table(
            ["kind", "role", "locale", "path", "bytes", "digest"],
            [
                .. artifacts.Select(a =>
                    (string[])
                        [
                            a.Kind,
                            a.Role ?? "",
                            a.Locale ?? "",
                            a.Path,
                            a.SizeBytes.ToString(CultureInfo.InvariantCulture),
                            a.Digest.ToString(),
                        ]
                ),
            ]
        );
        run.Output.Progress($"{name}@{resolution.Version}, rule {resolution.Rule}: {resolution.Explanation}");
        return ExitCode.Ok;
    }

    private static string SourceName(ByteSource source) =>
        source switch
        {
            ByteSource.Memory => "memory",
            ByteSource.DiskCache => "cache",
            ByteSource.Store => "store",
            _ => "files",
        };

    private static void WriteFile(string file, byte[] bytes)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllBytes(file, bytes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CliException(
                ExitCode.Usage,
                "unusable",
                $"{file} cannot be written: {e.Message}",
                "Check the path and its rights."
            );
        }
    }

    /// <summary>The resolver's warnings, as lines on standard error; its results are reported here.</summary>
    private sealed class Notes(Output output) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(
            LogLevel logLevel,
            EventId eventId,
            TState state,
            Exception? exception,
            Func<TState, Exception?, string> formatter
        )
        {
            if (IsEnabled(logLevel))
                output.Progress(formatter(state, exception));
        }
    }
}
