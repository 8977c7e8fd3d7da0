using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Platen.Cli.Verification;

namespace Platen.Cli.Commands;

/// <summary><c>platen explain</c>: why an address gives the bytes it gives.</summary>
internal static class ExplainCommand
{
    private static readonly Argument<string> What = new("what")
    {
        Description =
            "The address of a page, a manifest or an artifact, whole or as a path; or an instance's public id.",
        HelpName = "URL|ID",
    };

    private static readonly Option<string?> Languages = new("--accept-language")
    {
        Description = "The visitor's languages, as a browser sends them.",
        HelpName = "FIELD",
    };

    private static readonly Option<string> Codings = NewCodings();

    public static Command Create() =>
        new Command(
            "explain",
            "Say which channel, release, language, coding and cache an address's bytes come from. Exit code 1 when a visitor gets none."
        )
        {
            What,
            Languages,
            Codings,
        }.Runs(RunAsync);

    private static async Task<int> RunAsync(Invocation run, CancellationToken ct)
    {
        var (server, path) = PublishedAddress.Read(run.Value(What));
        if (server is not null)
            run.ConnectTo(server);
        var connection = run.Connection;
        if (connection.Key is null)
            throw new CliException(
                ExitCode.NotAllowed,
                "no-key",
                "An explanation needs a key.",
                $"It comes from {connection.KeySource}."
            );
        using var wire = new Wire(new Uri(connection.Server.GetLeftPart(UriPartial.Authority)), connection.Key);
        List<(string, string)> fields = [("Accept-Encoding", run.Value(Codings)!)];
        if (run.Value(Languages) is { } languages)
            fields.Add(("Accept-Language", languages));

        var question = path + (path.Contains('?', StringComparison.Ordinal) ? "&explain" : "?explain");
        var answer = await wire.GetAsync(question, ct, [.. fields, wire.WithKey, ("Cache-Control", "no-cache")]);
        if (answer.Status != 200 || !answer["Content-Type"].StartsWith("application/json", StringComparison.Ordinal))
            throw Refused(answer, path);
        var document = JsonNode.Parse(answer.Decoded())!.AsObject();
        document["serverTiming"] = answer["Server-Timing"];
        // What a visitor is given may come from a cache on the way, which the server knows nothing of.
        var visitor = await wire.GetAsync(path, ct, [.. fields]);
        document["visitor"] = new JsonObject
        {
            ["status"] = visitor.Status,
            ["etag"] = visitor["ETag"],
            ["ageSeconds"] = int.TryParse(visitor["Age"], CultureInfo.InvariantCulture, out var age) ? age : null,
            ["via"] = visitor.Has("Via") ? visitor["Via"] : null,
            ["isSame"] = IsSame(document, visitor),
        };
        run.Output.Document(document);
        Print(run.Output, document);
        return (int)document["explanation"]!["status"]! == 200 ? ExitCode.Ok : ExitCode.No;
    }

    private static CliException Refused(Answer answer, string path)
    {
        if (!answer["Content-Type"].StartsWith("application/problem+json", StringComparison.Ordinal))
            return new CliException(
                ExitCode.Unreachable,
                "not-platen",
                $"{path} is not explained there ({answer.Status}).",
                "Ask a Platen server with the roles api and delivery, and not a cache in front of it."
            );
        var problem = JsonNode.Parse(answer.Decoded())!;
        return new CliException(
            answer.Status is 401 or 403 ? ExitCode.NotAllowed : ExitCode.No,
            ((string?)problem["type"] ?? "").Split('/')[^1],
            (string?)problem["detail"] ?? $"{answer.Status}",
            (string?)problem["advice"] ?? ""
        );
    }

    private static bool IsSame(JsonObject document, Answer visitor) =>
        (int)document["explanation"]!["status"]! == visitor.Status
        && (
            document["explanation"]!["content"] is not { } content
            || visitor["ETag"].Trim('"') == ((string)content["digest"]!)["sha256:".Length..]
        );

    private static void Print(Output output, JsonObject document)
    {
        var explained = document["explanation"]!;
        output.Line($"{explained["address"]}  {explained["status"]}");
        output.Line($"  because   {explained["rule"]}");
        if (explained["channel"] is { } channel)
        {
            output.Line(
                $"  channel   {channel["subject"]}  {channel["name"]}, revision {channel["revision"]}, moved {channel["movedAt"]}"
            );
            output.Line($"  release   {channel["release"]}");
        }
        if (explained["fallback"] is { } fallback)
            output.Line($"  shown     {fallback["shown"]}: {fallback["because"]}");
        foreach (var (word, name) in ((string, string)[])[("locale", "locale"), ("theme", "theme")])
        {
            if (explained[name] is not { } choice)
                continue;
            var tried = choice["tried"]!.AsArray();
            output.Line(
                $"  {word, -9} {choice["chosen"]}: {choice["because"]}{(tried.Count > 1 ? $" ({string.Join(" → ", tried)})" : "")}"
            );
        }
        if (explained["content"] is { } content)
        {
            output.Line($"  digest    {content["digest"]}");
            output.Line($"  bytes     {content["sizeBytes"]}, {content["mediaType"]}");
            output.Line($"  coding    {content["coding"]}: {content["codingBecause"]}");
        }
        var cache = explained["cache"]!;
        var stale = (bool)cache["isStale"]! ? ", and maybe not the latest" : "";
        var deaf = (bool)cache["hearsOfMoves"]! ? "" : "; the database tells of no moves now";
        output.Line($"  cache     {cache["level"]}{stale}{deaf}");
        if (document["node"] is { } node)
            output.Line($"  node      {node["name"]}, process {node["process"]}, {node["roles"]}, {node["version"]}");
        output.Line($"  time      {document["serverTiming"]}");
        output.Line($"  trace     {document["traceId"]}");
        var visitor = document["visitor"]!;
        output.Line(
            $"  visitors  get {((bool)visitor["isSame"]! ? "the same" : "something else: a cache on the way, or a move in this moment")} ({visitor["status"]}{(visitor["ageSeconds"] is { } age ? $", kept for {age} s" : "")}{(visitor["via"] is { } via ? $", via {via}" : "")})"
        );
    }

    private static Option<string> NewCodings() =>
        new("--accept-encoding")
        {
            Description = "The visitor's codings, as a browser sends them.",
            HelpName = "FIELD",
            DefaultValueFactory = _ => "gzip, deflate, br",
        };
}
