using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Platen.Kernel;
using Platen.Kernel.Json;

namespace Platen.Cli.Commands;

/// <summary><c>platen json</c>: canonical JSON (RFC 8785) of files, with no server.</summary>
internal static class JsonCommand
{
    private static readonly Argument<string> InputFile = new("file")
    {
        Description = "A JSON file, or - for standard input.",
        HelpName = "FILE",
    };

    public static Command Create() =>
        new Command("json", "Write JSON in its canonical form (RFC 8785), or the digest of that form.")
        {
            new Command(
                "canonical",
                "Print the canonical form, byte for byte: no newline follows it. Exit code 2 when there is none."
            )
            {
                InputFile,
            }.Runs(CanonicalAsync),
            new Command(
                "digest",
                "Print the SHA-256 of the canonical form, as sha256:HEX. Exit code 2 when there is none."
            )
            {
                InputFile,
            }.Runs(DigestAsync),
        };

    private static async Task<int> CanonicalAsync(Invocation run, CancellationToken ct)
    {
        var file = run.Value(InputFile);
        var bytes = await Input.ReadAsync(run, file, ct);
        run.Output.Exactly(Encoding.UTF8.GetString(Usable(file, bytes, () => CanonicalJson.Serialize(bytes))));
        return ExitCode.Ok;
    }

    private static async Task<int> DigestAsync(Invocation run, CancellationToken ct)
    {
        var file = run.Value(InputFile);
        var bytes = await Input.ReadAsync(run, file, ct);
        var sha256 = new byte[CanonicalJson.Sha256Bytes];
        Usable(
            file,
            bytes,
            () =>
            {
                CanonicalJson.Sha256(bytes, sha256);
                return sha256;
            }
        );
        var digest = new Digest(sha256).ToString();
        run.Output.Line(digest);
        run.Output.Document(new JsonObject { ["file"] = file, ["digest"] = digest });
        return ExitCode.Ok;
    }

    private static byte[] Usable(string file, byte[] text, Func<byte[]> make)
    {
        try
        {
            return make();
        }
        catch (CanonicalJsonException refused)
        {
            throw new CliException(
                ExitCode.Usage,
                "no-canonical-form",
                $"{file} has no canonical form.",
                "Mend the text; docs/reference/formats.md says what is refused."
            )
            {
                Faults = [new InputFault(Place(file, text, refused.BytePosition), refused.Message)],
            };
        }
    }

    // As an editor opens it: lines and columns from 1, columns in characters.
    private static string Place(string file, byte[] text, int position)
    {
        var before = text.AsSpan(0, Math.Min(position, text.Length));
        var line = before.Count((byte)'\n') + 1;
        var column = Encoding.UTF8.GetCharCount(before[(before.LastIndexOf((byte)'\n') + 1)..]) + 1;
        return string.Create(CultureInfo.InvariantCulture, $"{file}:{line}:{column}");
    }
}
