namespace Platen.Widgets;

/// <summary>Limits of the module, each with its reason.</summary>
internal static class WidgetsLimits
{
    /// <summary>Bytes of a config, canonical: a page has a budget of 10 KB; ten locales of a rich page stay far below.</summary>
    public const int ConfigBytes = 256 * 1024;

    /// <summary>Bytes of one file of a widget package.</summary>
    public const int PackageFileBytes = 64 * 1024;

    /// <summary>Files of one widget package: manifest, schema, template, styles and shared sheets.</summary>
    public const int PackageFiles = 20;

    /// <summary>Instances that change together: what is live waits for all of them, and so does who publishes.</summary>
    public const int CutoverItems = 2_000;

    /// <summary>Of those, how many are rendered and stored together: a few megabytes, and a hundred files that share a disk's commits.</summary>
    public const int StoredTogether = 8;

    /// <summary>How many times <see cref="StoredTogether"/> are on their way to the store at once, so that others render meanwhile.</summary>
    public const int StoredAtOnce = 4;

    /// <summary>Bytes of a request for a cut-over: every item names an id and two digests.</summary>
    public const int CutoverBytes = 1024 * 1024;

    /// <summary>How far ahead a cut-over is scheduled at most.</summary>
    public static readonly TimeSpan CutoverAhead = TimeSpan.FromDays(366);

    /// <summary>How long a link to a preview holds unless asked otherwise.</summary>
    public static readonly TimeSpan PreviewLife = TimeSpan.FromHours(1);

    /// <summary>How long a link to a preview holds at most: shorter than unreferenced releases are kept.</summary>
    public static readonly TimeSpan LongestPreviewLife = TimeSpan.FromHours(24);

    /// <summary>Links to previews of one owner at a time.</summary>
    public const int PreviewLinks = 1_000;

    /// <summary>Instances on a page of a link to several: a page that is read at a glance and loads at once.</summary>
    public const int PreviewedTogether = 100;

    /// <summary>Locales of one instance: more than any real site translates to, and a publish renders each.</summary>
    public const int Locales = 60;

    /// <summary>Operations in one overlay: every string of a large config.</summary>
    public const int OverlayOps = 2_000;

    /// <summary>Findings of the publish gates named in an audit entry: it has a bounded size, and says how many there were.</summary>
    public const int AuditedFindings = 10;

    /// <summary>Sites that may show one instance: each is named in a header of every response.</summary>
    public const int AllowedOrigins = 50;

    /// <summary>Characters of a search text: more is not typed.</summary>
    public const int SearchLength = 100;

    /// <summary>
    /// Statements of a cut-over that go to the database in one round trip: those of 50 instances without locales. More would save nothing, and
    /// have their parameters in memory.
    /// </summary>
    public const int StatementsTogether = 200;

    /// <summary>Differences listed between two versions: beyond that nobody reads them one by one.</summary>
    public const int Differences = 1_000;

    /// <summary>Random characters in a generated key, of 31: nobody guesses another's, and an address stays short.</summary>
    public const int GeneratedKeyLength = 12;

    /// <summary>How long a deleted instance can be had back.</summary>
    public static readonly TimeSpan DeletionGrace = TimeSpan.FromDays(30);

    /// <summary>Widget types of one server.</summary>
    public const int WidgetTypes = 500;
}
