using System.Net;
using Platen.Kernel;

namespace Platen.Platform.Webhooks;

/// <summary>Which addresses a webhook can have.</summary>
internal static class WebhookUrl
{
    /// <summary>
    /// Says what is wrong with an address; null when nothing is. What its name leads to is looked at when a message is sent, because it
    /// can change; an address of numbers is looked at here as well.
    /// </summary>
    public static Fault? FaultOf(string text, string pointer, WebhookOptions options)
    {
        if (
            text.Length > WebhookLimits.UrlLength
            || text.Any(c => c is <= ' ' or > '~')
            || !Uri.TryCreate(text, UriKind.Absolute, out var url)
            || url.Scheme is not ("http" or "https")
            || url.Host.Length == 0
        )
        {
            return new Fault(
                pointer,
                $"Must be an address such as https://example.org/hook, of at most {WebhookLimits.UrlLength} characters."
            );
        }
        if (url.UserInfo.Length > 0 || url.Fragment.Length > 0)
            return new Fault(pointer, "Must be without a user, a password and a fragment.");
        var isNumbers = IPAddress.TryParse(url.IdnHost, out var address);
        if (isNumbers && !options.Permits(address!))
            return new Fault(pointer, "Must be on the public internet: the operator has not listed that address.");
        if (url.Scheme == "http" && options.Networks.Count == 0)
            return new Fault(pointer, "Must begin with https://.");
        return null;
    }
}
