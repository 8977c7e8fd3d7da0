using System.Text;
using Npgsql;
using NpgsqlTypes;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Access;

/// <summary>
/// The key of the platform's owner, written to the data folder at first start so that the command line works at once. The file
/// comes first and the row second: a crash between them is mended by the next start.
/// </summary>
public static class OwnerKey
{
    /// <summary>Its file in the data folder.</summary>
    public const string FileName = "owner.key";

    /// <summary>Makes sure that the file exists, is private, and names a key the database knows.</summary>
    /// <returns>The file's path.</returns>
    /// <exception cref="InvalidDataException">The file holds something else than a key.</exception>
    public static async Task<string> EnsureAsync(PostgresPools pools, string dataFolder, CancellationToken ct)
    {
        var path = Path.Combine(dataFolder, FileName);
        var key = await ReadAsync(path, ct) ?? await CreateAsync(path, ct);
        await using var session = await pools.OpenAsync(
            OperationContext.ForSystem(OwnerId.Platform, "owner key at start"),
            ct
        );
        await session.ExecuteAsync(
            """
            insert into access.machine_key (owner, id, name, prefix, hash, scopes)
            values ($1, $2, 'owner key', $3, $4, $5)
            on conflict (hash) do nothing
            """,
            ct,
            Sql.Owner(OwnerId.Platform),
            Sql.Uuid(Guid.CreateVersion7()),
            Sql.Text(key.ShownPrefix),
            Sql.Bytes(key.Hash),
            new NpgsqlParameter { Value = new[] { Scopes.All }, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text }
        );
        await session.CommitAsync(ct);
        return path;
    }

    private static async Task<MachineKey?> ReadAsync(string path, CancellationToken ct)
    {
        if (!File.Exists(path))
            return null;
        var text = (await File.ReadAllTextAsync(path, ct)).Trim();
        return MachineKey.TryParse(text, out var key)
            ? key
            : throw new InvalidDataException(
                $"{path} does not hold a key. Move the file away: a new one is written at the next start."
            );
    }

    private static async Task<MachineKey> CreateAsync(string path, CancellationToken ct)
    {
        var key = MachineKey.Generate();
        var temporary = path + ".new";
        File.Delete(temporary);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        await using (var file = new FileStream(temporary, options))
        {
            await file.WriteAsync(Encoding.ASCII.GetBytes(key.Reveal() + "\n"), ct);
            file.Flush(flushToDisk: true);
        }
        File.Move(temporary, path, overwrite: true);
        return key;
    }
}
