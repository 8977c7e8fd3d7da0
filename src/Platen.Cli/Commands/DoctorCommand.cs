using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Platen.Client;
using Platen.Kernel;

namespace Platen.Cli.Commands;

/// <summary><c>platen doctor</c>: whether this machine can publish to the server, and what to mend if not.</summary>
internal static class DoctorCommand
{
    /// <summary>A clock that is off by more makes signed URLs and tokens fail at random.</summary>
    private static readonly TimeSpan MostSkew = TimeSpan.FromSeconds(5);

    public static Command Create() =>
        new Command(
            "doctor",
            "Check that the server is reachable, ready and lets you publish. Exit code 1 when something is wrong; what the server goes on without is a warning."
        ).Runs(RunAsync);

    private static async Task<int> RunAsync(Invocation run, CancellationToken ct)
    {
        var findings = new List<Finding>();
        var code = await ExamineAsync(run, findings, ct);
        run.Output.Document(
            new JsonObject
            {
                ["server"] = run.Connection.Server.ToString(),
                ["healthy"] = code == ExitCode.Ok,
                ["findings"] = new JsonArray([.. findings.Select(finding => finding.ToJson())]),
            }
        );
        foreach (var finding in findings)
        {
            var (word, color) = finding.Verdict switch
            {
                Verdict.Ok => ("ok", "green"),
                Verdict.Warn => ("warn", "yellow"),
                _ => ("fail", "red"),
            };
            run.Output.Verdict(word, color, $"{finding.About}: {finding.What}");
            if (finding.Fix is not null)
                run.Output.Line($"      → {finding.Fix}");
        }
        return code;
    }

