namespace Platen.Registry;

/// <summary>What an address below <c>/v2/</c> is about. Names have slashes, so it is read from its end.</summary>
internal abstract record RegistryPath
{
    private RegistryPath() { }

    public sealed record Root : RegistryPath;

    public sealed record Catalog : RegistryPath;

    public sealed record Tags(string Name) : RegistryPath;

    public sealed record Referrers(string Name, string Digest) : RegistryPath;

    public sealed record Manifest(string Name, string Reference) : RegistryPath;

    public sealed record Blob(string Name, string Digest) : RegistryPath;

    public sealed record Uploads(string Name) : RegistryPath;

    public sealed record Upload(string Name, string Id) : RegistryPath;

    /// <summary>Reads what follows <c>/v2/</c>; null when it is nothing the specification has.</summary>
    public static RegistryPath? Parse(string path)
    {
        if (path.Length == 0)
            return new Root();
        if (path == "_catalog")
            return new Catalog();
        var parts = path.Split('/');
        string Name(int without) => string.Join('/', parts[..^without]);
        return parts switch
        {
            [_, .., "blobs", "uploads", ""] => new Uploads(Name(3)),
            [_, .., "blobs", "uploads"] => new Uploads(Name(2)),
            [_, .., "blobs", "uploads", var id] => new Upload(Name(3), id),
            [_, .., "tags", "list"] => new Tags(Name(2)),
            [_, .., "blobs", var digest] => new Blob(Name(2), digest),
            [_, .., "manifests", var reference] => new Manifest(Name(2), reference),
            [_, .., "referrers", var digest] => new Referrers(Name(2), digest),
            _ => null,
        };
    }
}
