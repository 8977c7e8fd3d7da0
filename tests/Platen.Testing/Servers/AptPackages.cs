namespace Platen.Testing.Servers;

/// <summary>The Debian packages that real servers in tests come from, installed when they are not there.</summary>
public static class AptPackages
{
    /// <summary>Returns when <paramref name="program"/> can be run, installing <paramref name="packages"/> for it if need be.</summary>
    /// <exception cref="InvalidOperationException">It cannot be had; the message says what to do.</exception>
    public static async Task EnsureAsync(string program, CancellationToken ct, params string[] packages)
    {
        if (IsInstalled(program))
            return;
        var manual = $"Install them by hand: apt-get install --no-install-recommends {string.Join(' ', packages)}";
        if (!IsInstalled("apt-get") || !Environment.IsPrivilegedProcess)
            throw new InvalidOperationException(
                $"This test needs {program}, and only root on Debian can install it. {manual}"
            );
        // One installer at a time: test projects run side by side.
        string[] install =
        [
            "/tmp/platen-apt.lock",
            "apt-get",
            "-o",
            "DPkg::Lock::Timeout=300",
            "install",
            "-y",
            "--no-install-recommends",
            .. packages,
        ];
        try
        {
            await ServerProcess.RunAsync("flock", ["/tmp/platen-apt.lock", "apt-get", "update"], ct);
            await ServerProcess.RunAsync("flock", install, ct);
        }
        catch (InvalidOperationException e)
        {
            throw new InvalidOperationException(
                $"This test needs {program}, which could not be installed. {manual}",
                e
            );
        }
        if (!IsInstalled(program))
            throw new InvalidOperationException($"{string.Join(' ', packages)} did not bring {program}. {manual}");
    }

    private static bool IsInstalled(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "/usr/bin")
            .Split(':')
            .Concat(["/usr/sbin", "/sbin"])
            .Any(folder => File.Exists(Path.Combine(folder, program)));
}
