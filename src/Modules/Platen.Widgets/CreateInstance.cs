using System.Security.Cryptography;
using System.Text.Json;
using Platen.Access;
using Platen.Kernel;
using Platen.Platform.Http;
using Platen.Platform.Postgres;
using Platen.Widgets.Packages;

namespace Platen.Widgets;

/// <summary>
/// Makes an instance in a workspace, under a generated id: from what was sent, from another instance that the workspace may read
/// (with its locales), or from the type's baseline. Sent twice with one Idempotency-Key it is made once.
/// </summary>
internal sealed class CreateInstance(
    PostgresPools pools,
    WidgetRegistry registry,
    SaveInstance save,
    SaveOverlay saveOverlay,
    Stage stage
)
{
    // Without those that are taken for another: no i, l, o, 0, 1.
    private const string KeyLetters = "abcdefghjkmnpqrstuvwxyz23456789";

    /// <param name="WidgetType">Null with <paramref name="From"/>: its type.</param>
    /// <param name="Config">Null for that of <paramref name="From"/>, or of the type's baseline.</param>
    /// <param name="From">The public id of the instance to duplicate.</param>
    public sealed record Body(
        string? WidgetType = null,
        JsonElement? Config = null,
        string? Status = null,
        string? BaseLocale = null,
        IReadOnlyList<string>? AllowedOrigins = null,
        string? From = null,
        string? Access = null
    );

    public async Task<SaveInstance.Outcome> RunAsync(
        Caller caller,
        Body body,
        IdempotencyKey? idempotencyKey,
        CancellationToken ct
    )
    {
        var (model, overlays) = await ModelAsync(caller, body, ct);
        var type = model?.WidgetType ?? body.WidgetType!;
        // A duplicate of the workspace's own shows itself to nobody whom its model was kept from.
        var own = model?.Home == InstanceHome.User ? model : null;
        if (!WidgetType.TryParse(type, out var parsed))
            throw KernelProblems
                .Invalid.Because("No type.", [new Fault("/widgetType", "Must be a widget type.")])
                .AsException();
        var id = new PublicId.User(parsed, Key(caller, idempotencyKey));
        stage.RefuseWrite(id);
        if (idempotencyKey is not null && await FindAsync(caller, id, ct) is { } made)
            return new SaveInstance.Outcome(made, Created: false);
        var content = new SaveInstance.Body(
            type,
            body.Config
                ?? model?.Config
                ?? throw KernelProblems
                    .Invalid.Because(
                        $"'{type}' has no baseline to begin with.",
                        [new Fault("/config", "Say what it shows, or duplicate another instance with 'from'.")]
                    )
                    .AsException(),
            body.Status ?? InstanceStatus.Published,
            body.BaseLocale ?? model?.BaseLocale,
            body.AllowedOrigins ?? own?.AllowedOrigins ?? [],
            body.Access ?? own?.Access
        );
        var saved = await save.RunAsync(caller, id, content, new Precondition.Absent(), ct);
        // A translation belongs to the text it was made from.
        if (body.Config is null)
        {
            foreach (var overlay in overlays)
            {
                var (kept, _) = overlay.Fitting(registry.Find(type), saved.Detail.Instance.Config);
                if (kept.Count > 0)
                    await saveOverlay.CopyAsync(caller, id, overlay.Locale, kept, ct);
            }
            if (overlays.Count > 0)
                return new SaveInstance.Outcome((await FindAsync(caller, id, ct))!, Created: true);
        }
        return saved;
    }

    /// <summary>What it begins as; null when the request says everything.</summary>
    private async Task<(Instance? Model, List<Overlay> Overlays)> ModelAsync(
        Caller caller,
        Body body,
        CancellationToken ct
    )
    {
        if (body.From is null && body.WidgetType is null)
        {
            throw KernelProblems
                .Invalid.Because("It must become something.", [new Fault("/widgetType", "Give a type, or 'from'.")])
                .AsException();
        }
        PublicId? from = null;
        if (body.From is not null)
            from = InstanceRequests.ParseId(body.From);
        else if (body.Config is null && WidgetType.TryParse(body.WidgetType, out var type))
            from = new PublicId.Baseline(type);
        if (from is null)
            return (null, []);
        await using var session = await pools.OpenAsync(caller.Operation("create instance"), ct);
        var model = await Instance.FindAsync(session, from, ct);
        if (model is null && body.From is not null)
            throw InstanceRequests.NotFound(from);
        if (model is not null && body.WidgetType is { } wanted && wanted != model.WidgetType)
        {
            throw KernelProblems
                .Invalid.Because(
                    $"'{from}' is a {model.WidgetType}.",
                    [new Fault("/widgetType", "Duplicate it as it is, and switch the type of the duplicate.")]
                )
                .AsException();
        }
        return (model, model is null || body.From is null ? [] : await Overlay.ListAsync(session, from, ct));
    }

    private async Task<InstanceDetail?> FindAsync(Caller caller, PublicId id, CancellationToken ct)
    {
        await using var session = await pools.OpenAsync(caller.Operation("create instance"), ct);
        return await InstanceDetail.FindAsync(session, id, Instance.Find(id), ct);
    }

    private static string Key(Caller caller, IdempotencyKey? key)
    {
        if (key is not { } given)
            return RandomNumberGenerator.GetString(KeyLetters, WidgetsLimits.GeneratedKeyLength);
        var bytes = given.IdFor(caller.Actor.Id, caller.Owner, "instance").ToByteArray();
        return string.Concat(
            bytes.Take(WidgetsLimits.GeneratedKeyLength).Select(b => KeyLetters[b % KeyLetters.Length])
        );
    }
}
