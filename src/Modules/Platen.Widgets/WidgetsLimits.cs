namespace Platen.Widgets;

/// <summary>Limits of the module, each with its reason.</summary>
internal static class WidgetsLimits
{
    /// <summary>Bytes of a config, canonical: a page has a budget of 10 KB; ten locales of a rich page stay far below.</summary>
    public const int ConfigBytes = 256 * 1024;

    /// <summary>Bytes of one file of a widget package.</summary>
    public const int PackageFileBytes = 64 * 1024;

    /// <summary>Locales of one instance: more than any real site translates to, and a publish renders each.</summary>
    public const int Locales = 60;

    /// <summary>Operations in one overlay: every string of a large config.</summary>
    public const int OverlayOps = 2_000;

    /// <summary>Sites that may show one instance: each is named in a header of every response.</summary>
    public const int AllowedOrigins = 50;

    /// <summary>Widget types of one server.</summary>
    public const int WidgetTypes = 500;
}
