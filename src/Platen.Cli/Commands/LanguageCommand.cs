using System.CommandLine;
using System.Text.Json.Nodes;
using Platen.Kernel.Languages;

namespace Platen.Cli.Commands;

/// <summary><c>platen language</c>: language tags (BCP 47) and the choice among them, with no server.</summary>
internal static class LanguageCommand
{
    private static readonly Argument<string> Wanted = new("wanted")
    {
        Description = "A language tag, or what a browser sends as Accept-Language, such as 'de-CH, fr;q=0.8'.",
        HelpName = "WANTED",
    };

    private static readonly Argument<string[]> Available = new("available")
    {
        Description = "The language tags to choose among.",
        HelpName = "AVAILABLE",
        Arity = ArgumentArity.OneOrMore,
    };

    private static readonly Argument<string[]> Tags = new("tag")
    {
        Description = "Language tags, in any case.",
        HelpName = "TAG",
        Arity = ArgumentArity.OneOrMore,
    };

    public static Command Create() =>
        new Command("language", "Read language tags (BCP 47) and choose among them.")
        {
            new Command(
                "lookup",
                "Print the available language that fits best what is wanted (RFC 4647 lookup with CLDR's parents). Exit code 1 when none does."
            )
            {
                Wanted,
                Available,
            }.Runs(LookupAsync),
            new Command(
                "canonical",
                "Print the canonical form of each tag. With --json also its direction and what it falls back to."
            )
            {
                Tags,
            }.Runs(CanonicalAsync),
        };

    private static Task<int> LookupAsync(Invocation run, CancellationToken ct)
    {
        var wanted = run.Value(Wanted);
        var lookup = new LanguageLookup(Read(run.Value(Available)));
        LanguageTag? best;
        if (LanguageTag.TryParse(wanted, out var tag))
            best = lookup.Best(tag);
        else if (AcceptLanguage.Parse(wanted).Count > 0)
            best = lookup.Best(wanted);
        else
            throw Unusable($"'{wanted}' is neither a language tag nor a list of language ranges.", []);
        if (best is not null)
            run.Output.Line(best.Value);
        else
            run.Output.Progress("Nothing available fits.");
        run.Output.Document(new JsonObject { ["wanted"] = wanted, ["best"] = best?.Value });
        return Task.FromResult(best is null ? ExitCode.No : ExitCode.Ok);
    }

    private static Task<int> CanonicalAsync(Invocation run, CancellationToken ct)
    {
        var tags = Read(run.Value(Tags));
        foreach (var tag in tags)
            run.Output.Line(tag.Canonical().Value);
        run.Output.Document(
            new JsonObject { ["languages"] = new JsonArray([.. tags.Select(tag => (JsonNode)ToJson(tag))]) }
        );
        return Task.FromResult(ExitCode.Ok);
    }

    private static JsonObject ToJson(LanguageTag tag) =>
        new()
        {
            ["tag"] = tag.Value,
            ["canonical"] = tag.Canonical().Value,
            ["direction"] = tag.Direction == TextDirection.RightToLeft ? "rtl" : "ltr",
            ["script"] = tag.LikelyScript,
            ["fallback"] = new JsonArray([.. tag.FallbackChain().Select(step => JsonValue.Create(step.Value))]),
        };

    private static List<LanguageTag> Read(string[] texts)
    {
        var tags = new List<LanguageTag>();
        var faults = new List<InputFault>();
        foreach (var text in texts)
        {
            if (LanguageTag.TryParse(text, out var tag))
                tags.Add(tag);
            else
                faults.Add(new InputFault("", $"'{text}' is not a language tag."));
        }
        return faults.Count == 0 ? tags : throw Unusable("Not every language tag can be read.", faults);
    }

    private static CliException Unusable(string message, IReadOnlyList<InputFault> faults) =>
        new(
            ExitCode.Usage,
            "malformed-language",
            message,
            "Write tags as BCP 47 does, such as fr, fr-CA or zh-Hant-TW."
        )
        {
            Faults = faults,
        };
}
