namespace Platen.Access;

/// <summary>What the module is told about the process that it is a part of.</summary>
public sealed record AccessOptions
{
    /// <summary>The domain that workspaces' sites live under: <c>{slug}.{Domain}</c>.</summary>
    public string Domain { get; init; } = "localhost";

    /// <summary>The stage that this server is: <c>standalone</c>, <c>authoring</c> or <c>cloud</c>. A key for another is refused.</summary>
    public string Stage { get; init; } = "standalone";

    /// <summary>The address that links in mail lead to; null when the operator has set none.</summary>
    public Uri? PublicUrl { get; init; }
}
