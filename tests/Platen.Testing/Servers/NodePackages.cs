namespace Platen.Testing.Servers;

/// <summary>Packages of npm that tests use, exactly as a lock file names them.</summary>
public static class NodePackages
{
    /// <summary>
    /// Installs what the lock file in a folder of the repository names into <c>artifacts/</c>, unless exactly that is there, and returns the
    /// folder that has <c>node_modules</c>. Nothing of the packages is run.
    /// </summary>
    /// <param name="name">The folder's name in <c>artifacts/</c>.</param>
    /// <param name="source">The folder with <c>package.json</c> and <c>package-lock.json</c>.</param>
    /// <param name="ct">Gives up.</param>
    public static async Task<string> InstallAsync(string name, string source, CancellationToken ct)
    {
        var folder = Path.Combine(Build.Repository, "artifacts", name);
        Directory.CreateDirectory(folder);
        // Test projects run side by side, and each may be the first.
        await using var only = await LockAsync(Path.Combine(folder, ".lock"), ct);
        var locked = await File.ReadAllBytesAsync(Path.Combine(source, "package-lock.json"), ct);
        var installed = Path.Combine(folder, ".installed");
        if (File.Exists(installed) && (await File.ReadAllBytesAsync(installed, ct)).AsSpan().SequenceEqual(locked))
            return folder;
        foreach (var file in (string[])["package.json", "package-lock.json"])
            File.Copy(Path.Combine(source, file), Path.Combine(folder, file), overwrite: true);
        await ServerProcess.RunAsync("npm", ["ci", "--prefix", folder, "--ignore-scripts", "--no-audit"], ct);
        await File.WriteAllBytesAsync(installed, locked, ct);
        return folder;
    }

    private static async Task<FileStream> LockAsync(string path, CancellationToken ct)
    {
        FileStream? held = null;
        await ServerProcess.WaitUntilAsync(
            path,
            TimeSpan.FromMinutes(5),
            _ =>
            {
                try
                {
                    held = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
                }
                catch (IOException)
                {
                    // Another installs.
                }
                return Task.FromResult(held is not null);
            },
            ct
        );
        return held!;
    }
}
