using System.Diagnostics;
using System.Globalization;
using Platen.Kernel;
using Platen.Platform.Blobs;
using Platen.Testing.Child;

namespace Platen.Platform.Tests.Blobs;

/// <summary>A process of its own that uses a blob store.</summary>
internal static class ChildProcess
{
    public static Process Start(params string[] arguments) => Start(null, arguments);

    /// <summary>By how many bytes a process's memory grows while a blob goes in and out.</summary>
    public static async Task<long> GrowthOfThroughAsync(
        string location,
        OwnerId owner,
        long sizeBytes,
        BlobCredentials? credentials,
        CancellationToken ct
    )
    {
        using var child = Start(
            credentials,
            "through",
            location,
            owner.ToString(),
            sizeBytes.ToString(CultureInfo.InvariantCulture)
        );
        var growth = await child.StandardOutput.ReadToEndAsync(ct);
        await child.WaitForExitAsync(ct);
        child.ExitCode.ShouldBe(0);
        return long.Parse(growth, CultureInfo.InvariantCulture);
    }

    private static Process Start(BlobCredentials? credentials, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet") { UseShellExecute = false, RedirectStandardOutput = true };
        start.ArgumentList.Add(typeof(PatternStream).Assembly.Location);
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        if (credentials is not null)
        {
            start.Environment["PLATEN_BLOBS_ACCESS_KEY"] = credentials.AccessKey;
            start.Environment["PLATEN_BLOBS_SECRET_KEY"] = credentials.SecretKey;
        }
        return Process.Start(start)!;
    }
}
