using Platen.Kernel;

namespace Platen.Access.Keys;

/// <summary>What can go wrong with keys.</summary>
public static class KeyProblems
{
    public static readonly ProblemType CannotGrant = new(
        "cannot-grant",
        403,
        "Nobody gives away what they do not have",
        "Leave out what the detail names, or use a credential that has it."
    );

    public static readonly ProblemType AlreadyMade = new(
        "already-made",
        409,
        "The request was carried out before, and its secret was shown then",
        "If the answer was lost, revoke what 'id' names and make another with a new Idempotency-Key."
    );
}
