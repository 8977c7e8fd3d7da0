using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Platen.Testing.Servers;

/// <summary>
/// The built server as its own process on a free port with a data folder, as an operator runs it. Its settings are environment
/// variables; its output is kept for the test to read.
/// </summary>
public sealed partial class PlatenServer : IAsyncDisposable
{
    private const int Sigint = 2;
    private readonly Process process;
    private readonly ConcurrentQueue<string> output = new();
    private Uri? address;
    private readonly TaskCompletionSource<Uri> ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private PlatenServer(Process process, string dataFolder)
    {
        this.process = process;
        DataFolder = dataFolder;
        process.OutputDataReceived += (_, line) => Hear(line.Data);
        process.ErrorDataReceived += (_, line) => Hear(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>The public ids of the sample instances that an empty server publishes.</summary>
    public static IReadOnlyList<string> Samples { get; } =
    [
        .. Directory
            .EnumerateFiles(Path.Combine(Build.Repository, "samples", "widgets"), "*.json")
            .Select(f => Path.GetFileNameWithoutExtension(f))
            .Order(StringComparer.Ordinal),
    ];

    /// <summary>Where it keeps everything.</summary>
    public string DataFolder { get; }

    /// <summary>Everything it printed so far.</summary>
    public string Output => string.Join('\n', output);

    /// <summary>Its process.</summary>
    public int ProcessId => process.Id;

    /// <summary>Where it answers; known once it is ready.</summary>
    public Uri Address =>
        ready.Task.IsCompletedSuccessfully ? ready.Task.Result : throw new InvalidOperationException(Output);

    /// <summary>The owner's key, as written to the data folder.</summary>
    public string OwnerKey => File.ReadAllText(Path.Combine(DataFolder, "owner.key")).Trim();

    /// <summary>Starts the server and waits until it says that it is ready.</summary>
    /// <param name="dataFolder">Made when it does not exist.</param>
    /// <param name="ct">Gives up.</param>
    /// <param name="settings">Further environment variables.</param>
    /// <exception cref="InvalidOperationException">It ended instead; the message is what it printed.</exception>
    public static async Task<PlatenServer> StartAsync(
        string dataFolder,
        CancellationToken ct,
        params (string Name, string Value)[] settings
    )
    {
        var server = Launch(dataFolder, settings);
        var ended = server.process.WaitForExitAsync(ct);
        if (await Task.WhenAny(server.ready.Task, ended) == ended)
        {
            await ended;
            throw new InvalidOperationException($"The server ended with {server.process.ExitCode}:\n{server.Output}");
        }
        return server;
    }

    /// <summary>Starts the server as <see cref="StartAsync"/> does, and waits until the page of each of its samples is served.</summary>
    public static async Task<PlatenServer> StartWithSamplesAsync(
        string dataFolder,
        CancellationToken ct,
        params (string Name, string Value)[] settings
    )
    {
        var server = await StartAsync(dataFolder, ct, settings);
        try
        {
            using var client = new HttpClient { BaseAddress = server.Address };
            foreach (var id in Samples)
            {
                await ServerProcess.WaitUntilAsync(
                    $"the sample {id}",
                    TimeSpan.FromSeconds(60),
                    async token =>
                    {
                        // Not counted as a view.
                        using var head = new HttpRequestMessage(HttpMethod.Head, "e/" + id);
                        using var page = await client.SendAsync(head, token);
                        return page.IsSuccessStatusCode;
                    },
                    ct
                );
            }
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
        return server;
    }

    /// <summary>Starts a server that is expected to refuse, and returns its exit code and what it printed.</summary>
    public static async Task<(int ExitCode, string Output)> RunToEndAsync(
        string dataFolder,
        CancellationToken ct,
        params (string Name, string Value)[] settings
    )
    {
        await using var server = Launch(dataFolder, settings);
        await server.process.WaitForExitAsync(ct);
        return (server.process.ExitCode, server.Output);
    }

    /// <summary>A client that holds the owner's key.</summary>
    public HttpClient OpenClient()
    {
        var client = new HttpClient { BaseAddress = Address };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", OwnerKey);
        return client;
    }

    /// <summary>Runs the built command line against this server.</summary>
    public Task<CommandResult> RunCliAsync(CancellationToken ct, params string[] arguments) =>
        CommandResult.RunAsync(
            ["dotnet", Build.Cli, "--server", Address.ToString(), .. arguments],
            ct,
            ("PLATEN_KEY", OwnerKey)
        );

    /// <summary>Interrupts it, as Ctrl-C does, and waits for its end.</summary>
    public async Task<int> InterruptAsync(CancellationToken ct)
    {
        if (Kill(process.Id, Sigint) != 0)
            throw new InvalidOperationException("The server was gone before it was interrupted.");
        await process.WaitForExitAsync(ct);
        return process.ExitCode;
    }

    /// <summary>Ends it with SIGKILL, without a chance to do anything.</summary>
    public async Task KillAsync(CancellationToken ct)
    {
        process.Kill();
        await process.WaitForExitAsync(ct);
    }

    private string DatabaseLock => Path.Combine(DataFolder, "postgres", "postmaster.pid");

    /// <summary>The process of its embedded database.</summary>
    public int DatabaseProcess => int.Parse(File.ReadLines(DatabaseLock).First(), CultureInfo.InvariantCulture);

    /// <summary>Ends its embedded database with SIGKILL; the server starts it again.</summary>
    public void KillDatabase()
    {
        using var database = Process.GetProcessById(DatabaseProcess);
        database.Kill();
    }

    /// <summary>Keeps ending the database until a request finds that it does not answer.</summary>
    /// <returns>The answer's problem.</returns>
    public async Task<JsonElement> FailForDatabaseAsync(HttpClient client, string path, CancellationToken ct)
    {
        JsonElement? problem = null;
        await ServerProcess.WaitUntilAsync(
            "a request that the database did not answer",
            TimeSpan.FromSeconds(60),
            async patience =>
            {
                // It may be between two lives already.
                if (File.Exists(DatabaseLock) && Directory.Exists($"/proc/{DatabaseProcess}"))
                    KillDatabase();
                using var answer = await client.GetAsync(path, patience);
                if (answer.StatusCode == HttpStatusCode.ServiceUnavailable)
                    problem = await answer.Content.ReadFromJsonAsync<JsonElement>(patience);
                return problem is not null;
            },
            ct
        );
        return problem!.Value;
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited)
        {
            // Its database ends with it: the child asked the system to be told of its parent's death.
            process.Kill();
            await process.WaitForExitAsync();
        }
        process.Dispose();
    }

    private static PlatenServer Launch(string dataFolder, (string Name, string Value)[] settings)
    {
        var start = new ProcessStartInfo("dotnet", [Build.Server])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Path.GetTempPath(),
        };
        start.Environment["PLATEN_DATA"] = dataFolder;
        start.Environment["PLATEN_URLS"] = string.Create(
            CultureInfo.InvariantCulture,
            $"http://127.0.0.1:{ServerProcess.FreePort()}"
        );
        foreach (var (name, value) in settings)
            start.Environment[name] = value;
        return new PlatenServer(Process.Start(start)!, dataFolder);
    }

    private void Hear(string? line)
    {
        if (line is null)
            return;
        output.Enqueue(line);
        // The banner is printed when requests are answered: "  open       http://…/", other addresses, and how to stop it.
        switch (line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            case ["open", var url]:
                address = new Uri(url);
                break;
            case ["Stop", "with", "Ctrl-C."] when address is not null:
                ready.TrySetResult(address);
                break;
        }
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int processId, int signal);
}

/// <summary>What a command printed and how it ended.</summary>
public sealed record CommandResult(int ExitCode, string Output, string Errors)
{
    public static async Task<CommandResult> RunAsync(
        string[] command,
        CancellationToken ct,
        params (string Name, string Value)[] environment
    )
    {
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(ct);
            var errors = process.StandardError.ReadToEndAsync(ct);
            await process.WaitForExitAsync(ct);
            return new CommandResult(process.ExitCode, await output, await errors);
        }
        finally
        {
            if (!process.HasExited)
                process.Kill();
        }
    }
}

/// <summary>Where the build put what it made; the paths are written into this assembly by the build.</summary>
public static class Build
{
    /// <summary>The repository.</summary>
    public static string Repository => Named("RepoRoot");

    /// <summary>The server's assembly.</summary>
    public static string Server => Path.Combine(Named("ServerFolder"), "platen-server.dll");

    /// <summary>The command line's assembly.</summary>
    public static string Cli => Path.Combine(Named("CliFolder"), "platen.dll");

    private static string Named(string key) =>
        typeof(Build)
            .Assembly.GetCustomAttributes(typeof(System.Reflection.AssemblyMetadataAttribute), inherit: false)
            .Cast<System.Reflection.AssemblyMetadataAttribute>()
            .Single(m => m.Key == key)
            .Value!;
}
