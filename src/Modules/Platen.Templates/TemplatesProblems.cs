using Platen.Kernel;

namespace Platen.Templates;

/// <summary>What can go wrong with templates.</summary>
public static class TemplatesProblems
{
    public static readonly ProblemType MalformedTemplateName = new(
        "malformed-template-name",
        400,
        "This is not a template's name",
        "Use lower-case letters and digits joined by single '-', '_' or '.', at most 100 characters."
    );

    public static readonly ProblemType MalformedVersion = new(
        "malformed-version",
        400,
        "This is not a version",
        "Use Semantic Versioning 2.0 without build metadata, such as 1.4.0 or 2.0.0-rc.1."
    );

    public static readonly ProblemType NoSuchVersion = new(
        "no-such-version",
        404,
        "The template has no such version",
        "Pick one of the versions that the detail names, or a range that one of them is in."
    );

    public static readonly ProblemType NoSuchArtifact = new(
        "no-such-artifact",
        404,
        "The version has no such artifact",
        "Ask for one of the kinds that the detail names, or leave kind, role and path out to get the list."
    );

    public static readonly ProblemType AmbiguousArtifact = new(
        "ambiguous-artifact",
        409,
        "Several artifacts answer the question",
        "Narrow it with kind, role or path; 'paths' lists what there is."
    );

    public static readonly ProblemType VersionIsImmutable = new(
        "version-is-immutable",
        409,
        "A stable version cannot change",
        "Push the new content as a new version; 'changes' lists what differs."
    );

    public static readonly ProblemType StatusGoesForward = new(
        "status-goes-forward",
        409,
        "A version's status only goes forward",
        "Draft becomes stable, stable becomes deprecated; to go back, push a new version."
    );

    public static readonly ProblemType MissingBlobs = new(
        "missing-blobs",
        422,
        "The bytes of some artifacts are not there",
        "Upload the digests listed under 'missing', then repeat the request."
    );

    public static readonly ProblemType WrongDigest = new(
        "wrong-digest",
        422,
        "The bytes do not have the digest in the address",
        "Hash what you send with SHA-256; if that is the digest, the bytes were changed on their way."
    );

    public static readonly ProblemType TemplateDisabled = new(
        "template-disabled",
        409,
        "The template is switched off",
        "An operator has stopped its use; ask them, or switch it on again."
    );

    public static readonly ProblemType ReservedChannel = new(
        "reserved-channel",
        409,
        "The server itself moves this channel",
        "'latest' and 'stable' follow the versions; use 'default' or a channel of your own."
    );

    public static readonly ProblemType NeedsSecondPerson = new(
        "needs-second-person",
        403,
        "Somebody else has to decide this",
        "Who asks for a move of a protected channel cannot approve it, nor with another key of theirs; 'detail' says what is in the way."
    );
}
