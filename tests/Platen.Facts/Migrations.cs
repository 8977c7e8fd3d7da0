using System.Security.Cryptography;
using System.Text;

namespace Platen.Facts;

/// <summary>
/// The migrations with what each says. A database refuses a file that is not the one that ran in it, so a change here is a decision:
/// from the first release on there is none, only new files.
/// </summary>
internal static class Migrations
{
    public static string Draw(IEnumerable<SourceFile> files)
    {
        var text = new StringBuilder("Every migration, and the SHA-256 of its text.\n\n");
        foreach (
            var file in files.Where(file =>
                file.Extension == ".sql" && file.Path.Contains("/Sql/Migrations/", StringComparison.Ordinal)
            )
        )
        {
            var digest = SHA256.HashData(Encoding.UTF8.GetBytes(file.Text.ReplaceLineEndings("\n")));
            text.Append(Convert.ToHexStringLower(digest)).Append("  ").Append(file.Path).Append('\n');
        }
        return text.ToString();
    }
}
