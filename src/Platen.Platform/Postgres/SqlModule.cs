using System.Globalization;
using System.Reflection;
using System.Text;
using Platen.Kernel;

namespace Platen.Platform.Postgres;

/// <summary>
/// The SQL of one module, embedded in its assembly: <c>Sql/Migrations/NNNN_name.sql</c> (forward only, numbered from 0001),
/// <c>Sql/Functions/*.sql</c> and <c>Sql/Policies/*.sql</c> (applied whole again when their text changes), and <c>Sql/Last/*.sql</c>
/// (applied after every module's files whenever any of them was). Immutable.
/// </summary>
public sealed class SqlModule
{
    private const string MigrationsMark = ".Sql.Migrations.";
    private const string FunctionsMark = ".Sql.Functions.";
    private const string PoliciesMark = ".Sql.Policies.";
    internal const string LastFolder = "Last/";
    private const string LastMark = ".Sql.Last.";
    private readonly Lazy<SqlFiles> files;

    /// <summary>Names a module's SQL; the files are read at the first use.</summary>
    /// <param name="name">The module's schema, lower case.</param>
    /// <param name="assembly">Where the files are embedded, with <c>&lt;EmbeddedResource Include="Sql/**/*.sql" /&gt;</c>.</param>
    public SqlModule(string name, Assembly assembly)
        : this(name, () => ReadEmbedded(assembly)) { }

    internal SqlModule(string name, Func<IEnumerable<(string Path, string Text)>> read)
    {
        Name = name;
        files = new Lazy<SqlFiles>(() => Sort(name, read()));
    }

    /// <summary>The module's name, which is its schema's.</summary>
    public string Name { get; }

    internal SqlFiles Files => files.Value;

    public override string ToString() => Name;

    private static IEnumerable<(string Path, string Text)> ReadEmbedded(Assembly assembly)
    {
        foreach (var resource in assembly.GetManifestResourceNames())
        {
            if (!resource.EndsWith(".sql", StringComparison.Ordinal))
                continue;
            using var stream = assembly.GetManifestResourceStream(resource)!;
            using var reader = new StreamReader(stream, Encoding.UTF8);
            foreach (var mark in (string[])[MigrationsMark, FunctionsMark, PoliciesMark, LastMark])
            {
                var at = resource.IndexOf(mark, StringComparison.Ordinal);
                if (at >= 0)
                    yield return (
                        mark.Trim('.')["Sql.".Length..] + "/" + resource[(at + mark.Length)..],
                        reader.ReadToEnd()
                    );
            }
        }
    }

    private static SqlFiles Sort(string module, IEnumerable<(string Path, string Text)> found)
    {
        var migrations = new List<SqlMigration>();
        var scripts = new List<SqlScript>();
        foreach (var (path, raw) in found.OrderBy(file => file.Path, StringComparer.Ordinal))
        {
            // The same file checked out with other line endings is the same file.
            var text = raw.ReplaceLineEndings("\n");
            var checksum = Digest.Of(Encoding.UTF8.GetBytes(text));
            var name = Path.GetFileNameWithoutExtension(path);
            if (!path.StartsWith("Migrations/", StringComparison.Ordinal))
                scripts.Add(new SqlScript(path, text, checksum));
            else if (
                name.Length > 5
                && name[4] == '_'
                && int.TryParse(name.AsSpan(0, 4), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
                && number > 0
            )
                migrations.Add(new SqlMigration(number, name, text, checksum));
            else
                throw new MigrationException(
                    $"{module}: the migration '{path}' must be named NNNN_name.sql, numbered from 0001."
                );
        }
        foreach (var twice in migrations.GroupBy(migration => migration.Number).Where(same => same.Count() > 1))
            throw new MigrationException(
                $"{module}: the migrations {string.Join(" and ", twice.Select(same => same.Name + ".sql"))} have the same number."
            );
        // "Functions/…" sorts before "Policies/…": policies call functions.
        return new SqlFiles([.. migrations.OrderBy(migration => migration.Number)], [.. scripts]);
    }
}

internal sealed record SqlFiles(IReadOnlyList<SqlMigration> Migrations, IReadOnlyList<SqlScript> Scripts);

internal sealed record SqlMigration(int Number, string Name, string Text, Digest Checksum);

internal sealed record SqlScript(string Path, string Text, Digest Checksum)
{
    /// <summary>Whether it waits for every module's files.</summary>
    public bool IsLast => Path.StartsWith(SqlModule.LastFolder, StringComparison.Ordinal);
}

/// <summary>The database cannot be brought to this version; the message names the file and says what to do.</summary>
public sealed class MigrationException : Exception
{
    public MigrationException(string message)
        : base(message) { }

    public MigrationException(string message, Exception inner)
        : base(message, inner) { }
}
