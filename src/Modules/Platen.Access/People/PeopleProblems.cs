using Platen.Kernel;

namespace Platen.Access.People;

/// <summary>The problems of people and signing in.</summary>
public static class PeopleProblems
{
    public static readonly ProblemType SignInRefused = new(
        "sign-in-refused",
        401,
        "This does not sign you in",
        "Check the e-mail address and the password, or ask for a link to set a new one at /reset."
    );

    public static readonly ProblemType SignInLocked = new(
        "sign-in-locked",
        429,
        "Too many attempts to sign in",
        "Wait for the seconds that Retry-After names; a passkey, or a link from /reset, works at once."
    );

    public static readonly ProblemType CrossSite = new(
        "cross-site",
        403,
        "The request did not come from this site's own pages",
        "With a session's cookie, send the csrfToken of GET /v1/session in X-Platen-CSRF, from the same origin."
    );

    public static readonly ProblemType FreshSignInNeeded = new(
        "fresh-sign-in-needed",
        403,
        "Sign in again first",
        "This changes how you prove who you are: sign in again, then repeat the request within 15 minutes."
    );

    public static readonly ProblemType LinkSpent = new(
        "link-spent",
        410,
        "The link was used, has expired, or is not complete",
        "Ask for a new one; make sure that the whole link was copied."
    );

    public static readonly ProblemType EmailTaken = new(
        "email-taken",
        409,
        "Somebody has this e-mail address already",
        "Find the person in GET /v1/people, or use another address."
    );

    public static readonly ProblemType PasskeyRefused = new(
        "passkey-refused",
        422,
        "The passkey is not accepted",
        "Ask for new options and try again on the site's own address; the detail says what did not fit."
    );

    public static readonly ProblemType TooManyPasskeys = new(
        "too-many-passkeys",
        409,
        "You have as many passkeys as one person may have",
        "Remove one that you no longer use, then add the new one."
    );
}
