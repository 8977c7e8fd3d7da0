using System.Globalization;
using System.Runtime.Versioning;
using Microsoft.Extensions.Logging;

namespace Platen.Platform.Postgres;

/// <summary>
/// The user PostgreSQL runs as: this process's own, or, when that is root (which PostgreSQL refuses), an unprivileged one.
/// </summary>
internal sealed record PostgresAccount(string Name, uint User, uint Group, bool Dropped)
{
    private static readonly string[] Candidates = ["platen", "postgres", "nobody"];

    /// <summary>Chooses the user: whoever owns an existing data folder, else the first of platen, postgres, nobody.</summary>
    public static async Task<PostgresAccount> ChooseAsync(string databaseFolder, CancellationToken ct)
    {
        if (!Unix.IsRoot)
            return new PostgresAccount(Environment.UserName, Unix.EffectiveUser, 0, Dropped: false);
        if (!OperatingSystem.IsLinux())
            throw new PostgresStartException(
                "PostgreSQL does not run as root. Start the server as an ordinary user (sudo -u NAME), or use a database of "
                    + "your own with ConnectionStrings__Platen."
            );
        if (Directory.Exists(databaseFolder))
        {
            var (uid, gid) = await OwnerOfAsync(databaseFolder, ct);
            if (uid != 0)
                return new PostgresAccount($"{uid}", uid, gid, Dropped: true);
        }
        foreach (var name in Candidates)
        {
            var (userExit, user, _) = await Unix.RunAsync("id", ["-u", name], ct);
            var (groupExit, group, _) = await Unix.RunAsync("id", ["-g", name], ct);
            if (userExit == 0 && groupExit == 0)
                return new PostgresAccount(name, ParseId(user), ParseId(group), Dropped: true);
        }
        throw new PostgresStartException(
            "PostgreSQL does not run as root, and none of the users platen, postgres and nobody exists. Make one (useradd "
                + "--system platen), start the server as an ordinary user, or use ConnectionStrings__Platen."
        );
    }

    /// <summary>The command line that runs a program as this user.</summary>
    public IEnumerable<string> Wrap(params IEnumerable<string> command) =>
        Dropped ? ["setpriv", .. Flags, "--", .. command] : command;

    /// <summary>
    /// As <see cref="Wrap"/>, for the server: in a session of its own, so that Ctrl-C on the terminal reaches Platen only,
    /// and ended (SIGINT: fast shutdown) when the thread that started it ends.
    /// </summary>
    public IEnumerable<string> WrapServer(params IEnumerable<string> command) =>
        OperatingSystem.IsLinux() ? ["setsid", "setpriv", .. Flags, "--pdeathsig", "INT", "--", .. command] : command;

    private IEnumerable<string> Flags =>
        Dropped
            ?
            [
                "--reuid",
                User.ToString(CultureInfo.InvariantCulture),
                "--regid",
                Group.ToString(CultureInfo.InvariantCulture),
                "--clear-groups",
            ]
            : [];

    public void Give(string path)
    {
        if (Dropped)
            Unix.GiveTo(path, User, Group);
    }

    /// <summary>Whether the user may do what a flag of test(1) says with a path.</summary>
    public async Task<bool> MayAsync(string flag, string path, CancellationToken ct)
    {
        var command = Wrap("test", flag, path).ToList();
        var (exit, _, _) = await Unix.RunAsync(command[0], command.Skip(1), ct);
        return exit == 0;
    }

    /// <summary>Lets the user reach the data folder: the folder itself becomes passable (o+x), its parents must be.</summary>
    /// <exception cref="PostgresStartException">A parent is in the way; the message names it and two ways out.</exception>
    [UnsupportedOSPlatform("windows")]
    public async Task ReachAsync(string dataFolder, CancellationToken ct)
    {
        if (!Dropped)
            return;
        File.SetUnixFileMode(
            dataFolder,
            File.GetUnixFileMode(dataFolder) | UnixFileMode.OtherExecute | UnixFileMode.GroupExecute
        );
        if (await MayAsync("-x", dataFolder, ct))
            return;
        var parents = new Stack<string>();
        for (var parent = Path.GetDirectoryName(dataFolder); parent is not null; parent = Path.GetDirectoryName(parent))
            parents.Push(parent);
        var blocking = dataFolder;
        foreach (var parent in parents)
        {
            if (await MayAsync("-x", parent, ct))
                continue;
            blocking = parent;
            break;
        }
        throw new PostgresStartException(
            $"PostgreSQL runs as the user {Name}, because it does not run as root, and {Name} may not pass {blocking} on the "
                + $"way to {dataFolder}. Either let it pass (chmod o+x {blocking}), or keep the data elsewhere "
                + "(PLATEN_DATA=/var/lib/platen)."
        );
    }

    /// <summary>Binaries the user can run: these, or, when they lie in a private home, a copy made once in the data folder.</summary>
    [UnsupportedOSPlatform("windows")]
    public async Task<PostgresBinaries> ReachAsync(
        PostgresBinaries binaries,
        string dataFolder,
        ILogger logger,
        CancellationToken ct
    )
    {
        if (
            !Dropped
            || (
                await MayAsync("-x", binaries.Postgres, ct)
                && await MayAsync("-r", Path.Combine(binaries.Folder, "share", "postgresql", "postgres.bki"), ct)
            )
        )
            return binaries;
        var copy = binaries with { Folder = Path.Combine(dataFolder, "postgres-runtime-" + binaries.Version) };
        if (File.Exists(copy.Postgres))
            return copy;
        PostgresLog.CopyingBinaries(logger, binaries.Folder, Name, copy.Folder);
        var unfinished = copy.Folder + ".new";
        if (Directory.Exists(unfinished))
            Directory.Delete(unfinished, recursive: true);
        Copy(new DirectoryInfo(binaries.Folder), unfinished);
        Directory.Move(unfinished, copy.Folder);
        return copy;
    }

    internal static async Task<(uint User, uint Group)> OwnerOfAsync(string path, CancellationToken ct)
    {
        var (exit, printed, error) = await Unix.RunAsync("stat", ["-c", "%u %g", path], ct);
        if (exit != 0)
            throw new IOException($"Cannot tell who owns {path}: {error.Trim()}");
        var parts = printed.Trim().Split(' ');
        return (ParseId(parts[0]), ParseId(parts[1]));
    }

    [UnsupportedOSPlatform("windows")]
    private static void Copy(DirectoryInfo from, string to)
    {
        const UnixFileMode Readable = UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
        const UnixFileMode Passable = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        Directory.CreateDirectory(to, Readable | Passable | UnixFileMode.UserWrite);
        foreach (var entry in from.EnumerateFileSystemInfos())
        {
            var target = Path.Combine(to, entry.Name);
            if (entry.LinkTarget is { } link)
                File.CreateSymbolicLink(target, link);
            else if (entry is DirectoryInfo folder)
                Copy(folder, target);
            else
            {
                File.Copy(entry.FullName, target);
                var runs = entry.UnixFileMode.HasFlag(UnixFileMode.UserExecute);
                File.SetUnixFileMode(target, Readable | UnixFileMode.UserWrite | (runs ? Passable : UnixFileMode.None));
            }
        }
    }

    private static uint ParseId(string printed) => uint.Parse(printed.Trim(), CultureInfo.InvariantCulture);
}
