using System.Text;

namespace Platen.Cli.Tests;

/// <summary>Runs the program in this process, in a folder of its own, and keeps what it printed.</summary>
internal sealed class CommandRun : IDisposable
{
    private readonly Dictionary<string, string> variables = new(StringComparer.Ordinal);
    private readonly StringWriter output = new();
    private readonly SharedWriter error = new();

    public CommandRun() => variables["HOME"] = Path.Combine(Folder, "home");

    public string Folder { get; } = Directory.CreateTempSubdirectory("platen-cli-").FullName;

    public string Out => output.ToString();

    public string Error => error.ToString();

    public Terminal Terminal =>
        new(output, error, false, false, variables.GetValueOrDefault, Folder, TimeProvider.System)
        {
            OpenInput = () => new MemoryStream(Encoding.UTF8.GetBytes(Input)),
        };

    /// <summary>What stands on standard input.</summary>
    public string Input { get; set; } = "";

    public CommandRun With(string variable, string value)
    {
        variables[variable] = value;
        return this;
    }

    public string Write(string path, string text)
    {
        var file = Path.Combine(Folder, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
        return file;
    }

    public Task<int> RunAsync(params string[] args) =>
        PlatenCommandLine.RunAsync(args, Terminal, TestContext.Current.CancellationToken);

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    /// <summary>Read while the program still writes.</summary>
    private sealed class SharedWriter : StringWriter
    {
        private readonly Lock gate = new();

        public override void Write(char value)
        {
            lock (gate)
                base.Write(value);
        }

        public override void Write(char[] buffer, int index, int count)
        {
            lock (gate)
                base.Write(buffer, index, count);
        }

        public override void Write(ReadOnlySpan<char> buffer)
        {
            lock (gate)
                base.Write(buffer);
        }

        public override void Write(string? value)
        {
            lock (gate)
                base.Write(value);
        }

        public override string ToString()
        {
            lock (gate)
                return base.ToString();
        }
    }
}
