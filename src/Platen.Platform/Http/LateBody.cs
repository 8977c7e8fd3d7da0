using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Platen.Kernel;

namespace Platen.Platform.Http;

/// <summary>
/// Asks again whether the caller may do what they ask for. Whoever knows callers registers it; without one nobody is asked.
/// </summary>
/// <param name="context">The request, whose caller was let in when its fields had arrived.</param>
/// <param name="ct">Cancels.</param>
/// <exception cref="ProblemException">They may not any more.</exception>
public delegate Task LateCallerCheck(HttpContext context, CancellationToken ct);

/// <summary>
/// Bodies that take their time. A caller is let in when the fields of a request have arrived; by the time the body has, they may have been
/// removed, and a body that trickles would keep the door open for as long as it likes.
/// </summary>
public static class LateBody
{
    /// <summary>What arrives sooner is not asked about again: a revocation and a request that meet within it come in either order.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    /// <summary>Refuses a caller whose right ended while the body was on its way. Costs nothing when the body came at once.</summary>
    /// <param name="context">The request, its body read.</param>
    /// <param name="began">When reading began: <see cref="Stopwatch.GetTimestamp"/>.</param>
    /// <param name="ct">Cancels.</param>
    /// <exception cref="ProblemException">As <see cref="LateCallerCheck"/>.</exception>
    public static Task RefuseLostCallerAsync(this HttpContext context, long began, CancellationToken ct) =>
        Stopwatch.GetElapsedTime(began) < Patience
        || context.RequestServices.GetService<LateCallerCheck>() is not { } check
            ? Task.CompletedTask
            : check(context, ct);
}
