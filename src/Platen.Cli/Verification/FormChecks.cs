using System.Text.Json;
using System.Text.RegularExpressions;

namespace Platen.Cli.Verification;

/// <summary>A form is sent twice and kept once. It is what a visitor would send, and erased again where there is a key.</summary>
internal sealed partial class FormChecks(Wire wire, Findings findings)
{
    public async Task RunAsync(IReadOnlyDictionary<string, string> forms, bool submits, CancellationToken ct)
    {
        if (forms.Count == 0)
        {
            findings.Skip("what is sent twice is kept once", "no page that was looked at has a form");
            return;
        }
        var (id, markup) = forms.First();
        var path = "/s/" + id;
        if ((await wire.GetAsync("/v1/curated-instances", ct)).Status == 404)
        {
            findings.Skip("what is sent twice is kept once", "this process does not have the API");
            return;
        }
        findings.RequireStatus(
            "a form that is sent from another origin is refused",
            await PostAsync(path, [], ct, ("Origin", "https://platen-verify.example")),
            403
        );
        findings.RequireStatus("an empty form is refused", await PostAsync(path, [], ct), 422, 400);
        if (!submits)
        {
            findings.Skip(
                "what is sent twice is kept once",
                "nothing is sent unless you say so, because somebody may be told of it: --submit"
            );
            return;
        }
        var fields = FieldsOf(markup);
        var key = Guid.CreateVersion7().ToString("D");
        var first = await PostAsync(path, fields, ct, ("Idempotency-Key", key));
        if (!findings.RequireStatus($"the form of {id} can be sent", first, 201))
            return;
        var kept = IdOf(first);
        var second = await PostAsync(path, fields, ct, ("Idempotency-Key", key));
        findings.Require(
            "the same Idempotency-Key: the same submission",
            second.Status is 200 or 201 && IdOf(second) == kept,
            $"{second.Status}, {IdOf(second)}"
        );
        var third = await PostAsync(path, fields, ct);
        findings.Require(
            "the same content within the window: the same submission",
            third.Status is 200 or 201 && IdOf(third) == kept,
            $"{third.Status}, {IdOf(third)}"
        );
        if (wire.Key is null)
        {
            findings.Skip("what was sent is erased", $"there is no key; the submission {kept} stays");
            return;
        }
        findings.RequireStatus(
            "what was sent is erased",
            await wire.SendAsync(HttpMethod.Delete, "/v1/submissions/" + kept, null, ct, wire.WithKey),
            200,
            204
        );
    }

    private async Task<Answer> PostAsync(
        string path,
        IEnumerable<KeyValuePair<string, string>> fields,
        CancellationToken ct,
        params (string Name, string Value)[] more
    )
    {
        using var body = new FormUrlEncodedContent(fields);
        return await wire.SendAsync(HttpMethod.Post, path, body, ct, [("Accept", "application/json"), .. more]);
    }

    private static string? IdOf(Answer answer)
    {
        using var document = JsonDocument.Parse(answer.Decoded());
        return document.RootElement.TryGetProperty("id", out var id) ? id.GetString() : null;
    }

    // What a visitor sees is filled in; traps and what the page fills in itself are left as they are.
    private static Dictionary<string, string> FieldsOf(string markup)
    {
        var fields = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (Match control in Control().Matches(markup))
        {
            var element = control.Groups["element"].Value.ToLowerInvariant();
            var attributes = control.Groups["attributes"].Value;
            var (name, type) = (Attribute(attributes, "name"), Attribute(attributes, "type"));
            if (name is null or "website_url" or "started_at")
                continue;
            fields[name] = (element, type) switch
            {
                (_, "hidden") => Attribute(attributes, "value") ?? "",
                (_, "email") => "platen-verify@example.invalid",
                (_, "checkbox") => "yes",
                (_, "radio") => Attribute(attributes, "value") ?? "",
                (_, "tel") => "+1 555 0100",
                (_, "url") => "https://example.invalid/",
                (_, "number") => "1",
                (_, "date") => "2030-01-01",
                ("select", _) => Option()
                    .Matches(control.Groups["content"].Value)
                    .Select(option => option.Groups["value"].Value)
                    .FirstOrDefault(value => value.Length > 0)
                    ?? "",
                _ => "Sent by platen verify",
            };
        }
        return fields;
    }

    private static string? Attribute(string attributes, string name) =>
        AttributeOf()
            .Matches(attributes)
            .Where(match => match.Groups["name"].Value == name)
            .Select(match => System.Net.WebUtility.HtmlDecode(match.Groups["value"].Value))
            .FirstOrDefault();

    [GeneratedRegex(
        @"<(?<element>input|textarea|select)\b(?<attributes>[^>]*)>(?:(?<content>(?:(?!</select).)*)</select>)?",
        RegexOptions.IgnoreCase | RegexOptions.Singleline,
        1_000
    )]
    private static partial Regex Control();

    [GeneratedRegex(@"(?<name>[a-z-]+)=""(?<value>[^""]*)""", RegexOptions.IgnoreCase, 1_000)]
    private static partial Regex AttributeOf();

    [GeneratedRegex(@"<option\b[^>]*value=""(?<value>[^""]*)""", RegexOptions.IgnoreCase, 1_000)]
    private static partial Regex Option();
}
