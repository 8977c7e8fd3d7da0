using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Platen.Platform.Blobs;

/// <summary>
/// The instruments of the meter <c>Platen.Blobs</c>. Tags: <c>store</c> (file, s3), <c>operation</c> and <c>outcome</c> (the
/// outcome's name in lower case, or <c>failed</c>); never an owner or a digest, which have no bound.
/// </summary>
internal static class BlobMetrics
{
    public const string MeterName = "Platen.Blobs";

    private static readonly Meter Meter = new(MeterName);

    private static readonly Counter<long> Read = Meter.CreateCounter<long>(
        "platen.blobs.read",
        "By",
        "Bytes of blobs read out of the store"
    );

    private static readonly Counter<long> Written = Meter.CreateCounter<long>(
        "platen.blobs.written",
        "By",
        "Bytes of blobs and uploads written to the store"
    );

    private static readonly Counter<long> Operations = Meter.CreateCounter<long>(
        "platen.blobs.operations",
        "{operation}",
        "Operations on the store, by how they ended"
    );

    private static readonly Histogram<double> Durations = Meter.CreateHistogram<double>(
        "platen.blobs.operation.duration",
        "s",
        "How long an operation took; a read counts until its stream is open",
        advice: new InstrumentAdvice<double>
        {
            HistogramBucketBoundaries =
            [
                0.0005,
                0.001,
                0.0025,
                0.005,
                0.01,
                0.025,
                0.05,
                0.1,
                0.25,
                0.5,
                1,
                2.5,
                5,
                10,
                60,
            ],
        }
    );

    private static readonly Counter<long> Corruptions = Meter.CreateCounter<long>(
        "platen.blobs.corruptions",
        "{blob}",
        "Blobs whose stored bytes did not have their digest"
    );

    public static void BytesRead(string store, long bytes) => Read.Add(bytes, Tag("store", store));

    public static void BytesWritten(string store, long bytes) => Written.Add(bytes, Tag("store", store));

    public static void Corrupted(string store) => Corruptions.Add(1, Tag("store", store));

    /// <summary>Runs an operation and records how long it took and how it ended.</summary>
    public static async Task<T> MeasureAsync<T>(string store, string operation, Func<Task<T>> run)
    {
        var started = Stopwatch.GetTimestamp();
        var outcome = "failed";
        try
        {
            var result = await run();
            outcome = NameOf(result);
            return result;
        }
        finally
        {
            var tags = new TagList { Tag("store", store), Tag("operation", operation), Tag("outcome", outcome) };
            Operations.Add(1, tags);
            Durations.Record(Stopwatch.GetElapsedTime(started).TotalSeconds, tags);
        }
    }

    private static string NameOf<T>(T result) =>
        result switch
        {
            PutOutcome or OpenOutcome or BeginUploadOutcome or AppendOutcome or CompleteUploadOutcome => result
                .GetType()
                .Name.ToLowerInvariant(),
            false or null => "missing",
            _ => "done",
        };

    private static KeyValuePair<string, object?> Tag(string name, string value) => new(name, value);
}
