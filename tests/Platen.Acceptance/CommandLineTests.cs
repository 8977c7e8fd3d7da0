using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Platen.Testing;
using Platen.Testing.Servers;

namespace Platen.Acceptance;

/// <summary>The built command line where only a real terminal, shell or process shows what it does.</summary>
public sealed class CommandLineTests
{
    private const string Faq = "wgt_main_content.faq";

    private static readonly string Sample = Path.Combine(Build.Repository, "samples", "widgets", Faq + ".json");

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_follower_goes_on_across_kill_9_of_the_server_and_ends_with_130_when_interrupted()
    {
        var folder = PostgresFixture.NewFolder();
        var address = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{ServerProcess.FreePort()}");
        (string, string)[] settings = [("PLATEN_SAMPLES", "off"), ("PLATEN_URLS", address)];
        var page = new NumberedPage("wgt_curated_followed");
        Follower follower;
        await using (var server = await PlatenServer.StartAsync(folder, Ct, settings))
        {
            follower = new Follower(server, "events", "widget/" + page.Id, "--follow", "--json");
            using var client = server.OpenClient();
            for (var n = 0; n < 3; n++)
                (await page.NextAsync(client, Ct)).ShouldBeTrue();
            await follower.SeesAsync("widget.published", 3, Ct);
            await server.KillAsync(Ct);
        }
        using (follower)
        {
            await using var server = await PlatenServer.StartAsync(folder, Ct, settings);
            using var client = server.OpenClient();
            for (var n = 0; n < 3; n++)
                (await page.NextAsync(client, Ct)).ShouldBeTrue();
            await follower.SeesAsync("widget.published", 6, Ct);
            follower
                .Events.Select(e => e["revision"]!.GetValue<long>())
                .ShouldBe(Enumerable.Range(1, follower.Events.Count).Select(n => (long)n));
            (await follower.InterruptAsync(Ct)).ShouldBe(130);
        }
    }

    [Fact]
    public async Task A_terminal_sees_a_bar_that_moves_and_a_pipe_plain_lines()
    {
        await using var server = await PlatenServer.StartAsync(
            PostgresFixture.NewFolder(),
            Ct,
            ("PLATEN_SAMPLES", "off")
        );
        var piped = await server.RunCliAsync(Ct, "publish", Sample);
        piped.ExitCode.ShouldBe(0, piped.Errors);
        piped.Errors.ShouldContain(": writing the instance");
        piped.Errors.ShouldContain(": publishing");
        (piped.Errors + piped.Output).ShouldNotContain('\u001b');
        (piped.Errors + piped.Output).ShouldNotContain('%');

        // script(1) runs a command on a terminal of its own.
        var drawn = await CommandResult.RunAsync(
            ["script", "-qec", $"dotnet '{Build.Cli}' --server {server.Address} publish '{Sample}'", "/dev/null"],
            Ct,
            ("PLATEN_KEY", server.OwnerKey),
            ("TERM", "xterm-256color"),
            ("LANG", "C.UTF-8")
        );
        drawn.ExitCode.ShouldBe(0, drawn.Output);
        drawn.Output.ShouldContain('\u001b');
        drawn.Output.ShouldContain('%');
        drawn.Output.ShouldNotContain(": writing the instance");
        drawn.Output.ShouldContain($"live at {server.Address}e/{Faq}");
    }

