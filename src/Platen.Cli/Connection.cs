using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Platen.Cli;

/// <summary>Where the server is and with which key to call it.</summary>
/// <param name="Server">The address.</param>
/// <param name="ServerSource">Who said so.</param>
/// <param name="Key">Null when none was found.</param>
/// <param name="KeySource">Who said so, or where was looked.</param>
internal sealed record Connection(Uri Server, string ServerSource, string? Key, string KeySource)
{
    /// <summary>
    /// Looks in this order. Server: option, PLATEN_SERVER, profile, default. Key: option, PLATEN_KEY, the profile of that very
    /// server, and only for a server on this machine <c>owner.key</c> of $PLATEN_DATA, of a <c>platen-data</c> folder here or
    /// further up, and of /var/lib/platen.
    /// </summary>
    public static Connection Find(
        string? serverOption,
        string? keyOption,
        Terminal terminal,
        string? profileOption = null
    )
    {
        var profiles = Profiles.Read(terminal)?.Using(profileOption);
        if (profileOption is not null && profiles?.Current is null)
        {
            throw new CliException(
                ExitCode.Usage,
                "no-profile",
                $"There is no profile '{profileOption}'.",
                "'platen profiles list' shows them; 'platen login' makes one."
            );
        }
        var (address, serverSource) =
            serverOption is not null ? (serverOption, "--server")
            : profileOption is not null && profiles?.Current?.Server is { } named ? (named, "--profile")
            : terminal.Variable("PLATEN_SERVER") is { Length: > 0 } variable ? (variable, "$PLATEN_SERVER")
            : profiles?.Current?.Server is { } current ? (current, profiles.File)
            : (GlobalOptions.DefaultServer, "the default");
        if (!Uri.TryCreate(address, UriKind.Absolute, out var server) || server.Scheme is not ("http" or "https"))
        {
            throw new CliException(
                ExitCode.Usage,
                "usage",
                $"'{address}' (from {serverSource}) is not a server's address.",
                $"Give an http or https address, such as {GlobalOptions.DefaultServer}."
            );
        }
        var (key, keySource) = FindKey(keyOption, server, profiles, terminal);
        return new Connection(server, serverSource, key, keySource);
    }

    private static (string? Key, string Source) FindKey(
        string? option,
        Uri server,
        Profiles? profiles,
        Terminal terminal
    )
    {
        if (option is not null)
            return (Checked(option.Trim(), "--key"), "--key");
        if (terminal.Variable("PLATEN_KEY") is { Length: > 0 } variable)
            return (Checked(variable.Trim(), "$PLATEN_KEY"), "$PLATEN_KEY");
        if (profiles?.KeyOf(server) is { } stored)
            return (Checked(stored, profiles.File), profiles.File);
        if (!IsThisMachine(server))
            return (null, "nowhere: the server is on another machine, so pass --key or set PLATEN_KEY");
        foreach (var file in OwnerKeyFiles(terminal))
        {
            if (ReadKeyFile(file) is { } found)
                return (Checked(found, file), file);
        }
        return (
            null,
            "nowhere: neither --key nor PLATEN_KEY, and no owner.key in $PLATEN_DATA, ./platen-data or above"
        );
    }

    private static string Checked(string key, string source) =>
        key.Length > 0 && !key.AsSpan().ContainsAnyExceptInRange('!', '~')
            ? key
            : throw new CliException(
                ExitCode.Usage,
                "usage",
                $"What {source} holds is not a key.",
                "A key is one line of printable characters without spaces."
            );

    private static bool IsThisMachine(Uri server) =>
        server.IsLoopback || (IPAddress.TryParse(server.Host.Trim('[', ']'), out var ip) && IPAddress.IsLoopback(ip));

    private static IEnumerable<string> OwnerKeyFiles(Terminal terminal)
    {
        if (terminal.Variable("PLATEN_DATA") is { Length: > 0 } folder)
            yield return Path.Combine(Path.GetFullPath(folder, terminal.WorkingFolder), "owner.key");
        for (var at = new DirectoryInfo(terminal.WorkingFolder); at is not null; at = at.Parent)
            yield return Path.Combine(at.FullName, "platen-data", "owner.key");
        yield return "/var/lib/platen/owner.key";
    }

    private static string? ReadKeyFile(string file)
    {
        try
        {
            return File.Exists(file) ? File.ReadAllText(file).Trim() : null;
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            throw new CliException(
                ExitCode.NotAllowed,
                "unreadable-key",
                $"{file} holds the owner key, but cannot be read: {e.Message}",
                "Run as the user that runs the server, or pass a key with --key or PLATEN_KEY."
            );
        }
    }
}

/// <summary>The servers that a person has signed in to: <c>profiles.json</c>, readable by its owner only.</summary>
/// <param name="File">Where it was read.</param>
/// <param name="Stored">What it says.</param>
internal sealed record Profiles(string File, ProfilesDocument Stored)
{
    /// <summary>The profile that commands use when no server is named.</summary>
    public Profile? Current => Stored.Current is { } name ? Stored.Profiles?.GetValueOrDefault(name) : null;

