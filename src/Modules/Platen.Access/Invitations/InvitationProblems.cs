using Platen.Kernel;

namespace Platen.Access.Invitations;

/// <summary>What can go wrong with invitations.</summary>
public static class InvitationProblems
{
    public static readonly ProblemType Gone = new(
        "invitation-gone",
        410,
        "The invitation cannot be accepted any more",
        "Ask whoever invited you for a new one."
    );

    public static readonly ProblemType NeedsPerson = new(
        "needs-person",
        403,
        "Only a person can do this",
        "Sign in as yourself: a machine key is nobody's membership."
    );
}