    private static async Task<int> ExamineAsync(Invocation run, List<Finding> findings, CancellationToken ct)
    {
        var client = run.Client;
        Readiness readiness;
        var sentAt = run.Terminal.Time.GetUtcNow();
        try
        {
            readiness = await client.GetReadinessAsync(ct);
        }
        catch (PlatenException e)
        {
            findings.Add(new Finding("server", Verdict.Fail, e.Message, e.Advice));
            return ExitCode.Of(e);
        }
        var answeredAt = run.Terminal.Time.GetUtcNow();
        findings.Add(
            new Finding(
                "server",
                Verdict.Ok,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{client.Server} answers in {(answeredAt - sentAt).TotalMilliseconds:0} ms"
                )
            )
        );
        findings.Add(VersionOf(readiness));
        foreach (var check in readiness.Checks)
        {
            findings.Add(
                new Finding(
                    "ready: " + check.Name,
                    check.Ok ? Verdict.Ok
                        : readiness.IsDegraded ? Verdict.Warn
                        : Verdict.Fail,
                    check.Detail ?? (check.Ok ? "works" : "does not work"),
                    check.Ok ? null : check.Advice ?? "Mend this part, then look again; the server's log has the rest."
                )
            );
        }
        findings.Add(
            readiness.IsDegraded
                ? new Finding("ready", Verdict.Warn, "the server takes work, without what is amiss above")
            : readiness.IsReady ? new Finding("ready", Verdict.Ok, "the server takes work")
            : new Finding("ready", Verdict.Fail, "the server takes no work yet", "Mend the parts that fail above.")
        );
        findings.Add(ClockOf(readiness, sentAt, answeredAt));
        var keyCode = await ExamineKeyAsync(run, findings, ct);
        if (keyCode != ExitCode.Ok)
            return keyCode;
        return findings.Any(finding => finding.Verdict == Verdict.Fail) ? ExitCode.No : ExitCode.Ok;
    }

    private static Finding VersionOf(Readiness readiness)
    {
        var own = typeof(DoctorCommand).Assembly.GetName().Version?.ToString(3);
        if (readiness.Version is not { } theirs)
            return new Finding(
                "version",
                Verdict.Warn,
                $"the server does not say; this is {own}",
                "Compare them by hand."
            );
        return theirs == own
            ? new Finding("version", Verdict.Ok, $"both are {own}")
            : new Finding(
                "version",
                Verdict.Warn,
                $"the server is {theirs}, this is {own}",
                "Install the server's version of the command line."
            );
    }

    private static Finding ClockOf(Readiness readiness, DateTimeOffset sentAt, DateTimeOffset answeredAt)
    {
        if (readiness.ServerTime is not { } theirs)
            return new Finding(
                "clock",
                Verdict.Warn,
                "the server does not say its time",
                "Compare the clocks by hand."
            );
        // The server's clock read some moment in between, and tells whole seconds.
        var skew =
            theirs + TimeSpan.FromSeconds(1) < sentAt ? sentAt - theirs
            : theirs > answeredAt ? theirs - answeredAt
            : TimeSpan.Zero;
        var text = string.Create(CultureInfo.InvariantCulture, $"{skew.TotalSeconds:0} s apart");
        return skew <= MostSkew
            ? new Finding("clock", Verdict.Ok, text)
            : new Finding(
                "clock",
                Verdict.Warn,
                text,
                "Set both clocks by NTP: signed addresses and tokens depend on them."
            );
    }

    private static async Task<int> ExamineKeyAsync(Invocation run, List<Finding> findings, CancellationToken ct)
    {
        if (run.Connection.Key is null)
        {
            findings.Add(
                new Finding("key", Verdict.Fail, "there is none", $"It comes from {run.Connection.KeySource}.")
            );
            return ExitCode.NotAllowed;
        }
        var from = $"from {run.Connection.KeySource}";
        try
        {
            await run.Client.ListCuratedInstancesAsync(null, null, null, 1, ct);
            findings.Add(new Finding("key", Verdict.Ok, $"valid, {from}"));
            findings.Add(new Finding("right to read instances", Verdict.Ok, "yes"));
        }
        catch (PlatenProblemException e) when (e.Status == System.Net.HttpStatusCode.Unauthorized)
        {
            findings.Add(new Finding("key", Verdict.Fail, $"the server does not know it ({from})", e.Advice));
            return ExitCode.NotAllowed;
        }
        catch (PlatenProblemException e) when (e.IsNotAllowed)
        {
            findings.Add(new Finding("key", Verdict.Ok, $"valid, {from}"));
            findings.Add(new Finding("right to read instances", Verdict.Warn, "no: " + e.Message, e.Advice));
        }
        catch (PlatenException e)
        {
            findings.Add(new Finding("key", Verdict.Fail, e.Message, e.Advice));
            return ExitCode.Of(e);
        }
        return await ExaminePublishAsync(run, findings, ct);
    }

    /// <summary>
    /// Tries a write that cannot happen, because no version ever has the tag it asks for: a server that allows the key to write
    /// refuses it for that, and one that does not, for the key.
    /// </summary>
    private static async Task<int> ExaminePublishAsync(Invocation run, List<Finding> findings, CancellationToken ct)
    {
        const string About = "right to publish curated content";
        try
        {
            var manifest = await run.Client.GetWidgetManifestAsync(ct);
            if (manifest.WidgetTypes.IsDefaultOrEmpty)
            {
                findings.Add(
                    new Finding(
                        "widget types",
                        Verdict.Fail,
                        "the server has none, so nothing can be published",
                        "Put the widget packages (the folder widgets/ of the project) where the server looks for them."
                    )
                );
                return ExitCode.No;
            }
            findings.Add(
                new Finding(
                    "widget types",
                    Verdict.Ok,
                    string.Join(", ", manifest.WidgetTypes.Select(entry => entry.Type))
                )
            );
            var type = WidgetType.Parse(manifest.WidgetTypes[0].Type);
            await run.Client.PutInstanceAsync(
                new PublicId.Baseline(type),
                new InstanceContent(type.Value, null, null, JsonSerializer.SerializeToElement(new JsonObject())),
                new Precondition.OneOf(["\"no-version-has-this-tag\""]),
                ct
            );
            findings.Add(
                new Finding(
                    About,
                    Verdict.Fail,
                    "the server ignores If-Match",
                    "Report this: it loses people's changes."
                )
            );
            return ExitCode.No;
        }
        catch (PlatenProblemException e) when (e.IsNotAllowed)
        {
            findings.Add(new Finding(About, Verdict.Fail, "no: " + e.Message, e.Advice));
            return ExitCode.NotAllowed;
        }
        catch (PlatenProblemException e) when (e.IsStale || e.IsNotFound || (int)e.Status == 422)
        {
            findings.Add(new Finding(About, Verdict.Ok, "yes"));
            return ExitCode.Ok;
        }
        catch (PlatenException e)
        {
            findings.Add(new Finding(About, Verdict.Fail, e.Message, e.Advice));
            return ExitCode.Of(e);
        }
    }

    private enum Verdict
    {
        Ok,
        Warn,
        Fail,
    }

    private sealed record Finding(string About, Verdict Verdict, string What, string? Fix = null)
    {
        public JsonObject ToJson() =>
            new()
            {
                ["about"] = About,
                ["verdict"] = Verdict.ToString().ToLowerInvariant(),
                ["what"] = What,
                ["fix"] = Fix,
            };
    }
}
