using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Platen.Platform.Postgres;

/// <summary>The few calls of the operating system that .NET does not wrap. Linux and macOS.</summary>
internal static partial class Unix
{
    public const int SigInt = 2;
    public const int SigQuit = 3;
    public const int SigKill = 9;
    private const int LockExclusive = 2;
    private const int LockNonBlocking = 4;
    private const int ReadWrite = 2;

    public static uint EffectiveUser => GetEffectiveUserId();

    public static bool IsRoot => EffectiveUser == 0;

    /// <summary>Sends a signal; false when there is no such process.</summary>
    public static bool Signal(int pid, int signal) => Kill(pid, signal) == 0;

    /// <summary>Whether a process has this id, whoever it belongs to.</summary>
    public static bool IsAlive(int pid) =>
        Kill(pid, 0) == 0
        || Marshal.GetLastPInvokeError()
            == 1 /* EPERM */
    ;

    /// <summary>Opens for reading and writing without the lock that <see cref="FileStream"/> would take; made with mode 0600.</summary>
    public static SafeFileHandle OpenUnlocked(string path)
    {
        var create = OperatingSystem.IsMacOS() ? 0x200 : 0x40;
        var closeOnExec = OperatingSystem.IsMacOS() ? 0x1000000 : 0x80000;
        var descriptor = Open(path, ReadWrite | create | closeOnExec, 0x180);
        if (descriptor < 0)
            throw new IOException($"Cannot open {path}: {new Win32Exception(Marshal.GetLastPInvokeError()).Message}");
        return new SafeFileHandle(descriptor, ownsHandle: true);
    }

    /// <summary>Takes the whole file's lock unless somebody has it. It ends with the process, however that ends.</summary>
    public static bool TryLock(SafeFileHandle file) => FLock(file, LockExclusive | LockNonBlocking) == 0;

    /// <summary>Runs a program to its end and returns what it printed.</summary>
    public static async Task<(int ExitCode, string Output, string Error)> RunAsync(
        string program,
        IEnumerable<string> arguments,
        CancellationToken ct,
        string? folder = null
    )
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
            WorkingDirectory = folder ?? "/",
        };
        start.Environment["LC_ALL"] = "C";
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync(ct);
        var error = process.StandardError.ReadToEndAsync(ct);
        try
        {
            await process.WaitForExitAsync(ct);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
        return (process.ExitCode, await output, await error);
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint GetEffectiveUserId();

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int FLock(SafeFileHandle file, int operation);

    [LibraryImport("libc", EntryPoint = "chown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int ChangeOwner(string path, uint user, uint group);

    /// <summary>Gives a file or folder to a user.</summary>
    public static void GiveTo(string path, uint user, uint group)
    {
        if (ChangeOwner(path, user, group) != 0)
            throw new IOException(
                $"Cannot give {path} to the user {user}: {new Win32Exception(Marshal.GetLastPInvokeError()).Message}"
            );
    }
}
