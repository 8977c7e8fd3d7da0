using System.Reflection;
using System.Text.RegularExpressions;

namespace Platen.Platform.Postgres;

/// <summary>The PostgreSQL programs the server brings or was pointed at.</summary>
/// <param name="Folder">The folder with <c>bin/</c>, <c>lib/</c> and <c>share/</c>.</param>
/// <param name="Version">As the program prints it, such as <c>18.4</c>.</param>
internal sealed partial record PostgresBinaries(string Folder, string Version)
{
    /// <summary>The version whose data folders the embedded database reads.</summary>
    public const int Major = 18;

    public string Postgres => Path.Combine(Folder, "bin", "postgres");

    public string InitDb => Path.Combine(Folder, "bin", "initdb");

    /// <summary>Looks where the options say, beside the binary, and where the build put them, in this order.</summary>
    /// <exception cref="PostgresStartException">There is none, or it is another version.</exception>
    public static async Task<PostgresBinaries> FindAsync(string? chosen, CancellationToken ct)
    {
        if (chosen is not null && !HasPrograms(chosen))
            throw new PostgresStartException(
                $"PLATEN_POSTGRES is {chosen}, but there is no bin/postgres and bin/initdb in it. Point it at the folder of a "
                    + $"PostgreSQL {Major}, or leave it unset to use the one that comes with Platen."
            );
        var beside = Path.Combine(AppContext.BaseDirectory, "postgres");
        var built = typeof(PostgresBinaries)
            .Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .FirstOrDefault(entry => entry.Key == "PlatenPostgres")
            ?.Value;
        var folder =
            chosen
            ?? (
                HasPrograms(beside) ? beside
                : built is not null && HasPrograms(built) ? built
                : null
            )
            ?? throw new PostgresStartException(
                $"There is no PostgreSQL beside the server ({beside}){(built is null ? "" : $" nor where the build put it ({built})")}. "
                    + "Build the server again (it fetches one with npm), set PLATEN_POSTGRES to the folder of a PostgreSQL "
                    + $"{Major}, or use a server of your own with ConnectionStrings__Platen."
            );
        folder = Path.GetFullPath(folder);
        var (exit, printed, error) = await Unix.RunAsync(Path.Combine(folder, "bin", "postgres"), ["--version"], ct);
        var version = VersionNumber().Match(printed).Value;
        if (exit != 0 || version.Length == 0)
            throw new PostgresStartException($"{folder}/bin/postgres does not run on this machine: {error.Trim()}");
        if (version.Split('.')[0] != Major.ToString(System.Globalization.CultureInfo.InvariantCulture))
            throw new PostgresStartException(
                $"{folder} holds PostgreSQL {version}; the embedded database needs {Major}. Point PLATEN_POSTGRES at a "
                    + $"PostgreSQL {Major}, or start this one yourself and use it with ConnectionStrings__Platen (15 to 18)."
            );
        return new PostgresBinaries(folder, version);
    }

    private static bool HasPrograms(string folder) =>
        File.Exists(Path.Combine(folder, "bin", "postgres")) && File.Exists(Path.Combine(folder, "bin", "initdb"));

    [GeneratedRegex(@"\d+(\.\d+)?", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex VersionNumber();
}
