using Platen.Access.People;
using Platen.Kernel;

namespace Platen.Access.SignIn;

/// <summary>What changes how somebody proves themself asks for a sign-in of the last minutes: a session that was left open is not enough.</summary>
internal static class Freshness
{
    /// <exception cref="ProblemException"><see cref="PeopleProblems.FreshSignInNeeded"/>.</exception>
    public static void Require(SignedIn person)
    {
        if (!person.IsFresh)
        {
            throw PeopleProblems.FreshSignInNeeded.Because("Your sign-in is older than 15 minutes.").AsException();
        }
    }
}
