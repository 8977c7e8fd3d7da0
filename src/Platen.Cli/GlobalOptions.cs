using System.CommandLine;

namespace Platen.Cli;

/// <summary>The options that every command has.</summary>
internal static class GlobalOptions
{
    public const string DefaultServer = "http://127.0.0.1:5080";

    public static readonly Option<string?> Server = new("--server")
    {
        Description = $"The server's address. Else $PLATEN_SERVER, the login profile, {DefaultServer}.",
        HelpName = "URL",
        Recursive = true,
    };

    public static readonly Option<string?> Key = new("--key")
    {
        Description =
            "The machine key. Else $PLATEN_KEY, the login profile and, for a server on this machine, the owner.key of its data folder.",
        HelpName = "KEY",
        Recursive = true,
    };

    public static readonly Option<string?> Profile = new("--profile")
    {
        Description =
            "The login profile to use, instead of the one that 'platen login' or 'platen profiles use' chose.",
        HelpName = "PROFILE",
        Recursive = true,
    };

    public static readonly Option<bool> Json = new("--json")
    {
        Description = "Print one JSON document on standard output, and problems as JSON on standard error.",
        Recursive = true,
    };

    public static readonly Option<bool> Quiet = new("--quiet", "-q")
    {
        Description = "Print no progress, only results and problems.",
        Recursive = true,
    };

    public static readonly Option<bool> Verbose = new("--verbose", "-v")
    {
        Description = "Say also where the server's address and the key came from.",
        Recursive = true,
    };

    public static readonly Option<bool> NoColor = new("--no-color")
    {
        Description = "Print without colors, as with $NO_COLOR.",
        Recursive = true,
    };

    public static readonly IReadOnlyList<Option> All = [Server, Key, Profile, Json, Quiet, Verbose, NoColor];
}
