using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Platen.Client;
using Spectre.Console;

namespace Platen.Cli;

/// <summary>Writes what a command found, for a person on a terminal, for a pipe, or as JSON. Safe to share between threads.</summary>
internal sealed class Output
{
    // Read by tools and people, never pasted into HTML: letters stay letters.
    private static readonly JsonSerializerOptions JsonStyle = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };
    private static readonly JsonSerializerOptions LineStyle = new(JsonStyle) { WriteIndented = false };
    private readonly Terminal terminal;
    private readonly IAnsiConsole results;
    private readonly IAnsiConsole notes;
    private readonly Lock gate = new();

    public Output(Terminal terminal, bool json, bool quiet, bool verbose, bool noColor)
    {
        this.terminal = terminal;
        Json = json;
        Quiet = quiet;
        Verbose = verbose;
        var plain = noColor || terminal.Variable("NO_COLOR") is { Length: > 0 };
        results = ConsoleOn(terminal.Out, terminal.OutIsTerminal, plain);
        notes = ConsoleOn(terminal.Error, terminal.ErrorIsTerminal, plain);
    }

    /// <summary>As the global options of a command line say.</summary>
    public static Output For(ParseResult parsed, Terminal terminal) =>
        new(
            terminal,
            parsed.GetValue(GlobalOptions.Json),
            parsed.GetValue(GlobalOptions.Quiet),
            parsed.GetValue(GlobalOptions.Verbose),
            parsed.GetValue(GlobalOptions.NoColor)
        );

    public bool Json { get; }

    public bool Quiet { get; }

    public bool Verbose { get; }

    /// <summary>Whether bars that move may be drawn on standard error.</summary>
    public bool ShowsBars => terminal.ErrorIsTerminal && !Json && !Quiet;

    /// <summary>The console for progress.</summary>
    public IAnsiConsole Notes => notes;

    /// <summary>A line of the result; nothing under --json.</summary>
    public void Line(string text = "")
    {
        if (Json)
            return;
        lock (gate)
            terminal.Out.WriteLine(Printable(text));
    }

    /// <summary>A result whose every byte matters: nothing is replaced, and no newline follows.</summary>
    public void Exactly(string text)
    {
        lock (gate)
        {
            terminal.Out.Write(text);
            // What is said next begins a line of its own, where a person sees both.
            if (terminal is { OutIsTerminal: true, ErrorIsTerminal: true } && !text.EndsWith('\n'))
                terminal.Error.WriteLine();
        }
    }

    /// <summary>A line of the result with a mark before it that shows how good it is.</summary>
    public void Verdict(string word, string color, string text)
    {
        if (Json)
            return;
        lock (gate)
        {
            results.Markup($"[{color}]{word, -4}[/]");
            terminal.Out.WriteLine("  " + Printable(text));
        }
    }

    /// <summary>The JSON document that is the result; nothing without --json.</summary>
    public void Document(JsonNode document)
    {
        if (!Json)
            return;
        lock (gate)
            terminal.Out.WriteLine(document.ToJsonString(JsonStyle));
    }

    /// <summary>One of many JSON documents, on a line of its own.</summary>
    public void DocumentLine(JsonNode document)
    {
        lock (gate)
        {
            terminal.Out.WriteLine(document.ToJsonString(LineStyle));
            terminal.Out.Flush();
        }
    }

    /// <summary>Rows under headings: a drawn table on a terminal, tab-separated lines without headings in a pipe.</summary>
    public void Table(IReadOnlyList<string> headings, IReadOnlyList<IReadOnlyList<string>> rows)
    {
        if (Json)
            return;
        lock (gate)
        {
            if (!terminal.OutIsTerminal)
            {
                foreach (var row in rows)
                    terminal.Out.WriteLine(string.Join('\t', row.Select(Printable)));
                return;
            }
            var table = new Table().Border(TableBorder.Simple);
            foreach (var heading in headings)
                table.AddColumn(new TableColumn(Markup.Escape(heading)).NoWrap());
            foreach (var row in rows)
                table.AddRow(row.Select(cell => Markup.Escape(Printable(cell))).ToArray());
            results.Write(table);
        }
    }

    /// <summary>A line of progress on standard error; nothing under --quiet or --json.</summary>
    public void Progress(string text)
    {
        if (Quiet || Json)
            return;
        lock (gate)
            terminal.Error.WriteLine(Printable(text));
    }

    /// <summary>A line on standard error that --verbose asked for.</summary>
    public void Detail(string text)
    {
        if (!Verbose || Json)
            return;
        lock (gate)
            terminal.Error.WriteLine(Printable(text));
    }

    /// <summary>A refusal, on standard error.</summary>
    public void Refusal(Refusal refusal)
    {
        lock (gate)
        {
            if (Json)
            {
                terminal.Error.WriteLine(refusal.ToJson().ToJsonString(JsonStyle));
                return;
            }
            var about = refusal.About is null ? "" : refusal.About + ": ";
            // Only the mark is drawn: a drawn sentence would be broken into lines, and could not be copied.
            notes.Markup("[red]error[/]");
            terminal.Error.WriteLine(": " + Printable(about + refusal.Message));
            foreach (var fault in refusal.Faults)
            {
                var place = fault.Place.Length == 0 ? "" : fault.Place + ": ";
                terminal.Error.WriteLine("  " + Printable(place + fault.Message));
            }
            if (refusal.Advice.Length > 0)
                terminal.Error.WriteLine("  → " + Printable(refusal.Advice));
            if (refusal.TraceId is not null && (Verbose || refusal.Status >= 500))
                terminal.Error.WriteLine("  trace id: " + Printable(refusal.TraceId));
        }
    }

    /// <summary>Text from elsewhere cannot move the cursor or start a terminal's escape sequence.</summary>
    private static string Printable(string text) =>
        text.AsSpan().ContainsAnyInRange('\0', '\u001f') || text.AsSpan().ContainsAnyInRange('\u007f', '\u009f')
            ? string.Concat(text.Select(c => char.IsControl(c) && c != '\t' ? '\ufffd' : c))
            : text;

    private static IAnsiConsole ConsoleOn(TextWriter writer, bool isTerminal, bool plain)
    {
        var console = AnsiConsole.Create(
            new AnsiConsoleSettings
            {
                Out = new AnsiConsoleOutput(writer),
                Ansi = isTerminal && !plain ? AnsiSupport.Detect : AnsiSupport.No,
                ColorSystem = isTerminal && !plain ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
                Interactive = isTerminal ? InteractionSupport.Detect : InteractionSupport.No,
            }
        );
        if (!isTerminal)
            console.Profile.Width = 10_000;
        return console;
    }
}

