using Platen.Platform.Postgres;

namespace Platen.Testing;

/// <summary>A module as it was before some of its migrations: what a database of an older server was brought to.</summary>
public static class FormerVersion
{
    /// <summary>The first migrations of a module. Its functions and policies are left out: they speak of what came later.</summary>
    public static SqlModule Of(SqlModule module, int migrations)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(migrations, module.Files.Migrations.Count);
        return new SqlModule(
            module.Name,
            () => module.Files.Migrations.Take(migrations).Select(file => ($"Migrations/{file.Name}.sql", file.Text))
        );
    }
}
