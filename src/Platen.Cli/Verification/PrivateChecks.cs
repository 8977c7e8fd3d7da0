using System.Buffers.Text;
using System.Text.Json;

namespace Platen.Cli.Verification;

/// <summary>What is not public: shown to who has an embed token, refused to everybody else, and kept by nobody between.</summary>
internal sealed class PrivateChecks(Wire wire, Findings findings)
{
    private const string Foreign = "https://platen-verify.example";

    public async Task RunAsync(string? token, CancellationToken ct)
    {
        if (token is null)
        {
            findings.Skip("what is not public is shown by token", "no embed token was given: --token");
            return;
        }
        if (InstanceOf(token) is not { } id)
        {
            findings.Require("the token is an embed token", false, "its middle part names no instance");
            return;
        }
        foreach (var path in (string[])["/e/" + id, $"/w/{id}/manifest.json"])
        {
            var nobody = await wire.GetAsync(path, ct);
            findings.Require(
                $"{path} without a token: 401 that nobody keeps",
                nobody.Status == 401
                    && nobody.Has("WWW-Authenticate")
                    && nobody["Cache-Control"].Contains("no-store", StringComparison.Ordinal),
                $"{nobody.Status}, WWW-Authenticate {nobody["WWW-Authenticate"]}, {nobody["Cache-Control"]}"
            );
            foreach (
                var field in ((string Name, string Value)[])
                    [("Authorization", "Bearer " + token), ("X-Embed-Token", token)]
            )
            {
                var shown = await wire.GetAsync(path, ct, field);
                if (!findings.RequireStatus($"{path} with {field.Name}", shown, 200))
                    continue;
                var control = shown.List("Cache-Control");
                findings.Require(
                    $"{path} with {field.Name} is kept by nobody but who asked",
                    control.Contains("private", StringComparer.OrdinalIgnoreCase)
                        && control.Contains("no-cache", StringComparer.OrdinalIgnoreCase)
                        && !control.Contains("public", StringComparer.OrdinalIgnoreCase),
                    shown["Cache-Control"]
                );
                string[] needed = ["Authorization", "X-Embed-Token"];
                findings.Require(
                    $"{path} with {field.Name} varies by what opened it",
                    needed.All(name => shown.List("Vary").Contains(name, StringComparer.OrdinalIgnoreCase)),
                    shown["Vary"]
                );
            }
            findings.RequireStatus(
                $"{path} for a page of another origin: 403",
                await wire.GetAsync(path, ct, ("X-Embed-Token", token), ("Origin", Foreign)),
                403
            );
        }
    }

    // The middle part of a token says what it opens; whether it is one is the server's to say.
    private static string? InstanceOf(string token)
    {
        try
        {
            if (token.Split('.') is not [_, var claims, _])
                return null;
            using var read = JsonDocument.Parse(Base64Url.DecodeFromChars(claims));
            return read.RootElement.GetProperty("sub").GetString();
        }
        catch (Exception e)
            when (e is FormatException or JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return null;
        }
    }
}
