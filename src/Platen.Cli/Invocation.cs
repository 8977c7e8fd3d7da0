using System.CommandLine;
using Platen.Cli.Commands;
using Platen.Client;
using Platen.Kernel;

namespace Platen.Cli;

/// <summary>One run of a command: its surroundings, its output, and the server it talks to.</summary>
internal sealed class Invocation(ParseResult parsed, Terminal terminal, Output output) : IDisposable
{
    private Connection? connection;
    private PlatenClient? client;

    public Terminal Terminal { get; } = terminal;

    public Output Output { get; } = output;

    /// <summary>Where the server is, and with which key; found once.</summary>
    public Connection Connection
    {
        get
        {
            if (connection is null)
                ConnectTo(parsed.GetValue(GlobalOptions.Server));
            return connection!;
        }
    }

    public PlatenClient Client =>
        client ??= new PlatenClient(
            Connection.Server,
            Connection.Key,
            new PlatenClientOptions { TemplatesOf = Value(TemplatesCommand.Workspace) }
        );

    /// <summary>The value of a command's own option or argument.</summary>
    public T? Value<T>(Option<T> option) => parsed.GetValue(option);

    public T Value<T>(Argument<T> argument) => parsed.GetRequiredValue(argument);

    /// <summary>The value of an argument that may be left out.</summary>
    public T? Optional<T>(Argument<T> argument) => parsed.GetValue(argument);

    /// <summary>The public id that an argument names.</summary>
    public PublicId PublicId(Argument<string> argument) => ReadPublicId(Value(argument));

    /// <summary>
    /// The public id in a text that is one, or an address of what is published of the instance. The server of a whole address is the one
    /// to ask, unless <c>--server</c> names another.
    /// </summary>
    public PublicId Locate(string text)
    {
        if (!text.Contains('/', StringComparison.Ordinal))
            return ReadPublicId(text);
        var address = PublishedAddress.Read(text);
        if (address.Server is not null && parsed.GetValue(GlobalOptions.Server) is null)
            ConnectTo(address.Server);
        return address.Instance();
    }

    /// <summary>Makes this the server to ask, with the key that is for it; null for the one that is set up.</summary>
    public void ConnectTo(string? server)
    {
        connection = Connection.Find(
            server,
            parsed.GetValue(GlobalOptions.Key),
            Terminal,
            parsed.GetValue(GlobalOptions.Profile)
        );
        Output.Detail($"server: {connection.Server} (from {connection.ServerSource})");
        Output.Detail($"key: {(connection.Key is null ? "none, " : "")}from {connection.KeySource}");
    }

    public static PublicId ReadPublicId(string text) =>
        Kernel.PublicId.TryParse(text, out var id)
            ? id
            : throw new CliException(
                ExitCode.Usage,
                "malformed-public-id",
                $"'{text}' is not a public id.",
                "Write wgt_main_{type}, wgt_curated_{key} or wgt_{type}_u_{key}; 'platen list' shows what there is."
            );

    /// <summary>The command's refusal to go on because the instance is not there.</summary>
    public static CliException NoSuchInstance(PublicId id) =>
        new(
            ExitCode.No,
            "not-found",
            $"The server has no instance '{id}'.",
            "'platen list' shows what there is; 'platen publish FILE' creates one."
        );

    /// <summary>A refusal for want of a key says where one was looked for.</summary>
    public Refusal Explain(Refusal refusal) =>
        refusal.ExitCode == ExitCode.NotAllowed && Connection.Key is null
            ? refusal with
            {
                Advice = $"No key was sent. It comes from {Connection.KeySource}.",
            }
            : refusal;

    public void Dispose() => client?.Dispose();
}

/// <summary>Joins a command to its body.</summary>
internal static class CommandBody
{
    /// <summary>Runs the body, and turns what it throws into a refusal and an exit code.</summary>
    public static Command Runs(this Command command, Func<Invocation, CancellationToken, Task<int>> body)
    {
        command.SetAction(
            async (parsed, ct) =>
            {
                var terminal = ((PlatenRootCommand)parsed.RootCommandResult.Command).Terminal;
                var output = Output.For(parsed, terminal);
                using var invocation = new Invocation(parsed, terminal, output);
                try
                {
                    return await body(invocation, ct);
                }
                catch (CliException e)
                {
                    output.Refusal(Refusal.Of(e));
                    return e.ExitCode;
                }
                catch (PlatenException e)
                {
                    output.Refusal(invocation.Explain(Refusal.Of(e)));
                    return ExitCode.Of(e);
                }
                catch (OperationCanceledException) when (ct.IsCancellationRequested)
                {
                    return ExitCode.Interrupted;
                }
            }
        );
        return command;
    }
}
