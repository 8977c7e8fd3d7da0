using Platen.Platform.Blobs;

namespace Platen.Registry;

/// <summary>The registry's limits, each with its reason.</summary>
public static class RegistryLimits
{
    /// <summary>Bytes of a manifest: what every OCI registry takes at least, and what the table holds at most.</summary>
    public const int ManifestBytes = 4 * 1024 * 1024;

    /// <summary>Levels of nesting in a manifest: the specification's own stay below 8.</summary>
    public const int ManifestDepth = 32;

    /// <summary>Blobs or manifests that one manifest refers to: as many files as a release may have.</summary>
    public const int References = 12_000;

    /// <summary>Characters of a repository name; with host and port it stays below what clients accept (255).</summary>
    public const int NameLength = 255;

    /// <summary>
    /// Characters of a repository and a tag together: with a word around them they name the stream that the tag's moves are
    /// announced on, which has 300.
    /// </summary>
    public const int NameAndTagLength = 291;

    /// <summary>Characters of an artifact type or a config's media type (RFC 6838 section 4.2 allows 127 on each side of the slash).</summary>
    public const int MediaTypeLength = 255;

    /// <summary>Entries on a page of tags or repositories, asked for or not: a page stays below 300 KB.</summary>
    public const int PageEntries = 1_000;

    /// <summary>Manifests read for one page of referrers.</summary>
    public const int PageReferrers = 100;

    /// <summary>Bytes of a page of referrers, which is a manifest to its reader; one more descriptor still fits below 4 MiB.</summary>
    public const int PageReferrersBytes = 3 * 1024 * 1024;

    /// <summary>
    /// Bytes of the manifests read for a page of referrers, after which none is begun: those of a page of usual ones are below 1 MiB, and
    /// with the last one it stays below 8 MiB.
    /// </summary>
    public const int PageReferrersReadBytes = 4 * 1024 * 1024;

    /// <summary>Bytes of one descriptor's annotations in a page of referrers; larger ones are left out, the manifest has them.</summary>
    public const int ReferrerAnnotationsBytes = 512 * 1024;

    /// <summary>Scopes that one token request can name: a copy between two repositories asks for two.</summary>
    public const int TokenScopes = 32;

    /// <summary>Characters of the repositories' names in a token: what is beyond is left out, and asked for again by itself.</summary>
    public const int TokenNamesLength = 1_500;

    /// <summary>Bytes of a token request's form.</summary>
    public const int TokenFormBytes = 16 * 1024;

    /// <summary>
    /// How long a token lasts, and with it a revoked key; nodes whose clocks differ allow five minutes more. Clients fetch a new one by
    /// themselves.
    /// </summary>
    public static readonly TimeSpan TokenLife = TimeSpan.FromMinutes(5);

    /// <summary>
    /// How long a body may be silent until its sender is taken for gone, and the upload is free for who goes on with it: a network loses
    /// connections without telling. A client is patient for longer.
    /// </summary>
    public static readonly TimeSpan Silence = TimeSpan.FromSeconds(15);

    /// <summary>Missing digests that a refusal lists.</summary>
    public const int ListedDigests = 100;

    /// <summary>Bytes of one blob unless the operator says less.</summary>
    public const long BlobBytes = BlobLimits.BlobBytes;

    /// <summary>
    /// Bytes of room in the owner's storage that a body of unknown length holds at a time: few enough that many at once find room, many
    /// enough that asking costs nothing beside sending them.
    /// </summary>
    internal const int HeldBytes = 8 * 1024 * 1024;

    /// <summary>Bytes of a block between the store and the connection; two are held, one being sent and one being read.</summary>
    internal const int CopyBytes = 256 * 1024;
}
