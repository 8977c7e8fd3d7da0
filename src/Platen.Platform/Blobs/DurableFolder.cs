using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Platen.Platform.Blobs;

/// <summary>
/// Folders whose entries survive a power cut. A file's own fsync does not cover the entry that names it (fsync(2)):
/// the folder has to be synced as well, and a new folder's parent too.
/// </summary>
internal static partial class DurableFolder
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const int DirectoryReadOnly = 0x10000; // O_RDONLY | O_DIRECTORY on Linux
    private const uint BeginWrite = 2; // SYNC_FILE_RANGE_WRITE

    /// <summary>Makes a folder and what is missing above it, readable by this user only.</summary>
    public static void Ensure(string folder)
    {
        if (Directory.Exists(folder))
            return;
        var parent = Path.GetDirectoryName(folder);
        if (parent is not null)
            Ensure(parent);
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(folder);
        else
            Directory.CreateDirectory(folder, OwnerOnly);
        if (parent is not null)
            Sync(parent);
    }

    /// <summary>Makes a folder's entries durable. Elsewhere than on Unix the file system's journal does that by itself.</summary>
    /// <exception cref="IOException">The disk refuses; the number is the errno.</exception>
    public static void Sync(string folder)
    {
        if (OperatingSystem.IsWindows())
            return;
        var opened = OpenFolder(folder, OperatingSystem.IsLinux() ? DirectoryReadOnly : 0);
        if (opened < 0)
            throw LastError(folder);
        try
        {
            if (SyncFile(opened) < 0)
                throw LastError(folder);
        }
        finally
        {
            _ = CloseFile(opened);
        }
    }

    /// <summary>
    /// Tells the disk to begin writing what a file has, without waiting: a hint, on Linux only (sync_file_range(2)). What comes back of it is
    /// of no interest: the file's own fsync says whether it was written.
    /// </summary>
    public static void BeginWriting(SafeFileHandle file)
    {
        if (OperatingSystem.IsLinux())
            _ = SyncFileRange(file, 0, 0, BeginWrite);
    }

    private static IOException LastError(string folder)
    {
        var errno = Marshal.GetLastPInvokeError();
        return new IOException($"{new Win32Exception(errno).Message}: {folder}", errno);
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int OpenFolder(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int SyncFile(int opened);

    [LibraryImport("libc", EntryPoint = "sync_file_range")]
    private static partial int SyncFileRange(SafeFileHandle file, long offset, long bytes, uint flags);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int CloseFile(int opened);
}
