namespace Platen.Platform.Blobs;

/// <summary>Tells apart the few disk failures that mean something to a caller: errno(3), or the Win32 code on Windows.</summary>
internal static class DiskErrors
{
    private const int WouldBlock = 11;
    private const int FileTooBig = 27;
    private const int NoSpace = 28;
    private const int QuotaExceeded = 122;
    private const int WindowsSharingViolation = unchecked((int)0x80070020);
    private const int WindowsHandleDiskFull = unchecked((int)0x80070027);
    private const int WindowsDiskFull = unchecked((int)0x80070070);

    /// <summary>No room: the disk, the user's quota, or the process's file size limit.</summary>
    public static bool IsFull(Exception e) =>
        e is IOException
        && e.HResult is NoSpace or QuotaExceeded or FileTooBig or WindowsDiskFull or WindowsHandleDiskFull;

    /// <summary>Somebody else has the file open and locked.</summary>
    public static bool IsLocked(IOException e) => e.HResult is WouldBlock or WindowsSharingViolation;
}