    /// <summary>
    /// The key for a server: one server's key is never sent to another. Of several for one server, that of the profile in use counts.
    /// </summary>
    public string? KeyOf(Uri server) =>
        (Stored.Profiles?.Values ?? Enumerable.Empty<Profile>())
            .Prepend(Current ?? new Profile(null, null))
            .FirstOrDefault(profile =>
                Uri.TryCreate(profile.Server, UriKind.Absolute, out var address)
                && Uri.Compare(
                    address,
                    server,
                    UriComponents.SchemeAndServer,
                    UriFormat.SafeUnescaped,
                    StringComparison.OrdinalIgnoreCase
                ) == 0
            )
            ?.Key;

    /// <summary>The same profiles with another one in use; null leaves it.</summary>
    public Profiles Using(string? name) => name is null ? this : this with { Stored = Stored with { Current = name } };

    /// <summary>With this profile, which is in use.</summary>
    public Profiles With(string name, Profile profile) =>
        this with
        {
            Stored = new ProfilesDocument(
                name,
                new Dictionary<string, Profile>(Stored.Profiles ?? [], StringComparer.Ordinal) { [name] = profile }
            ),
        };

    /// <summary>Without this profile.</summary>
    public Profiles Without(string name)
    {
        var left = new Dictionary<string, Profile>(Stored.Profiles ?? [], StringComparer.Ordinal);
        left.Remove(name);
        return this with { Stored = new ProfilesDocument(Stored.Current == name ? null : Stored.Current, left) };
    }

    /// <summary>The stored profiles, or none yet.</summary>
    /// <exception cref="CliException">There is no home folder to keep them in, or they cannot be read.</exception>
    public static Profiles Of(Terminal terminal) =>
        Read(terminal)
        ?? new Profiles(
            Path.Combine(
                terminal.SettingsFolder
                    ?? throw new CliException(
                        ExitCode.Usage,
                        "no-home",
                        "There is no folder to keep profiles in.",
                        "Set HOME or XDG_CONFIG_HOME; or pass --server and PLATEN_KEY each time."
                    ),
                "profiles.json"
            ),
            new ProfilesDocument(null, null)
        );

    /// <summary>Writes them down, for their owner's eyes only; whoever reads meanwhile sees the former or the new.</summary>
    public void Save()
    {
        try
        {
            var folder = Path.GetDirectoryName(File)!;
            var aside = $"{File}.{Environment.ProcessId}.new";
            if (OperatingSystem.IsWindows())
                Directory.CreateDirectory(folder);
            else
                Directory.CreateDirectory(
                    folder,
                    UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
                );
            System.IO.File.Delete(aside);
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            using (var file = new FileStream(aside, options))
            {
                JsonSerializer.Serialize(file, Stored, CliJson.Default.ProfilesDocument);
                file.Flush(flushToDisk: true);
            }
            System.IO.File.Move(aside, File, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CliException(
                ExitCode.Usage,
                "unwritable-profiles",
                $"{File} cannot be written: {e.Message}",
                "Make its folder writable, or set XDG_CONFIG_HOME to another."
            );
        }
    }

    public static Profiles? Read(Terminal terminal)
    {
        if (terminal.SettingsFolder is not { } folder)
            return null;
        var file = Path.Combine(folder, "profiles.json");
        if (!System.IO.File.Exists(file))
            return null;
        if (
            !OperatingSystem.IsWindows()
            && (System.IO.File.GetUnixFileMode(file) & (UnixFileMode.GroupRead | UnixFileMode.OtherRead))
                != UnixFileMode.None
        )
        {
            throw new CliException(
                ExitCode.Usage,
                "open-profiles",
                $"{file} holds keys, and others on this machine can read it.",
                $"Run: chmod 600 {file}"
            );
        }
        try
        {
            var stored = JsonSerializer.Deserialize(
                System.IO.File.ReadAllBytes(file),
                CliJson.Default.ProfilesDocument
            );
            return stored is null ? null : new Profiles(file, stored);
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new CliException(
                ExitCode.Usage,
                "unreadable-profiles",
                $"{file} cannot be read: {e.Message}",
                "Mend or remove it."
            );
        }
    }
}

/// <summary>What <c>profiles.json</c> says.</summary>
/// <param name="Current">The name of the profile in use.</param>
/// <param name="Profiles">By name.</param>
internal sealed record ProfilesDocument(string? Current, Dictionary<string, Profile>? Profiles);

/// <summary>One server and its key.</summary>
/// <param name="Server">The server's address.</param>
/// <param name="Key">The key.</param>
/// <param name="KeyId">The key's id when a login made it: then a logout ends it.</param>
internal sealed record Profile(string? Server, string? Key, Guid? KeyId = null);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(ProfilesDocument))]
internal sealed partial class CliJson : JsonSerializerContext;
