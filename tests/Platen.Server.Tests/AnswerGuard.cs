using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Platen.Server.Tests;

/// <summary>
/// Holds the API's description to what endpoints answer: it notes the status of every answer that the tests get, whichever test asks. One that
/// the document does not have at its operation is a fault.
/// </summary>
internal sealed partial class AnswerGuard
{
    private readonly ConcurrentDictionary<Answered, bool> answers = [];

    /// <param name="Method">Of the request.</param>
    /// <param name="Pattern">The route's.</param>
    /// <param name="Status">What it came to.</param>
    internal sealed record Answered(string Method, string Pattern, int Status);

    /// <summary>Notes a request that has ended.</summary>
    public void Note(HttpContext context, RouteEndpoint endpoint) =>
        answers.TryAdd(
            new Answered(
                // It is answered as GET is.
                HttpMethods.IsHead(context.Request.Method)
                    ? HttpMethods.Get
                    : context.Request.Method,
                endpoint.RoutePattern.RawText ?? "",
                context.Response.StatusCode
            ),
            true
        );

    /// <summary>What was answered, and the document does not tell.</summary>
    public List<string> Faults(JsonNode document) => Faults(answers.Keys, document);

    /// <summary>The rule itself. A route that the document leaves out on purpose is none of its affair.</summary>
    internal static List<string> Faults(IEnumerable<Answered> answers, JsonNode document)
    {
        var untold =
            from answer in answers
            let operation = document["paths"]![PathOf(answer.Pattern)]?[answer.Method.ToLowerInvariant()]
            where operation is JsonObject
            where operation["responses"]![answer.Status.ToString(CultureInfo.InvariantCulture)] is null
            orderby answer.Pattern, answer.Method, answer.Status
            select $"{answer.Method} {answer.Pattern} answered {answer.Status}, which the document does not tell: say so with Refuses or Produces.";
        return [.. untold];
    }

    // The document has no constraints of parameters: {id:guid} is {id}, {**stream} is {stream}.
    private static string PathOf(string pattern) => "/" + Constraint.Replace(pattern, "{${name}}").Trim('/');

    [GeneratedRegex(@"\{\**(?<name>\w+)[^}]*\}", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1_000)]
    private static partial Regex Constraint { get; }
}

public sealed class AnswerGuardTests
{
    [Fact]
    public void A_status_that_the_document_does_not_tell_is_a_fault()
    {
        var document = JsonNode.Parse(
            """{ "paths": { "/things/{id}": { "get": { "responses": { "200": {} } }, "put": { "responses": { "204": {} } } } } }"""
        )!;

        AnswerGuard
            .Faults(
                [
                    new("GET", "/things/{id:guid}", 200),
                    new("PUT", "/things/{id:guid}", 409),
                    new("DELETE", "/things/{id:guid}", 204),
                    new("GET", "/page", 200),
                ],
                document
            )
            .ShouldBe([
                "PUT /things/{id:guid} answered 409, which the document does not tell: say so with Refuses or Produces.",
            ]);
    }
}
