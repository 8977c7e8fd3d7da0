using Platen.Client;

namespace Platen.Cli;

/// <summary>What the process ends with; scripts rely on the numbers.</summary>
internal static class ExitCode
{
    public const int Ok = 0;
    public const int No = 1;
    public const int Usage = 2;
    public const int Unreachable = 3;
    public const int NotAllowed = 4;
    public const int Stale = 5;
    public const int Interrupted = 130;

    /// <summary>Each code with its meaning, as help and the reference print it.</summary>
    public static readonly IReadOnlyList<(int Code, string Meaning)> All =
    [
        (Ok, "done; the thing asked about is so"),
        (No, "the thing asked about is not so, or the server refused"),
        (Usage, "wrong usage, or input that cannot be read"),
        (Unreachable, "the server cannot be reached, or is not a Platen server"),
        (NotAllowed, "not allowed: no valid key, or not enough rights (401, 403)"),
        (Stale, "conflict: somebody else changed it first (409, 412, 428)"),
        (Interrupted, "interrupted"),
    ];

    // When several things failed, the code names what to mend first.
    private static readonly int[] Order = [Interrupted, Unreachable, NotAllowed, Usage, Stale, No, Ok];

    public static int Of(PlatenException e) =>
        e switch
        {
            PlatenProblemException { IsNotAllowed: true } => NotAllowed,
            PlatenProblemException { IsStale: true } => Stale,
            PlatenProblemException => No,
            Client.Resolving.TemplateUnresolvedException or Client.Resolving.PromptRefusedException => No,
            _ => Unreachable,
        };

    /// <summary>The code of several results together.</summary>
    public static int Worst(IEnumerable<int> codes) =>
        codes.DefaultIfEmpty(Ok).MinBy(code => Array.IndexOf(Order, code));
}
