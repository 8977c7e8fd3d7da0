namespace Platen.Delivery;

/// <summary>What a request asks for.</summary>
internal enum Target
{
    Page,
    Manifest,
    Artifact,
}

/// <summary>
/// The paths that delivery answers, read without allocating:
/// <code>
/// /e/{publicId}                       Page
/// /w/{publicId}/manifest.json         Manifest
/// /w/{publicId}/{locale}.{hash}.json  Artifact   hash = 64 lower-case hexadecimal digits
/// </code>
/// Everything else below <c>/e/</c> and <c>/w/</c> is unknown, and answered here too.
/// </summary>
internal static class DeliveryPath
{
    private const int DigestDigits = 64;
    private const string Extension = ".json";

    public static bool Owns(string? path) =>
        path is { Length: > 2 } && path[0] == '/' && path[2] == '/' && path[1] is 'e' or 'w';

    public static bool TryRead(
        ReadOnlySpan<char> path,
        out Target target,
        out ReadOnlySpan<char> id,
        out ReadOnlySpan<char> file
    )
    {
        var page = path[1] == 'e';
        target = Target.Page;
        id = path[3..];
        file = [];
        var slash = id.IndexOf('/');
        if (page)
            return slash < 0 && !id.IsEmpty;
        if (slash <= 0)
            return false;
        file = id[(slash + 1)..];
        id = id[..slash];
        if (file is "manifest.json")
        {
            target = Target.Manifest;
            return true;
        }
        target = Target.Artifact;
        return IsArtifact(file);
    }

    /// <summary>Whether this is <c>{locale}.{hash}.json</c>.</summary>
    public static bool IsArtifact(ReadOnlySpan<char> file)
    {
        var dot = file.IndexOf('.');
        if (dot <= 0 || file.Length != dot + 1 + DigestDigits + Extension.Length || !file.EndsWith(Extension))
            return false;
        return LanguageChoice.IsTag(file[..dot]) && Kernel.Digest.TryParseHex(file.Slice(dot + 1, DigestDigits), out _);
    }
}
