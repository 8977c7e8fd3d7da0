using System.Collections.Frozen;
using System.Text.Json;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Platen.Access;
using Platen.Kernel;
using Platen.Platform.Postgres;

namespace Platen.Widgets;

/// <summary>
/// Publishes the sample instances on a server that has no instance at all, so that a newcomer has something to look at. It goes through
/// the same verbs as a request does, after the server is ready, and never touches a server that somebody has used.
/// </summary>
internal sealed partial class SampleContent(
    string folder,
    PostgresPools pools,
    SaveInstance saveInstance,
    SaveOverlay saveOverlay,
    PublishInstance publish,
    ILogger<SampleContent> logger
) : BackgroundService
{
    private static readonly Caller Server = new(
        Actor.System,
        OwnerId.Platform,
        FrozenSet.Create(StringComparer.Ordinal, Scopes.All)
    );

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!Directory.Exists(folder) || !await IsEmptyAsync(stoppingToken))
            return;
        foreach (var file in Directory.EnumerateFiles(folder, "*.json").Order(StringComparer.Ordinal))
        {
            try
            {
                await PublishAsync(file, stoppingToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // A sample is a courtesy: whatever is wrong with it, the server goes on.
                LogFailed(logger, Path.GetFileName(file), e);
            }
        }
    }

    private async Task<bool> IsEmptyAsync(CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(Server.Operation("look for content"), ct);
        return !await session.FirstAsync(
            "select exists (select from widgets.curated_widget_instances)",
            row => row.GetBoolean(0),
            ct
        );
    }

    private async Task PublishAsync(string path, CancellationToken ct)
    {
        await using var stream = File.OpenRead(path);
        using var document = await JsonDocument.ParseAsync(stream, cancellationToken: ct);
        var root = document.RootElement;
        var id = PublicId.Parse(root.GetProperty("publicId").GetString()!);
        var absent = new Precondition.Absent();
        var body = root.Deserialize<SaveInstance.Body>(JsonSerializerOptions.Web)!;
        var saved = await saveInstance.RunAsync(Server, id, body, absent, ct);
        if (root.TryGetProperty("locales", out var locales))
        {
            foreach (var locale in locales.EnumerateObject())
            {
                var ops = locale.Value.Deserialize<List<SaveOverlay.BodyOp>>(JsonSerializerOptions.Web)!;
                await saveOverlay.RunAsync(Server, id, locale.Name, new SaveOverlay.Body(ops), absent, ct);
            }
        }
        if (saved.Instance.Status != InstanceStatus.Unpublished)
        {
            var first = new PublishInstance.Body("sample content");
            await publish.RunAsync(Server, id, first, new Precondition.OneOf([saved.Instance.Tag]), ct);
        }
        LogPublished(logger, id.ToString());
    }

    [LoggerMessage(3001, LogLevel.Information, "Published the sample {PublicId}")]
    private static partial void LogPublished(ILogger logger, string publicId);

    [LoggerMessage(3002, LogLevel.Warning, "The sample {File} was left out")]
    private static partial void LogFailed(ILogger logger, string file, Exception reason);
}
