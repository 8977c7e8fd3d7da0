using Microsoft.AspNetCore.Http;
using Platen.Access.People;
using Platen.Kernel;
using Platen.Platform.Http;

namespace Platen.Access.SignIn;

/// <summary>The pieces that the pages of signing in are made of; every value goes through <see cref="HtmlPage.Text"/>.</summary>
internal static class PageForm
{
    /// <summary>One labelled field, with its hint and with what was wrong with it.</summary>
    /// <param name="name">As the form sends it.</param>
    /// <param name="label">What it asks for.</param>
    /// <param name="type">Of the input.</param>
    /// <param name="autocomplete">As password managers know it (HTML section 4.10.18.7.1).</param>
    /// <param name="problem">Of the last try; its fault at <c>/name</c> is shown here.</param>
    /// <param name="value">What it begins with.</param>
    /// <param name="hint">What is asked of it.</param>
    public static string Field(
        string name,
        string label,
        string type,
        string autocomplete,
        Problem? problem,
        string value = "",
        string? hint = null
    )
    {
        var wrong =
            problem is null || problem.Faults.IsDefault
                ? null
                : problem.Faults.FirstOrDefault(fault => fault.Pointer == "/" + name)?.Message;
        var about = (hint is null ? "" : name + "-hint ") + (wrong is null ? "" : name + "-wrong");
        return $"""
            <label for="{name}">{HtmlPage.Text(label)}</label>
            <input id="{name}" name="{name}" type="{type}" autocomplete="{autocomplete}" value="{HtmlPage.Text(
                value
            )}" required{(about.Length == 0 ? "" : $" aria-describedby=\"{about.Trim()}\"")}{(wrong is null ? "" : " aria-invalid=\"true\"")}>
            {(wrong is null ? "" : $"<p class=\"wrong\" id=\"{name}-wrong\">{HtmlPage.Text(wrong)}</p>")}
            {(hint is null ? "" : $"<p class=\"hint\" id=\"{name}-hint\">{HtmlPage.Text(hint)}</p>")}
            """;
    }

    /// <summary>What went wrong, above the form.</summary>
    public static string Notice(Problem? problem) =>
        problem is null ? "" : $"<p class=\"note bad\" role=\"alert\">{HtmlPage.Text(problem.Detail)}</p>";

    /// <summary>Something to know, above the form.</summary>
    public static string Note(string? text) =>
        text is null ? "" : $"<p class=\"note\" role=\"status\">{HtmlPage.Text(text)}</p>";

    /// <summary>The token that proves that a form of a signed-in person is ours.</summary>
    public static string Token(SignedIn person) => $"""<input type="hidden" name="csrf" value="{person.CsrfToken}">""";

    /// <summary>
    /// Reads a form that one of our pages sent. A browser that does not say where the form comes from is refused, too: here there is
    /// no program that would not be one.
    /// </summary>
    /// <exception cref="ProblemException"><see cref="PeopleProblems.CrossSite"/>, <see cref="KernelProblems.UnsupportedMediaType"/>.</exception>
    public static async Task<IFormCollection> ReadAsync(HttpContext context, CancellationToken ct)
    {
        var request = context.Request;
        if (
            CrossSite.IsForeign(request)
            || (request.Headers["Sec-Fetch-Site"].Count == 0 && request.Headers.Origin.Count == 0)
        )
        {
            throw PeopleProblems.CrossSite.Because("The form did not come from a page of this site.").AsException();
        }
        if (!request.HasFormContentType)
            throw KernelProblems.UnsupportedMediaType.Because("Send the page's form.").AsException();
        request.HttpContext.Features.Set<Microsoft.AspNetCore.Http.Features.IFormFeature>(
            new Microsoft.AspNetCore.Http.Features.FormFeature(
                request,
                new Microsoft.AspNetCore.Http.Features.FormOptions
                {
                    ValueCountLimit = 16,
                    ValueLengthLimit = 4096,
                    BufferBodyLengthLimit = PeopleLimits.BodyBytes,
                    MultipartBodyLengthLimit = PeopleLimits.BodyBytes,
                }
            )
        );
        try
        {
            return await request.ReadFormAsync(ct);
        }
        catch (InvalidDataException malformed)
        {
            throw KernelProblems.Malformed.Because(malformed.Message).AsException();
        }
    }
}
