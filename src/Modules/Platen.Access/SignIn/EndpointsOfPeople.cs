using Microsoft.AspNetCore.Builder;

namespace Platen.Access.SignIn;

public static class EndpointsOfPeople
{
    internal const string Policy = "person";

    /// <summary>Only a signed-in person reaches the endpoint, which is about themself.</summary>
    public static TBuilder NeedsPerson<TBuilder>(this TBuilder endpoint)
        where TBuilder : IEndpointConventionBuilder =>
        endpoint.RequireAuthorization(Policy).WithMetadata(new NeededPerson());
}
