using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Platen.Platform.Postgres;

/// <summary>
/// Holds a data folder for one server: an exclusive <c>flock</c> on <c>platen.lock</c>, in which the holder's process id and
/// address stand for a second one to name. The system lets go of it when the process ends, also by kill -9, so a lock
/// is never stale. The file stays.
/// </summary>
public sealed class DataFolderLock : IDisposable
{
    /// <summary>The file's name inside the data folder.</summary>
    public const string FileName = "platen.lock";

    private const int NoteBytes = 1024;
    private readonly SafeFileHandle file;

    private DataFolderLock(SafeFileHandle file) => this.file = file;

    /// <summary>Takes the folder, which must exist.</summary>
    /// <param name="dataFolder">The data folder.</param>
    /// <param name="url">Where this server answers; null when not known.</param>
    /// <exception cref="PostgresStartException">Another server has it; the message names its process and address.</exception>
    /// <exception cref="IOException">The lock file cannot be made.</exception>
    public static DataFolderLock Take(string dataFolder, string? url)
    {
        var path = Path.Combine(dataFolder, FileName);
        var opened = Unix.OpenUnlocked(path);
        if (!Unix.TryLock(opened))
        {
            var holder = ReadNote(opened);
            opened.Dispose();
            throw new PostgresStartException(
                $"Another Platen server is using {dataFolder}{holder}. Use that one, stop it first, or start this one with "
                    + "another PLATEN_DATA."
            );
        }
        var taken = new DataFolderLock(opened);
        taken.Note(url);
        return taken;
    }

    /// <summary>Whether a running server has the folder.</summary>
    public static bool IsTaken(string dataFolder)
    {
        var path = Path.Combine(dataFolder, FileName);
        if (!File.Exists(path))
            return false;
        using var opened = Unix.OpenUnlocked(path);
        return !Unix.TryLock(opened);
    }

    /// <summary>Writes this process's id and address into the file.</summary>
    public void Note(string? url)
    {
        var note = Encoding.UTF8.GetBytes(
            string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId}\n{url}\n")
        );
        RandomAccess.SetLength(file, 0);
        RandomAccess.Write(file, note.AsSpan(0, Math.Min(note.Length, NoteBytes)), 0);
    }

    public void Dispose() => file.Dispose();

    private static string ReadNote(SafeFileHandle file)
    {
        Span<byte> note = stackalloc byte[NoteBytes];
        var lines = Encoding.UTF8.GetString(note[..RandomAccess.Read(file, note, 0)]).Split('\n');
        var pid = lines.Length > 0 && lines[0].Length > 0 ? $" (process {lines[0]}" : null;
        if (pid is null)
            return "";
        return pid + (lines.Length > 1 && lines[1].Length > 0 ? $", at {lines[1]})" : ")");
    }
}
