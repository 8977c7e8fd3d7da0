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
        var (name, mayWrite) = RegistryPath.Parse(path) switch
        {
            RegistryPath.Catalog => ("", false),
            RegistryPath.Tags tags => (tags.Name, false),
            RegistryPath.Referrers referrers => (referrers.Name, false),
            RegistryPath.Manifest manifest => (manifest.Name, true),
            RegistryPath.Blob blob => (blob.Name, true),
            RegistryPath.Uploads uploads => (uploads.Name, true),
            RegistryPath.Upload upload => (upload.Name, true),
            _ => (null, false),
        };
        if (name is null)
            return null;
        if (name.Length == 0)
            return "registry:catalog:*";
        if (!RepositoryName.IsValid(name))
            return null;
        var reads = HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method);
        return reads || !mayWrite ? $"repository:{name}:pull"
            : HttpMethods.IsDelete(request.Method) ? $"repository:{name}:delete"
            : $"repository:{name}:pull,push";
    }
}
