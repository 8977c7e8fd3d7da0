using Microsoft.AspNetCore.Http;
using Platen.Kernel;

namespace Platen.Registry;

/// <summary>
/// Tells a client without a credential where it gets a token and for what: the Bearer challenge of RFC 6750 section 3 with the
/// parameters that registry clients know (<c>realm</c>, <c>service</c>, <c>scope</c>).
/// </summary>
internal static class Challenge
{
    public static string Of(HttpContext context, Problem problem)
    {
        var request = context.Request;
        if (RegistryModule.IsTokenRequest(request))
            return "Basic realm=\"platen\", charset=\"UTF-8\"";
        var challenge =
            $"Bearer realm=\"{request.Scheme}://{request.Host}{RegistryModule.TokenPath}\",service=\"{Service(request)}\"";
        if (ScopeOf(request) is { } scope)
            challenge += $",scope=\"{scope}\"";
        if (problem.Type == RegistryProblems.InsufficientToken)
            challenge += ",error=\"insufficient_scope\"";
        else if (request.Headers.Authorization.Count > 0)
            challenge += ",error=\"invalid_token\"";
        return challenge;
    }

    /// <summary>What tokens are for: this server, by the name the client uses.</summary>
    public static string Service(HttpRequest request) => request.Host.Value ?? "platen";

    private static string? ScopeOf(HttpRequest request)
    {
        var path = request.Path.Value is { Length: > 4 } value ? value["/v2/".Length..] : "";
        const string Pull = "pull";
        const string Push = "pull,push";
        var reads = HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method);
        var written =
            reads ? Pull
            : HttpMethods.IsDelete(request.Method) ? "delete"
            : Push;
        var (name, actions) = RegistryPath.Parse(path) switch
        {
            RegistryPath.Catalog => ("", ""),
            RegistryPath.Tags tags => (tags.Name, Pull),
            RegistryPath.Referrers referrers => (referrers.Name, Pull),
            RegistryPath.Manifest manifest => (manifest.Name, written),
            RegistryPath.Blob blob => (blob.Name, written),
            // An upload is its pusher's, who asks how far it has come and gives it up with the right to push.
            RegistryPath.Uploads uploads => (uploads.Name, Push),
            RegistryPath.Upload upload => (upload.Name, Push),
            _ => (null, ""),
        };
        if (name is null)
            return null;
        if (name.Length == 0)
            return "registry:catalog:*";
        return RepositoryName.IsValid(name) ? $"repository:{name}:{actions}" : null;
    }
}
