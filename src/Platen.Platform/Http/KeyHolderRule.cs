using Microsoft.AspNetCore.Http;
using Platen.Kernel;

namespace Platen.Platform.Http;

/// <summary>
/// Whose machine key a request carries, for what is answered before authentication. Registered as a service where keys can be verified.
/// </summary>
/// <param name="context">The request.</param>
/// <returns>The key's owner; null when it carries none that holds, or when that cannot be told soon.</returns>
public delegate ValueTask<OwnerId?> KeyHolderRule(HttpContext context);
