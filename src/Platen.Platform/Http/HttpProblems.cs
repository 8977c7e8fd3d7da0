using Platen.Kernel;

namespace Platen.Platform.Http;

/// <summary>The problems of the way to an endpoint, before it begins its own work.</summary>
public static class HttpProblems
{
    public static readonly ProblemType RateLimited = new(
        "rate-limited",
        429,
        "Too many requests",
        "Wait for the seconds in Retry-After. The RateLimit fields of every answer tell what is left before it comes to this."
    );

    public static readonly ProblemType OriginNotAllowed = new(
        "origin-not-allowed",
        403,
        "The page's origin may not use this API",
        "Ask the operator to add the origin to PLATEN_CORS_ORIGINS, or call the API from your own server."
    );

    public static readonly ProblemType TimedOut = new(
        "timed-out",
        504,
        "The request took too long",
        "What was being written may not be there: read it, then ask for less at once, or try again later."
    );

    public static readonly ProblemType SlowRequest = new(
        "slow-request",
        408,
        "The request arrived too slowly",
        "Send the body without long pauses; the connection was closed."
    );
}