/// <summary>Why something was not done, ready to print.</summary>
/// <param name="ExitCode">What the process ends with because of it.</param>
/// <param name="Slug">The problem's name.</param>
/// <param name="Status">The HTTP status; null when no server said it.</param>
/// <param name="Message">What happened.</param>
/// <param name="Advice">What to do.</param>
/// <param name="Faults">Everything wrong with the input.</param>
/// <param name="TraceId">What the server's log knows it by.</param>
internal sealed record Refusal(
    int ExitCode,
    string Slug,
    int? Status,
    string Message,
    string Advice,
    IReadOnlyList<InputFault> Faults,
    string? TraceId = null
)
{
    /// <summary>What it is about, such as a public id or a file.</summary>
    public string? About { get; init; }

    /// <param name="e">What was thrown.</param>
    /// <param name="placeOf">Turns a pointer into the request's body into a place that a person can open.</param>
    public static Refusal Of(PlatenException e, Func<string, string>? placeOf = null)
    {
        if (e is not PlatenProblemException problem)
        {
            var slug = e switch
            {
                PlatenUnreachableException => "unreachable",
                Client.Resolving.TemplateUnresolvedException => "unresolved",
                Client.Resolving.PromptRefusedException => "prompt-refused",
                _ => "not-platen",
            };
            return new Refusal(Cli.ExitCode.Of(e), slug, null, e.Message, e.Advice, []);
        }
        List<InputFault> faults =
        [
            .. problem.Faults.Select(fault => new InputFault(
                placeOf is null ? fault.Pointer : placeOf(fault.Pointer),
                fault.Message
            )),
        ];
        var message = problem.Detail.Length > 0 ? problem.Detail : problem.Title;
        var validTypes = problem.ExtensionTexts("validTypes");
        if (validTypes.Any(type => !message.Contains(type, StringComparison.Ordinal)))
            faults.Add(new InputFault("", "the widget types there are: " + string.Join(", ", validTypes)));
        return new Refusal(
            Cli.ExitCode.Of(e),
            problem.Slug,
            (int)problem.Status,
            message,
            problem.Advice,
            faults,
            problem.TraceId
        );
    }

    public static Refusal Of(CliException e) => new(e.ExitCode, e.Slug, null, e.Message, e.Advice, e.Faults);

    public JsonObject ToJson()
    {
        var json = new JsonObject
        {
            ["slug"] = Slug,
            ["detail"] = Message,
            ["advice"] = Advice,
            ["exitCode"] = ExitCode,
        };
        if (Status is { } status)
            json["status"] = status;
        if (About is not null)
            json["about"] = About;
        if (TraceId is not null)
            json["traceId"] = TraceId;
        if (Faults.Count > 0)
        {
            json["faults"] = new JsonArray([
                .. Faults.Select(fault => new JsonObject { ["place"] = fault.Place, ["message"] = fault.Message }),
            ]);
        }
        return json;
    }
}
