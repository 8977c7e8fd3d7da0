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

    private static readonly Option<bool> Web = new("--web")
    {
        Description = "Sign in in the browser, also when standard input is no terminal.",
    };

    private static readonly Option<bool> NoBrowser = new("--no-browser")
    {
        Description = "Only print the address, and open nothing.",
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
                "Sign in to a server and keep it as a profile, used from now on. In a terminal it opens your browser, where you say what this machine may do, and gets a key of its own. Else the key is --key, $PLATEN_KEY or a line on standard input."
            )
            {
                Name,
                Web,
                NoBrowser,
            }.Runs(LoginAsync),
            new Command("logout", "Forget a profile, and end its key if a login in the browser made it.") { Name }.Runs(
                LogoutAsync
            ),
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
        Guid? made = null;
        string? given;
        if (!run.Value(Web) && connection.KeySource is "--key" or "$PLATEN_KEY")
        {
            given = connection.Key;
        }
        else if (run.Value(Web) || run.Terminal.InputIsTerminal)
        {
            var key = await new BrowserLogin(run, connection.Server).RunAsync(!run.Value(NoBrowser), ct);
            (given, made) = (key.Secret, key.Id);
        }
        else
        {
            given = ReadKey(run);
        }
        using var client = new PlatenClient(connection.Server, given);
        var me = await client.WhoAmIAsync(ct);
        var name = run.Optional(Name) ?? connection.Server.Authority;
        var profiles = Profiles.Of(run.Terminal);
        profiles.With(name, new Profile(connection.Server.ToString(), given, made)).Save();
        run.Output.Document(
            new JsonObject
            {
                ["profile"] = name,
                ["server"] = connection.Server.ToString(),
                ["name"] = me.Name,
                ["expiresAt"] = me.ExpiresAt,
                ["file"] = profiles.File,
            }
        );
        var until = me.ExpiresAt is { } end
            ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $" until {end:yyyy-MM-dd}")
            : "";
        run.Output.Line($"{name}: {connection.Server} as {me.Name}{until}; kept in {profiles.File}");
        return ExitCode.Ok;
    }

    private static async Task<int> LogoutAsync(Invocation run, CancellationToken ct)
    {
        var profiles = Profiles.Of(run.Terminal);
        var name = run.Optional(Name) ?? profiles.Stored.Current;
        if (name is null || profiles.Stored.Profiles?.GetValueOrDefault(name) is not { } profile)
            throw NoSuchProfile(name ?? "");
        var ended = profile.KeyId is { } id && await EndAsync(profile, id, ct);
        profiles.Without(name).Save();
        run.Output.Document(new JsonObject { ["profile"] = name, ["outcome"] = ended ? "ended" : "forgotten" });
        run.Output.Line(
            ended
                ? $"{name} is forgotten, and its key opens nothing any more"
                : $"{name} is forgotten; its key still works: 'platen keys revoke' ends it"
        );
        return ExitCode.Ok;
    }

    // A key that opens nothing any more has ended already. A server that does not answer keeps the profile: the key would be lost with it.
    private static async Task<bool> EndAsync(Profile profile, Guid id, CancellationToken ct)
    {
        using var client = new PlatenClient(new Uri(profile.Server!), profile.Key);
        try
        {
            await client.EndMyKeyAsync(id, ct);
        }
        catch (PlatenProblemException refused) when (refused.Status == System.Net.HttpStatusCode.Unauthorized)
        {
            return true;
        }
        return true;
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
