using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Platen.Access;
using Platen.Kernel;
using Platen.Platform.Http;

namespace Platen.Registry;

/// <summary>
/// Brings what registry clients send into what the server authenticates. A key may come as <c>Bearer KEY</c>, as the password
/// of <c>Basic</c> with any user name, or in a token request's form; a token becomes the caller it was issued to. Sets the errors' form
/// for everything below <c>/v2/</c>.
/// </summary>
internal sealed class RegistryCredentials(RequestDelegate next, RegistryTokens tokens)
{
    private const string Bearer = "Bearer ";
    private const string Basic = "Basic ";
    private const string Scheme = "registry-token";

    public async Task InvokeAsync(HttpContext context)
    {
        if (context.Request.Path.StartsWithSegments(RegistryModule.RootPath, StringComparison.OrdinalIgnoreCase))
        {
            context.Features.Set<IProblemFormat>(RegistryErrorFormat.Instance);
            context.Response.Headers["Docker-Distribution-API-Version"] = "registry/2.0";
            await ReadAsync(context, RegistryModule.IsTokenRequest(context.Request));
        }
        await next(context);
    }

    private async Task ReadAsync(HttpContext context, bool isTokenRequest)
    {
        var headers = context.Request.Headers;
        if (headers.Authorization is [{ } field])
        {
            if (field.StartsWith(Basic, StringComparison.OrdinalIgnoreCase) && PasswordOf(field) is { } password)
                headers.Authorization = Bearer + password;
            else if (
                !isTokenRequest
                && field.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase)
                && tokens.Verify(field[Bearer.Length..].Trim()) is { } grant
            )
            {
                context.Features.Set(grant);
                context.User = CallerPrincipal.Of(grant.Caller, Scheme);
                // Read: whoever looks next would take it for a key.
                headers.Remove("Authorization");
            }
        }
        else if (isTokenRequest && context.Request.HasFormContentType)
        {
            if (await KeyInFormAsync(context) is { Length: > 0 } key)
                headers.Authorization = Bearer + key;
        }
    }

    private static string? PasswordOf(string field)
    {
        var bytes = new byte[field.Length];
        if (!Convert.TryFromBase64String(field[Basic.Length..].Trim(), bytes, out var length))
            return null;
        var text = Encoding.UTF8.GetString(bytes, 0, length);
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 ? null : text[(colon + 1)..];
    }

    private static async Task<string?> KeyInFormAsync(HttpContext context)
    {
        var limit = context.Features.Get<IHttpMaxRequestBodySizeFeature>();
        if (limit is { IsReadOnly: false })
            limit.MaxRequestBodySize = RegistryLimits.TokenFormBytes;
        try
        {
            var form = await context.Request.ReadFormAsync(context.RequestAborted);
            return form["grant_type"].ToString() switch
            {
                "refresh_token" => form["refresh_token"],
                _ => form["password"],
            };
        }
        catch (InvalidDataException e)
        {
            throw KernelProblems.Malformed.Because($"The form cannot be read: {e.Message}").AsException();
        }
    }
}
