using System.Net;
using System.Text.Json.Nodes;
using Platen.Client;
using Platen.Kernel;
using Platen.Kernel.Templates;

namespace Platen.Cli.Commands;

/// <summary>Pushes a bundle: what is missing travels, a commit makes the version, a channel may follow. Running it again goes on.</summary>
internal sealed class TemplatePush(Invocation run, string status, bool setDefault, string? reason)
{
    /// <summary>Files on their way at once.</summary>
    private const int AtOnce = 8;

    /// <param name="Outcome">committed or unchanged.</param>
    /// <param name="Uploaded">How many files travelled.</param>
    /// <param name="UploadedBytes">How many bytes that was.</param>
    /// <param name="Default">What became of the default; null when it was not to be set.</param>
    public sealed record Result(
        string Outcome,
        TemplateVersionDetail Version,
        int Uploaded,
        long UploadedBytes,
        string? Default
    );

    public async Task<Result> RunAsync(TemplateFolder bundle, Action<int, int> progress, CancellationToken ct)
    {
        var finding = run.Client.FindTemplateVersionAsync(bundle.Name, bundle.Version, ct);
        var missing = await MissingAsync(bundle, ct);
        var before = await finding;
        var done = 0;
        progress(0, missing.Count);
        // Bytes that the store has lost travel again, whatever the version says.
        if (missing.Count == 0 && before is { Value.Status: not "draft" } && bundle.Is(before.Value))
            return new Result("unchanged", before.Value, 0, 0, await PointAsync(bundle, ct));
        await Parallel.ForEachAsync(
            missing,
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = ct },
            async (file, token) =>
            {
                await run.Client.PutTemplateBlobAsync(bundle.Name, file.Digest, file.Bytes, token);
                progress(Interlocked.Increment(ref done), missing.Count);
            }
        );
        var committed = await run.Client.CommitTemplateVersionAsync(
            bundle.Name,
            bundle.Version,
            new TemplateCommit(bundle.ToCommit(), status),
            before is null ? new Precondition.Absent() : before.Tag.StillCurrent(),
            ct
        );
        return new Result(
            committed.Value.Outcome,
            committed.Value.Version,
            missing.Count,
            missing.Sum(file => (long)file.Bytes.Length),
            await PointAsync(bundle, ct)
        );
    }

    private async Task<string?> PointAsync(TemplateFolder bundle, CancellationToken ct) =>
        setDefault
            ? await PointAsync(
                run,
                bundle.Name,
                "default",
                bundle.Version.ToString(),
                reason ?? $"push {bundle.Version}",
                ct
            )
            : null;

    /// <summary>What a push would do, found without writing.</summary>
    public async Task<int> CompareAsync(TemplateFolder bundle, CancellationToken ct)
    {
        var missing = await MissingAsync(bundle, ct);
        var before = await run.Client.FindTemplateVersionAsync(bundle.Name, bundle.Version, ct);
        var against = before?.Value ?? await LatestAsync(bundle.Name, ct);
        var lines = bundle.DifferencesFrom(against);
        var isThere = before is not null && lines.Count == 0;
        var refused = before is { Value.Status: not "draft" } && !isThere;
        var outcome =
            refused ? $"would be refused: the version is {before!.Value.Status} and differs"
            : isThere && before!.Value.Status == "draft" && status != "draft" ? "would make the draft stable"
            : isThere ? "unchanged"
            : "would push";
        run.Output.Document(
            new JsonObject
            {
                ["template"] = bundle.Name.Value,
                ["version"] = bundle.Version.ToString(),
                ["outcome"] = outcome,
                ["comparedWith"] = against?.Version,
                ["missing"] = missing.Count,
                ["missingBytes"] = missing.Sum(file => (long)file.Bytes.Length),
                ["changes"] = new JsonArray([.. lines.Select(line => JsonValue.Create(line))]),
            }
        );
        foreach (var line in lines)
            run.Output.Line(line);
        run.Output.Line(
            $"{bundle.Name} {bundle.Version}: {outcome}; {missing.Count} of {bundle.Files.Length} files would travel; nothing was written"
        );
        return refused ? ExitCode.Stale : ExitCode.Ok;
    }

    /// <summary>Points a channel at a version; says what became of it.</summary>
    public static async Task<string> PointAsync(
        Invocation run,
        TemplateName name,
        string channel,
        string version,
        string reason,
        CancellationToken ct
    )
    {
        var now = await run.Client.FindTemplateChannelAsync(name, channel, ct);
        if (now?.Value is { Candidate: null } same && same.Version == version)
            return $"{channel} is {version} already";
        var moved = await run.Client.MoveTemplateChannelAsync(
            name,
            channel,
            new TemplateChannelOrder(version, null, reason),
            now is null || now.Tag.IsNone ? new Precondition.Absent() : now.Tag.StillCurrent(),
            ct
        );
        return moved.Request is { } request
            ? $"{channel} is protected: request {request.Id} waits for a second person"
            : $"{channel} is {version} now (move {moved.Channel!.Revision})";
    }

    private async Task<List<(byte[] Bytes, Digest Digest)>> MissingAsync(TemplateFolder bundle, CancellationToken ct)
    {
        var digests = bundle.Files.Select(file => file.Digest).Distinct().ToList();
        var missing = await run.Client.FindMissingBlobsAsync(bundle.Name, [.. digests], ct);
        return
        [
            .. bundle
                .Files.Where(file => missing.Contains(file.Digest))
                .DistinctBy(file => file.Digest)
                .Select(file => (file.Bytes, file.Digest)),
        ];
    }

    private async Task<TemplateVersionDetail?> LatestAsync(TemplateName name, CancellationToken ct)
    {
        try
        {
            var latest = await run.Client.ResolveTemplateAsync(name, new TemplateQuestion("latest"), ct);
            return (
                await run.Client.FindTemplateVersionAsync(name, Kernel.Versions.SemVer.Parse(latest.Version), ct)
            )?.Value;
        }
        catch (PlatenProblemException e) when (e.Status is HttpStatusCode.NotFound or HttpStatusCode.Conflict)
        {
            // The first version of it, or one that is switched off: everything is new.
            return null;
        }
    }
}
