using System.Diagnostics.Metrics;

namespace Platen.Platform.Webhooks;

internal static class WebhookTelemetry
{
    private static readonly Meter Meter = new("Platen.Webhooks");

    private static readonly Counter<long> Attempts = Meter.CreateCounter<long>(
        "platen.webhooks.attempts",
        "{attempt}",
        "Messages sent to webhooks, by outcome: delivered, refused (answered otherwise), unanswered."
    );

    private static readonly Histogram<double> Duration = Meter.CreateHistogram<double>(
        "platen.webhooks.duration",
        "s",
        "How long receivers take to answer."
    );

    public static void Sent(WebhookAnswer answer, TimeSpan took)
    {
        var outcome =
            answer.IsDelivered ? "delivered"
            : answer.Code is null ? "unanswered"
            : "refused";
        Attempts.Add(1, new KeyValuePair<string, object?>("outcome", outcome));
        Duration.Record(took.TotalSeconds, new KeyValuePair<string, object?>("outcome", outcome));
    }
}
