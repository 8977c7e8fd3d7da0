using Platen.Kernel;

namespace Platen.Delivery;

/// <summary>The problems that only delivery answers with.</summary>
public static class DeliveryProblems
{
    public static readonly ProblemType NotAcceptable = new(
        "not-acceptable",
        406,
        "There is no representation the client accepts",
        "Allow identity, gzip or br in Accept-Encoding."
    );
}