    [Fact]
    public async Task The_completion_script_completes_in_a_real_bash()
    {
        const string Ask = """
            source <(platen completion bash)
            ask() {
              COMP_LINE="$1" COMP_POINT=${#1}
              read -ra COMP_WORDS <<< "$1"
              case "$1" in *' ') COMP_WORDS+=('') ;; esac
              COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
              _platen
              local IFS=' '
              echo "$1|${COMPREPLY[*]}"
            }
            ask 'platen publi'
            ask 'platen jobs '
            ask 'platen list --st'
            ask 'platen completion '
            complete -p platen
            """;
        var (_, path) = await InstallAsync();
        var bash = await CommandResult.RunAsync(["bash", "--norc", "--noprofile", "-c", Ask], Ct, path);
        bash.ExitCode.ShouldBe(0, bash.Errors);
        bash.Errors.ShouldBeEmpty();
        var answers = bash
            .Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split('|'))
            .Where(parts => parts.Length == 2)
            .ToDictionary(parts => parts[0], parts => parts[1].Split(' '));
        answers["platen publi"].ShouldBe(["publish"]);
        new[] { "list", "show", "retry" }.ShouldBeSubsetOf(answers["platen jobs "]);
        answers["platen list --st"].ShouldBe(["--status"]);
        new[] { "bash", "zsh", "fish" }.ShouldBeSubsetOf(answers["platen completion "]);
        bash.Output.ShouldContain("_platen platen");
    }

    [Fact]
    public async Task The_completion_script_completes_in_a_real_fish()
    {
        await AptPackages.EnsureAsync("fish", Ct, "fish");
        const string Ask = """
            platen completion fish | source
            for line in 'platen publi' 'platen jobs ' 'platen list --st'
              echo "$line|"(complete -C "$line" | string split -f1 \t | string join ' ')
            end
            """;
        var (_, path) = await InstallAsync();
        var fish = await CommandResult.RunAsync(["fish", "--no-config", "-c", Ask], Ct, path);
        fish.ExitCode.ShouldBe(0, fish.Errors);
        fish.Errors.ShouldBeEmpty();
        var answers = fish
            .Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split('|'))
            .ToDictionary(parts => parts[0], parts => parts[1].Split(' '));
        answers["platen publi"].ShouldBe(["publish"]);
        new[] { "list", "show", "retry" }.ShouldBeSubsetOf(answers["platen jobs "]);
        answers["platen list --st"].ShouldBe(["--status"]);
    }

    [Fact]
    public async Task The_completion_script_completes_in_a_real_zsh_from_the_first_tab()
    {
        await AptPackages.EnsureAsync("zsh", Ct, "zsh");
        // A shell on a terminal of its own, whose user types half a word and Tab.
        const string Ask = """
            zmodload zsh/zpty
            zpty shell zsh -f -i
            zpty -w shell "PS1='> '; fpath=($FOLDER \$fpath); autoload -Uz compinit; compinit -u -d $FOLDER/dump; bindkey '^I' complete-word; print RE''ADY"
            zpty -r -m shell typed '*READY*'
            zpty -n -w shell $'platen publi\t'
            zpty -r -m shell typed '*platen publish*'
            zpty -n -w shell $'\C-uplaten jobs re\t'
            zpty -r -m shell typed '*platen jobs retry*'
            zpty -d shell
            print done
            """;
        var (folder, path) = await InstallAsync();
        var script = await CommandResult.RunAsync(["dotnet", Build.Cli, "completion", "zsh"], Ct);
        script.ExitCode.ShouldBe(0, script.Errors);
        await File.WriteAllTextAsync(Path.Combine(folder, "_platen"), script.Output, Ct);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        patience.CancelAfter(TimeSpan.FromMinutes(2));
        var zsh = await CommandResult.RunAsync(["zsh", "-f", "-c", Ask], patience.Token, path, ("FOLDER", folder));
        zsh.ExitCode.ShouldBe(0, zsh.Errors);
        zsh.Output.ShouldEndWith("done\n");
    }

    /// <summary>The command line under its own name in a folder that stands first in the path.</summary>
    private static async Task<(string Folder, (string, string) Path)> InstallAsync()
    {
        var folder = PostgresFixture.NewFolder();
        var program = Path.Combine(folder, "platen");
        await File.WriteAllTextAsync(program, $"#!/bin/sh\nexec dotnet '{Build.Cli}' \"$@\"\n", Ct);
        await ServerProcess.RunAsync("chmod", ["+x", program], Ct);
        return (folder, ("PATH", folder + ":" + Environment.GetEnvironmentVariable("PATH")));
    }

    /// <summary>A command that goes on until it is interrupted, and what it has printed.</summary>
    private sealed class Follower : IDisposable
    {
        private readonly Process process;
        private readonly ConcurrentQueue<JsonNode> events = new();

        public Follower(PlatenServer server, params string[] arguments)
        {
            var start = new ProcessStartInfo("dotnet", [Build.Cli, "--server", server.Address.ToString(), .. arguments])
            {
                UseShellExecute = false,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            start.Environment["PLATEN_KEY"] = server.OwnerKey;
            process = Process.Start(start)!;
            process.OutputDataReceived += (_, line) =>
            {
                if (line.Data is { Length: > 0 } text)
                    events.Enqueue(JsonNode.Parse(text)!);
            };
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
        }

        public IReadOnlyCollection<JsonNode> Events => events;

        public Task SeesAsync(string type, int count, CancellationToken ct) =>
            ServerProcess.WaitUntilAsync(
                $"{count} times {type}",
                TimeSpan.FromSeconds(90),
                _ => Task.FromResult(events.Count(e => e["type"]!.GetValue<string>() == type) >= count),
                ct
            );

        public async Task<int> InterruptAsync(CancellationToken ct)
        {
            await ServerProcess.RunAsync(
                "kill",
                ["-INT", process.Id.ToString(CultureInfo.InvariantCulture)],
                CancellationToken.None
            );
            await process.WaitForExitAsync(ct);
            return process.ExitCode;
        }

        public void Dispose()
        {
            if (!process.HasExited)
                process.Kill();
            process.Dispose();
        }
    }
}
