using Platen.Client;

namespace Platen.Cli.Commands;

/// <summary>The stage that is published to: a profile's name, or an address.</summary>
/// <param name="Name">As a person gave it.</param>
/// <param name="Server">Where it is.</param>
/// <param name="Key">A publisher's; null when none was found.</param>
internal sealed record StageTarget(string Name, Uri Server, string? Key)
{
    /// <summary>A cut-over of many instances is rendered before it is answered.</summary>
    private static readonly PlatenClientOptions Options = new() { AttemptTimeout = TimeSpan.FromMinutes(10) };

    public PlatenClient Open() => new(Server, Key, Options);

    /// <exception cref="CliException">It is neither the name of a profile nor an address.</exception>
    public static StageTarget Find(string name, string? keyOption, Terminal terminal)
    {
        var profiles = Profiles.Read(terminal);
        var profile = profiles?.Stored.Profiles?.GetValueOrDefault(name);
        var address = profile?.Server ?? name;
        if (!Uri.TryCreate(address, UriKind.Absolute, out var server) || server.Scheme is not ("http" or "https"))
        {
            var known = profiles?.Stored.Profiles?.Keys.Order(StringComparer.Ordinal).ToList() ?? [];
            throw new CliException(
                ExitCode.Usage,
                "unknown-stage",
                $"'{name}' is neither a profile nor an address.",
                known.Count > 0
                    ? $"The profiles there are: {string.Join(", ", known)}."
                    : "Give an address, or write the stage into profiles.json: docs/operating/stages.md shows how."
            );
        }
        var key =
            keyOption
            ?? (terminal.Variable("PLATEN_TO_KEY") is { Length: > 0 } variable ? variable : null)
            ?? profile?.Key
            ?? profiles?.KeyOf(server);
        return new StageTarget(name, server, key?.Trim());
    }
}
