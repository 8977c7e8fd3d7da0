using System.Buffers.Text;
using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Platen.Kernel;

namespace Platen.Cli.Commands;

/// <summary><c>platen embed</c>: who sees an instance, and tokens for those who do.</summary>
internal static class EmbedCommand
{
    private static readonly Argument<string> Instance = new("instance")
    {
        Description = "The public id of the instance.",
        HelpName = "ID",
    };

    private static readonly Argument<string> Who = NewWho();

    private static readonly Option<string[]> Origins = new("--origin")
    {
        Description =
            "A site whose pages may use the token, such as https://www.example.org; once for each. Else programs only.",
        HelpName = "ORIGIN",
        DefaultValueFactory = _ => [],
    };

    private static readonly Option<int> Seconds = new("--seconds")
    {
        Description = "How long the token works, 60 to 86400.",
        HelpName = "SECONDS",
        DefaultValueFactory = _ => 3600,
    };

    private static readonly Option<string?> One = new("--token")
    {
        Description = "End this one only: its id, or the token itself. Else all made so far.",
        HelpName = "TOKEN",
    };

    public static Command Create() =>
        new("embed", "Say who sees an instance, and make tokens for those who do.")
        {
            new Command("access", "Show an instance to everybody, or to who has a token; from its next publish on.")
            {
                Instance,
                Who,
            }.Runs(AccessAsync),
            new Command("token", "Make a token that shows one instance, and print it.")
            {
                Instance,
                Origins,
                Seconds,
            }.Runs(TokenAsync),
            new Command("revoke", "End tokens of an instance at once, on every node: all made so far, or one.")
            {
                Instance,
                One,
            }.Runs(RevokeAsync),
        };

    private static async Task<int> AccessAsync(Invocation run, CancellationToken ct)
    {
        var id = run.PublicId(Instance);
        var access = run.Value(Who);
        var current = await run.Client.FindInstanceAsync(id, ct) ?? throw Invocation.NoSuchInstance(id);
        await run.Client.SetAccessAsync(id, access, new Precondition.OneOf([current.Tag.ToString()]), ct);
        run.Output.Document(new JsonObject { ["publicId"] = id.ToString(), ["access"] = access });
        run.Output.Line(
            $"{id} is shown to {(access == "public" ? "everybody" : "who has a token")} when it is published next"
        );
        return ExitCode.Ok;
    }

    private static async Task<int> TokenAsync(Invocation run, CancellationToken ct)
    {
        var id = run.PublicId(Instance);
        var made = await run.Client.IssueEmbedTokenAsync(id, run.Value(Origins)!, run.Value(Seconds), ct);
        run.Output.Document(
            new JsonObject
            {
                ["id"] = made.Id,
                ["token"] = made.Token,
                ["publicId"] = made.PublicId,
                ["origins"] = new JsonArray([.. made.Origins.Select(origin => JsonValue.Create(origin))]),
                ["expiresAt"] = made.ExpiresAt,
                ["url"] = made.Url,
            }
        );
        run.Output.Progress($"{made.Id} works until {made.ExpiresAt.ToString("u", CultureInfo.InvariantCulture)}:");
        run.Output.Line(made.Token);
        return ExitCode.Ok;
    }

    private static async Task<int> RevokeAsync(Invocation run, CancellationToken ct)
    {
        var id = run.PublicId(Instance);
        var token = run.Value(One) is { } text ? ReadTokenId(text) : (Guid?)null;
        await run.Client.RevokeEmbedTokensAsync(id, token, ct);
        run.Output.Document(
            new JsonObject
            {
                ["publicId"] = id.ToString(),
                ["token"] = token,
                ["outcome"] = "revoked",
            }
        );
        run.Output.Line(token is null ? $"no token made so far opens {id}" : $"{token} opens nothing any more");
        return ExitCode.Ok;
    }

    // A token is a JWT: its second part says what its id is. The server does not have to be told more.
    private static Guid ReadTokenId(string text)
    {
        if (Guid.TryParse(text, out var id))
            return id;
        try
        {
            if (
                text.Split('.') is [_, var payload, _]
                && JsonNode.Parse(Base64Url.DecodeFromChars(payload)) is JsonObject claims
                && claims["jti"] is JsonValue value
                && value.TryGetValue(out Guid named)
            )
                return named;
        }
        catch (Exception e) when (e is FormatException or System.Text.Json.JsonException)
        {
            // The same as a text of no such form.
        }
        throw new CliException(
            ExitCode.Usage,
            "malformed-token",
            "That is neither a token nor a token's id.",
            "'platen embed token ID --json' shows both when it makes one."
        );
    }

    private static Argument<string> NewWho()
    {
        var who = new Argument<string>("access") { Description = "public or token.", HelpName = "public|token" };
        who.AcceptOnlyFromAmong("public", "token");
        return who;
    }
}
