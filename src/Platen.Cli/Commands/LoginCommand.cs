using System.CommandLine;
using System.Text.Json.Nodes;
using Platen.Client;

namespace Platen.Cli.Commands;

/// <summary><c>platen login</c>, <c>logout</c>, <c>profiles</c> and <c>whoami</c>: which servers a person uses, and as whom.</summary>
internal static class LoginCommand
{
    private static readonly Argument<string?> Name = new("profile")
    {
        Description = "The profile's name. Else the server's host, or for logout the profile in use.",
        HelpName = "PROFILE",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private static readonly Argument<string> Which = new("profile")
    {
        Description = "The profile's name.",
        HelpName = "PROFILE",
    };

    public static IEnumerable<Command> Create() =>
        [
            new Command(
                "login",
                "Keep a server and a key as a profile, and use it from now on. The key is --key, $PLATEN_KEY or a line on standard input."
            )
            {
                Name,
            }.Runs(LoginAsync),
            new Command("logout", "Forget a profile and its key.") { Name }.Runs(LogoutAsync),
            new Command("profiles", "Show the profiles, and choose the one to use.")
            {
                new Command("list", "List the profiles.").Runs(ListAsync),
                new Command("use", "Use another profile from now on.") { Which }.Runs(UseAsync),
            },
            new Command("whoami", "Show who you are to the server, and what you may do.").Runs(WhoAmIAsync),
        ];

    private static async Task<int> LoginAsync(Invocation run, CancellationToken ct)
    {
        var connection = run.Connection;
        // A key that was found in a file is there already; one is asked for when none was given.
        var given = connection.KeySource is "--key" or "$PLATEN_KEY" ? connection.Key : ReadKey(run);
        using var client = new PlatenClient(connection.Server, given);
        var me = await client.WhoAmIAsync(ct);
        var name = run.Optional(Name) ?? connection.Server.Authority;
        var profiles = Profiles.Of(run.Terminal);
        profiles.With(name, new Profile(connection.Server.ToString(), given)).Save();
        run.Output.Document(
            new JsonObject
            {
                ["profile"] = name,
                ["server"] = connection.Server.ToString(),
                ["name"] = me.Name,
                ["file"] = profiles.File,
            }
        );
        run.Output.Line($"{name}: {connection.Server} as {me.Name}; kept in {profiles.File}");
        return ExitCode.Ok;
    }

    private static Task<int> LogoutAsync(Invocation run, CancellationToken ct)
    {
        var profiles = Profiles.Of(run.Terminal);
        var name = run.Optional(Name) ?? profiles.Stored.Current;
        if (name is null || profiles.Stored.Profiles?.ContainsKey(name) != true)
            throw NoSuchProfile(name ?? "");
        profiles.Without(name).Save();
        run.Output.Document(new JsonObject { ["profile"] = name, ["outcome"] = "forgotten" });
        run.Output.Line($"{name} is forgotten; its key still works: 'platen keys revoke' ends it");
        return Task.FromResult(ExitCode.Ok);
    }

    private static Task<int> ListAsync(Invocation run, CancellationToken ct)
    {
        var profiles = Profiles.Of(run.Terminal);
        var all = (profiles.Stored.Profiles ?? []).OrderBy(p => p.Key, StringComparer.Ordinal).ToList();
        run.Output.Document(
            new JsonObject
            {
                ["current"] = profiles.Stored.Current,
                ["items"] = new JsonArray([
                    .. all.Select(p => new JsonObject { ["profile"] = p.Key, ["server"] = p.Value.Server }),
                ]),
            }
        );
        run.Output.Table(
            ["", "profile", "server"],
            [.. all.Select(p => (string[])[p.Key == profiles.Stored.Current ? "*" : "", p.Key, p.Value.Server ?? ""])]
        );
        return Task.FromResult(ExitCode.Ok);
    }

    private static Task<int> UseAsync(Invocation run, CancellationToken ct)
    {
        var profiles = Profiles.Of(run.Terminal);
        var name = run.Value(Which);
        if (profiles.Stored.Profiles?.TryGetValue(name, out var profile) != true)
            throw NoSuchProfile(name);
        profiles.With(name, profile!).Save();
        run.Output.Document(new JsonObject { ["current"] = name });
        run.Output.Line($"{name}: {profile!.Server}");
        return Task.FromResult(ExitCode.Ok);
    }

    private static async Task<int> WhoAmIAsync(Invocation run, CancellationToken ct)
    {
        var me = await run.Client.WhoAmIAsync(ct);
        run.Output.Document(
            new JsonObject
            {
                ["server"] = run.Connection.Server.ToString(),
                ["kind"] = me.Kind,
                ["id"] = me.Id,
                ["name"] = me.Name,
                ["owner"] = me.Owner,
                ["isPlatform"] = me.IsPlatform,
                ["scopes"] = new JsonArray([.. me.Scopes.Select(scope => (JsonNode)scope)]),
                ["stage"] = me.Stage,
                ["expiresAt"] = me.ExpiresAt,
            }
        );
        run.Output.Line($"server\t{run.Connection.Server} ({me.Stage})");
        run.Output.Line($"{me.Kind}\t{me.Name} ({me.Id})");
        run.Output.Line(
            $"acts for\t{(me.IsPlatform ? "the platform" : me.Owner?.ToString() ?? "nobody but themself")}"
        );
        run.Output.Line($"scopes\t{(me.Scopes.Count == 0 ? "none" : string.Join(' ', me.Scopes))}");
        run.Output.Line(
            $"ends\t{me.ExpiresAt?.ToString("u", System.Globalization.CultureInfo.InvariantCulture) ?? "never"}"
        );
        return ExitCode.Ok;
    }

    // A key on the command line is seen by everybody who may list processes, so a line on standard input is the way.
    private static string ReadKey(Invocation run)
    {
        run.Output.Progress($"The key for {run.Connection.Server}:");
        using var input = new StreamReader(run.Terminal.OpenInput());
        var key = input.ReadLine()?.Trim();
        return key is { Length: > 0 } && !key.AsSpan().ContainsAnyExceptInRange('!', '~')
            ? key
            : throw new CliException(
                ExitCode.Usage,
                "usage",
                "No key was given.",
                "Pass it on standard input: 'platen login --server URL < FILE'. The owner's is in the server's owner.key."
            );
    }

    private static CliException NoSuchProfile(string name) =>
        new(ExitCode.No, "not-found", $"There is no profile '{name}'.", "'platen profiles list' shows them.");
}
