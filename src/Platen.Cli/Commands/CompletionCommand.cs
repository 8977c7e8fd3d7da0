using System.CommandLine;

namespace Platen.Cli.Commands;

/// <summary><c>platen completion</c>: what a shell needs to complete <c>platen</c>. The shell asks the program itself.</summary>
internal static class CompletionCommand
{
    private static readonly Argument<string> Shell = new("shell")
    {
        Description = "bash, zsh or fish.",
        HelpName = "SHELL",
    };

    static CompletionCommand() => Shell.AcceptOnlyFromAmong("bash", "zsh", "fish");

    public static Command Create() =>
        new Command(
            "completion",
            """
            Print a completion script.
              bash: platen completion bash > ~/.local/share/bash-completion/completions/platen
              zsh:  platen completion zsh > "${fpath[1]}/_platen"
              fish: platen completion fish > ~/.config/fish/completions/platen.fish
            """
        )
        {
            Shell,
        }.Runs(RunAsync);

    private static async Task<int> RunAsync(Invocation run, CancellationToken ct)
    {
        var script = run.Value(Shell) switch
        {
            "bash" => Bash,
            "zsh" => Zsh,
            _ => Fish,
        };
        run.Output.Document(new System.Text.Json.Nodes.JsonObject { ["script"] = script });
        if (!run.Output.Json)
            await run.Terminal.Out.WriteAsync(script.AsMemory(), ct);
        return ExitCode.Ok;
    }

    private const string Bash = """
        # bash completion for platen
        _platen() {
          local IFS=$'\n'
          local words
          words=$(platen "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null)
          COMPREPLY=($(compgen -W "${words}" -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -o default -F _platen platen

        """;

    private const string Zsh = """
        #compdef platen
        # zsh completion for platen
        _platen() {
          local -a words
          words=("${(@f)$(platen "[suggest:${CURSOR}]" "${BUFFER}" 2>/dev/null)}")
          words=(${words:#})
          (( ${#words} )) && compadd -a words || _files
        }
        # Read by compinit as _platen it is the function itself; sourced, it is told of.
        if [[ "${funcstack[1]}" = _platen ]]; then _platen "$@"; else compdef _platen platen; fi

        """;

    private const string Fish = """
        # fish completion for platen
        complete -c platen -a '(set -l line (commandline -cp); platen "[suggest:"(string length -- "$line")"]" "$line" 2>/dev/null)'

        """;
}
