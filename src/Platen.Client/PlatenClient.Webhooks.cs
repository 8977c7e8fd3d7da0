using System.Text.Json;
using Platen.Kernel;

namespace Platen.Client;

public sealed partial class PlatenClient
{
    /// <summary>The webhooks of a workspace, oldest first.</summary>
    /// <param name="workspace">Its slug or id; <c>platform</c> for the platform.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<IReadOnlyList<Webhook>> ListWebhooksAsync(string workspace, CancellationToken ct) =>
        (await GetAsync(Of(workspace) + "/webhooks", WebhooksClientJson.Default.WebhookList, ct)).Items;

    /// <summary>One webhook, or null.</summary>
    /// <param name="workspace">Its slug or id; <c>platform</c> for the platform.</param>
    /// <param name="id">Which.</param>
    /// <param name="ct">Cancels.</param>
    public Task<Versioned<Webhook>?> FindWebhookAsync(string workspace, Guid id, CancellationToken ct) =>
        FindAsync(WebhookPath(workspace, id), WebhooksClientJson.Default.Webhook, ct);

    /// <summary>Adds a webhook. Sent once: its secret is told in this answer only.</summary>
    public Task<Webhook> AddWebhookAsync(string workspace, WebhookOrder order, CancellationToken ct) =>
        PostAsync(
            Of(workspace) + "/webhooks",
            order,
            WebhooksClientJson.Default.WebhookOrder,
            WebhooksClientJson.Default.Webhook,
            once: false,
            ct
        );

    /// <summary>Pauses a webhook, or makes it active again.</summary>
    /// <param name="workspace">Its slug or id; <c>platform</c> for the platform.</param>
    /// <param name="id">Which.</param>
    /// <param name="status"><c>active</c> or <c>paused</c>.</param>
    /// <param name="condition">The version that was seen.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<Webhook> SetWebhookStatusAsync(
        string workspace,
        Guid id,
        string status,
        Precondition condition,
        CancellationToken ct
    )
    {
        using var answer = await SendAsync(
            HttpMethod.Patch,
            WebhookPath(workspace, id),
            condition,
            JsonSerializer.SerializeToUtf8Bytes(
                new WebhookStatusOrder(status),
                WebhooksClientJson.Default.WebhookStatusOrder
            ),
            ct
        );
        return await ReadAsync(answer, WebhooksClientJson.Default.Webhook, ct);
    }

    /// <summary>Removes a webhook, and what is kept of its messages.</summary>
    public async Task RemoveWebhookAsync(string workspace, Guid id, Precondition condition, CancellationToken ct)
    {
        using var answer = await SendAsync(HttpMethod.Delete, WebhookPath(workspace, id), condition, null, ct);
    }

    /// <summary>Gives a webhook another secret, which is told in this answer only.</summary>
    /// <param name="workspace">Its slug or id; <c>platform</c> for the platform.</param>
    /// <param name="id">Which.</param>
    /// <param name="overlapHours">How long the former secret goes on signing beside the new one, 0 to 168.</param>
    /// <param name="condition">The version that was seen.</param>
    /// <param name="ct">Cancels.</param>
    public async Task<Webhook> RotateWebhookSecretAsync(
        string workspace,
        Guid id,
        int overlapHours,
        Precondition condition,
        CancellationToken ct
    )
    {
        using var answer = await SendAsync(
            HttpMethod.Post,
            WebhookPath(workspace, id) + "/rotate-secret",
            condition,
            JsonSerializer.SerializeToUtf8Bytes(new SecretOrder(overlapHours), WebhooksClientJson.Default.SecretOrder),
            ct
        );
        return await ReadAsync(answer, WebhooksClientJson.Default.Webhook, ct);
    }

    /// <summary>Sends a webhook a message that tries it.</summary>
    public async Task<WebhookDelivery> PingWebhookAsync(string workspace, Guid id, CancellationToken ct)
    {
        using var answer = await SendAsync(HttpMethod.Post, WebhookPath(workspace, id) + "/ping", null, [], ct);
        return await ReadAsync(answer, WebhooksClientJson.Default.WebhookDelivery, ct);
    }

    /// <summary>What became of a webhook's messages, newest first, page after page until all are read.</summary>
    /// <param name="workspace">Its slug or id; <c>platform</c> for the platform.</param>
    /// <param name="id">Which.</param>
    /// <param name="status">Only <c>pending</c>, <c>delivered</c> or <c>dead</c> ones; null for all.</param>
    /// <param name="ct">Cancels.</param>
    public IAsyncEnumerable<WebhookDelivery> ListWebhookDeliveriesAsync(
        string workspace,
        Guid id,
        string? status,
        CancellationToken ct
    ) =>
        ListAsync(
            cursor => WebhookPath(workspace, id) + "/deliveries" + Query(("status", status), ("cursor", cursor)),
            WebhooksClientJson.Default.PageWebhookDelivery,
            ct
        );

    /// <summary>What became of one message.</summary>
    public Task<WebhookDelivery> GetWebhookDeliveryAsync(
        string workspace,
        Guid id,
        Guid delivery,
        CancellationToken ct
    ) => GetAsync(DeliveryPath(workspace, id, delivery), WebhooksClientJson.Default.WebhookDelivery, ct);

    /// <summary>Sends a message again that was delivered or given up, under the same id.</summary>
    public async Task<WebhookDelivery> RedeliverWebhookAsync(
        string workspace,
        Guid id,
        Guid delivery,
        CancellationToken ct
    )
    {
        using var answer = await SendAsync(
            HttpMethod.Post,
            DeliveryPath(workspace, id, delivery) + "/redeliver",
            null,
            [],
            ct
        );
        return await ReadAsync(answer, WebhooksClientJson.Default.WebhookDelivery, ct);
    }

    private static string WebhookPath(string workspace, Guid id) => $"{Of(workspace)}/webhooks/{id:D}";

    private static string DeliveryPath(string workspace, Guid id, Guid delivery) =>
        $"{WebhookPath(workspace, id)}/deliveries/{delivery:D}";
}
