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
        try
        {
            if (!Directory.Exists(folder) || !await IsUntouchedAsync(stoppingToken))
                return;
            // The baselines first: they are what the server names when it is ready. A file is named as the instance in it.
            List<string> files =
            [
                .. Directory
                    .EnumerateFiles(folder, "*.json")
                    .OrderByDescending(f =>
                        PublicId.TryParse(Path.GetFileNameWithoutExtension(f), out var id) && id is PublicId.Baseline
                    )
                    .ThenBy(f => f, StringComparer.Ordinal),
            ];
            // They link to each other, and a link to what is not there is not published.
            var instances = new List<Instance>();
            foreach (var file in files)
                instances.Add(await SaveAsync(file, stoppingToken));
            foreach (var instance in instances)
                await PublishAsync(instance, stoppingToken);
        }
        catch (OperationCanceledException)
        {
            // The server stops; the next start takes it up.
        }
        catch (Exception e)
        {
            // Samples are a courtesy: whatever is wrong with them, the server goes on.
            LogFailed(logger, folder, e);
        }
    }

    /// <summary>Whether nobody has written anything: what the server itself began and could not finish does not count.</summary>
    private async Task<bool> IsUntouchedAsync(CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(Server.Operation("look for content"), ct);
        return !await session.FirstAsync(
            "select exists (select from widgets.curated_widget_instances where updated_by <> $1 or published_revision is not null)",
            row => row.GetBoolean(0),
            ct,
            Sql.Uuid(Server.Actor.Id.Value)
        );
    }

    private async Task<Instance> SaveAsync(string path, CancellationToken ct)
    {
        await using var stream = File.OpenRead(path);
        using var document = await JsonDocument.ParseAsync(stream, cancellationToken: ct);
        var root = document.RootElement;
        var id = PublicId.Parse(root.GetProperty("publicId").GetString()!);
        var body = root.Deserialize<SaveInstance.Body>(JsonSerializerOptions.Web)!;
        var (instance, written) = await FindAsync(id, ct);
        instance ??= (await saveInstance.RunAsync(Server, id, body, new Precondition.Absent(), ct)).Detail.Instance;
        if (root.TryGetProperty("locales", out var locales))
        {
            foreach (var locale in locales.EnumerateObject().Where(l => !written.Contains(l.Name)))
            {
                var ops = locale.Value.Deserialize<List<SaveOverlay.BodyOp?>>(JsonSerializerOptions.Web)!;
                var overlay = new SaveOverlay.Body(ops);
                await saveOverlay.RunAsync(Server, id, locale.Name, overlay, new Precondition.Absent(), ct);
            }
        }
        return instance;
    }

    private async Task PublishAsync(Instance instance, CancellationToken ct)
    {
        if (instance.Status == InstanceStatus.Unpublished)
            return;
        var id = PublicId.Parse(instance.PublicId);
        var first = new PublishInstance.Body("sample content");
        await publish.RunAsync(Server, id, first, new Precondition.OneOf([instance.Tag]), ct);
        LogPublished(logger, instance.PublicId);
    }

    /// <summary>What an interrupted start left behind.</summary>
    private async Task<(Instance? Instance, IReadOnlyList<string> Locales)> FindAsync(PublicId id, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(Server.Operation("look for content"), ct);
        var overlays = await Overlay.ListAsync(session, id, ct);
        return (await Instance.FindAsync(session, id, ct), [.. overlays.Select(o => o.Locale)]);
    }

    [LoggerMessage(3001, LogLevel.Information, "Published the sample {PublicId}")]
    private static partial void LogPublished(ILogger logger, string publicId);

    [LoggerMessage(3002, LogLevel.Warning, "The samples of {Folder} could not be published")]
    private static partial void LogFailed(ILogger logger, string folder, Exception reason);
}
