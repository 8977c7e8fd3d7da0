using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace Platen.Access.People;

/// <summary>
/// Where people reach this site, for links that leave it in a mail. Never taken from a request: its Host header is the
/// sender's word.
/// </summary>
public sealed class PublicAddress(PeopleSettings settings, IServer server)
{
    /// <summary>The link for a path that begins with a slash.</summary>
    public string Link(string path) => Origin() + path;

    private string Origin()
    {
        if (settings.PublicUrl is { } given)
            return given.GetLeftPart(UriPartial.Authority);
        var bound = server.Features.Get<IServerAddressesFeature>()?.Addresses.FirstOrDefault() ?? "http://localhost";
        return OfBinding(bound);
    }

    /// <summary>A bound address as a browser on this machine opens it. Passkeys need a name: they work on localhost, not on 127.0.0.1.</summary>
    public static string OfBinding(string url)
    {
        foreach (var local in (string[])["127.0.0.1", "[::1]", "0.0.0.0", "[::]", "*", "+"])
            url = url.Replace("//" + local, "//localhost", StringComparison.Ordinal);
        return url.TrimEnd('/');
    }
}
