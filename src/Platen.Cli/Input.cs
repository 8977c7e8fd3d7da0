namespace Platen.Cli;

/// <summary>Reads what a command's argument names.</summary>
internal static class Input
{
    /// <summary>The bytes of a file, or of standard input for <c>-</c>.</summary>
    /// <exception cref="CliException">It cannot be read.</exception>
    public static async Task<byte[]> ReadAsync(Invocation run, string file, CancellationToken ct)
    {
        try
        {
            if (file != "-")
                return await File.ReadAllBytesAsync(Path.GetFullPath(file, run.Terminal.WorkingFolder), ct);
            await using var input = run.Terminal.OpenInput();
            using var buffer = new MemoryStream();
            await input.CopyToAsync(buffer, ct);
            return buffer.ToArray();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CliException(
                ExitCode.Usage,
                "unusable",
                $"{file} cannot be read: {e.Message}",
                "Check the path and its rights."
            );
        }
    }
}
