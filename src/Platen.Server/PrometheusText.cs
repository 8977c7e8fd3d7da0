using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace Platen.Server;

/// <summary>
/// Collects every instrument of the meters it listens to and writes them as Prometheus text (exposition format 0.0.4). Names follow
/// the OpenTelemetry conversion: dots become underscores, the unit is appended, counters end in <c>_total</c>. Thread-safe.
/// </summary>
internal sealed class PrometheusText : IDisposable
{
    public const string MediaType = "text/plain";
    public const string ContentType = $"{MediaType}; version=0.0.4; charset=utf-8";

    /// <summary>Label sets of one instrument; beyond it a bug is filling memory, so further ones are counted and dropped.</summary>
    private const int MostSeries = 2_000;

    private static readonly double[] SecondsBuckets =
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
    ];

    private static readonly double[] OtherBuckets = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

    private readonly MeterListener listener = new();
    private readonly ConcurrentDictionary<Instrument, Family> families = new();
    private long droppedSeries;
    private int made;

    /// <param name="meters">Names of meters, or beginnings of names.</param>
    public PrometheusText(IReadOnlyList<string> meters)
    {
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (meters.Any(m => instrument.Meter.Name.StartsWith(m, StringComparison.Ordinal)))
                self.EnableMeasurementEvents(instrument, Family.Of(this, instrument));
        };
        listener.SetMeasurementEventCallback<long>((_, value, tags, family) => ((Family)family!).Record(value, tags));
        listener.SetMeasurementEventCallback<int>((_, value, tags, family) => ((Family)family!).Record(value, tags));
        listener.SetMeasurementEventCallback<double>((_, value, tags, family) => ((Family)family!).Record(value, tags));
        listener.SetMeasurementEventCallback<float>((_, value, tags, family) => ((Family)family!).Record(value, tags));
        listener.Start();
    }

    /// <summary>Everything measured so far.</summary>
    public string Write()
    {
        // One scrape at a time: an observed instrument tells its values anew for each.
        lock (listener)
            return WriteAll();
    }

    private string WriteAll()
    {
        foreach (var family in families.Values)
            family.ForgetObserved();
        listener.RecordObservableInstruments();
        var text = new StringBuilder(32 * 1024);
        foreach (var group in families.Values.GroupBy(f => f.Name).OrderBy(g => g.Key, StringComparer.Ordinal))
        {
            var twins = group.OrderBy(family => family.Number).ToList();
            twins[0].WriteHeader(text);
            twins[0].WriteSeries(text, twins);
        }
        text.Append("# HELP platen_metrics_dropped_series_total Series that were one too many and are not told.\n");
        text.Append("# TYPE platen_metrics_dropped_series_total counter\n");
        text.Append(
            CultureInfo.InvariantCulture,
            $"platen_metrics_dropped_series_total {Interlocked.Read(ref droppedSeries)}\n"
        );
        return text.ToString();
    }

    public void Dispose() => listener.Dispose();

    private enum Kind
    {
        Counter,
        Gauge,
        UpDown,
        Histogram,
    }

    private sealed class Family
    {
        private readonly PrometheusText owner;
        private readonly Kind kind;
        private readonly bool observed;
        private readonly string help;
        private readonly double[] buckets;
        private readonly ConcurrentDictionary<string, Series> series = new(StringComparer.Ordinal);

        // The same series, found by the tags as they come: a measurement of a request writes no text.
        private readonly ConcurrentDictionary<KeyValuePair<string, object?>[], Series> byTags = new(Tags.Comparer);
        private readonly ConcurrentDictionary<KeyValuePair<string, object?>[], Series>.AlternateLookup<
            ReadOnlySpan<KeyValuePair<string, object?>>
        > bySpan;

        private Family(PrometheusText owner, Instrument instrument)
        {
            this.owner = owner;
            bySpan = byTags.GetAlternateLookup<ReadOnlySpan<KeyValuePair<string, object?>>>();
            var generic = instrument.GetType().GetGenericTypeDefinition();
            observed = instrument.IsObservable;
            kind =
                generic == typeof(Counter<>) || generic == typeof(ObservableCounter<>) ? Kind.Counter
                : generic == typeof(Histogram<>) ? Kind.Histogram
                : generic == typeof(UpDownCounter<>) ? Kind.UpDown
                : Kind.Gauge;
            Name = NameOf(instrument, kind);
            Number = Interlocked.Increment(ref owner.made);
            help = instrument.Description ?? "";
            buckets = instrument.Unit == "s" ? SecondsBuckets : OtherBuckets;
        }

        public string Name { get; }

        /// <summary>Which one it is, in the order of their making.</summary>
        public int Number { get; }

        public static Family Of(PrometheusText owner, Instrument instrument) =>
            owner.families.GetOrAdd(instrument, static (i, o) => new Family(o, i), owner);

        public void Record(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            if (!bySpan.TryGetValue(tags, out var one) && (one = Find(tags)) is null)
                return;
            lock (one)
            {
                if (observed)
                    one.Sum += value;
                else if (kind == Kind.Gauge)
                    one.Sum = value;
                else
                    one.Sum += value;
                if (kind != Kind.Histogram)
                    return;
                one.Count++;
                var at = 0;
                while (at < buckets.Length && value > buckets[at])
                    at++;
                one.Buckets[at]++;
            }
        }

        private Series? Find(ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            var labels = LabelsOf(tags);
            if (!series.TryGetValue(labels, out var one))
            {
                if (series.Count >= MostSeries)
                {
                    Interlocked.Increment(ref owner.droppedSeries);
                    return null;
                }
                one = series.GetOrAdd(labels, _ => new Series(kind == Kind.Histogram ? buckets.Length + 1 : 0));
            }
            // The same labels in another order are another entry, of the same series.
            if (!observed && byTags.Count < MostSeries)
                byTags[tags.ToArray()] = one;
            return one;
        }

        /// <summary>An observed instrument tells its whole value at every look, and a series it no longer tells is gone.</summary>
        public void ForgetObserved()
        {
            if (observed)
                series.Clear();
        }

        public void WriteHeader(StringBuilder text)
        {
            if (help.Length > 0)
                text.Append("# HELP ")
                    .Append(Name)
                    .Append(' ')
                    .Append(help.Replace("\\", @"\\").Replace("\n", @"\n"))
                    .Append('\n');
            text.Append("# TYPE ")
                .Append(Name)
                .Append(
                    kind switch
                    {
                        Kind.Counter => " counter\n",
                        Kind.Histogram => " histogram\n",
                        _ => " gauge\n",
                    }
                );
        }

        /// <summary>
        /// Writes what all instruments of the name have measured, each label set once: every host in the process has meters of its own,
        /// with the same names. What is counted is added up; of gauges the last instrument's is told.
        /// </summary>
        /// <param name="text">Where to.</param>
        /// <param name="twins">Those of this name, this one included. One that measures otherwise cannot stand under the same header.</param>
        public void WriteSeries(StringBuilder text, IEnumerable<Family> twins)
        {
            var all = new SortedDictionary<string, Series>(StringComparer.Ordinal);
            foreach (var (labels, one) in twins.Where(IsLike).SelectMany(twin => twin.series))
            {
                if (!all.TryGetValue(labels, out var sum))
                    all.Add(labels, sum = new Series(one.Buckets.Length));
                lock (one)
                    sum.Take(one, adds: kind != Kind.Gauge);
            }
            foreach (var (labels, one) in all)
            {
                if (kind == Kind.Histogram)
                    WriteHistogram(text, labels, one);
                else
                    WriteLine(text, Name, labels, one.Sum);
            }
        }

        private bool IsLike(Family other) => kind == other.kind && buckets.Length == other.buckets.Length;

        private void WriteHistogram(StringBuilder text, string labels, Series one)
        {
            var before = labels.Length == 0 ? "" : labels + ",";
            var sum = 0L;
            for (var i = 0; i <= buckets.Length; i++)
            {
                sum += one.Buckets[i];
                var bound = i < buckets.Length ? buckets[i].ToString("R", CultureInfo.InvariantCulture) : "+Inf";
                WriteLine(text, Name + "_bucket", $"{before}le=\"{bound}\"", sum);
            }
            WriteLine(text, Name + "_sum", labels, one.Sum);
            WriteLine(text, Name + "_count", labels, one.Count);
        }

        private static void WriteLine(StringBuilder text, string name, string labels, double value)
        {
            text.Append(name);
            if (labels.Length > 0)
                text.Append('{').Append(labels).Append('}');
            text.Append(' ').Append(value.ToString("R", CultureInfo.InvariantCulture)).Append('\n');
        }

        private static string LabelsOf(ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            if (tags.IsEmpty)
                return "";
            var labels = new StringBuilder();
            foreach (var (key, value) in tags)
            {
                if (labels.Length > 0)
                    labels.Append(',');
                var text = Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
                labels
                    .Append(Plain(key))
                    .Append("=\"")
                    .Append(text.Replace("\\", @"\\").Replace("\"", "\\\"").Replace("\n", @"\n"))
                    .Append('"');
            }
            return labels.ToString();
        }

        private static string NameOf(Instrument instrument, Kind kind)
        {
            var name = Plain(instrument.Name);
            var unit = instrument.Unit switch
            {
                "s" => "seconds",
                "ms" => "milliseconds",
                "By" => "bytes",
                "%" or "1" => "ratio",
                null or "" => "",
                ['{', ..] => "",
                var other => Plain(other),
            };
            if (unit.Length > 0 && !name.EndsWith("_" + unit, StringComparison.Ordinal))
                name += "_" + unit;
            return kind == Kind.Counter && !name.EndsWith("_total", StringComparison.Ordinal) ? name + "_total" : name;
        }

        private static string Plain(string name) =>
            string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) ? c : '_'));
    }

    private sealed class Series(int bucketCount)
    {
        public double Sum { get; set; }

        public long Count { get; set; }

        public long[] Buckets { get; } = new long[bucketCount];

        /// <summary>Adds what another has, or has what the other has.</summary>
        public void Take(Series other, bool adds)
        {
            Sum = adds ? Sum + other.Sum : other.Sum;
            Count += other.Count;
            for (var i = 0; i < Buckets.Length; i++)
                Buckets[i] += other.Buckets[i];
        }
    }

    /// <summary>Tags are the same when their names and values are, in the same order.</summary>
    private sealed class Tags
        : IEqualityComparer<KeyValuePair<string, object?>[]>,
            IAlternateEqualityComparer<ReadOnlySpan<KeyValuePair<string, object?>>, KeyValuePair<string, object?>[]>
    {
        public static readonly Tags Comparer = new();

        public bool Equals(KeyValuePair<string, object?>[]? x, KeyValuePair<string, object?>[]? y) =>
            ReferenceEquals(x, y)
            || (x is not null && y is not null && Equals((ReadOnlySpan<KeyValuePair<string, object?>>)x, y));

        public int GetHashCode(KeyValuePair<string, object?>[] obj) =>
            GetHashCode((ReadOnlySpan<KeyValuePair<string, object?>>)obj);

        public bool Equals(ReadOnlySpan<KeyValuePair<string, object?>> alternate, KeyValuePair<string, object?>[] other)
        {
            if (alternate.Length != other.Length)
                return false;
            for (var i = 0; i < other.Length; i++)
            {
                if (alternate[i].Key != other[i].Key || !Equals(alternate[i].Value, other[i].Value))
                    return false;
            }
            return true;
        }

        public int GetHashCode(ReadOnlySpan<KeyValuePair<string, object?>> alternate)
        {
            var hash = new HashCode();
            // The values tell series apart; the names are the instrument's.
            foreach (var (_, value) in alternate)
                hash.Add(value);
            return hash.ToHashCode();
        }

        public KeyValuePair<string, object?>[] Create(ReadOnlySpan<KeyValuePair<string, object?>> alternate) =>
            alternate.ToArray();
    }
}
