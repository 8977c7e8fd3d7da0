using Platen.Platform.Postgres;

namespace Platen.Platform;

/// <summary>The engine room as a module: its SQL goes first, every other module's refers to it.</summary>
public static class PlatformModule
{
    /// <summary>The schema <c>platform</c>.</summary>
    public static readonly SqlModule Sql = new("platform", typeof(PlatformModule).Assembly);
}
