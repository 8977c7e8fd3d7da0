using Platen.Kernel;

namespace Platen.Registry;

/// <summary>
/// The error codes of the OCI distribution specification 1.1 ("Error Codes"), each as a problem. A client of the registry reads
/// them in the specification's form, which <see cref="RegistryErrorFormat"/> writes.
/// </summary>
public static class RegistryProblems
{
    public static readonly ProblemType BlobUnknown = new(
        "registry-blob-unknown",
        404,
        "The repository has no such blob",
        "Push the blob into this repository, or mount it from another one."
    );

    public static readonly ProblemType UploadUnknown = new(
        "registry-upload-unknown",
        404,
        "The repository has no such upload",
        "Begin a new one: an upload ends when it is completed, cancelled, found wrong, or a day old."
    );

    public static readonly ProblemType UploadBusy = new(
        "registry-upload-busy",
        409,
        "Another request is writing to this upload",
        "Ask where the upload stands when the other request has ended, and go on from there."
    );

    public static readonly ProblemType UploadRange = new(
        "registry-upload-range",
        416,
        "The chunk does not begin where the upload stands",
        "Go on after the last byte that the Range header names."
    );

    public static readonly ProblemType RangeInvalid = new(
        "registry-range-invalid",
        416,
        "The blob has no such range",
        "Ask for bytes below the size that the Content-Range header names."
    );

    public static readonly ProblemType DigestInvalid = new(
        "registry-digest-invalid",
        400,
        "The digest is malformed, or not that of the content",
        "Send 'sha256:' and the 64 lower-case hexadecimal digits of the content's SHA-256."
    );

    public static readonly ProblemType SizeInvalid = new(
        "registry-size-invalid",
        400,
        "The size is not that of the content",
        "Send as many bytes as the request or the descriptor says."
    );

    public static readonly ProblemType TooLarge = new(
        "registry-too-large",
        413,
        "The content is larger than this registry takes",
        "Keep to the limit that the detail names, or ask the operator to raise it."
    );

    public static readonly ProblemType ManifestInvalid = new(
        "registry-manifest-invalid",
        400,
        "The manifest is not valid",
        "Push an OCI or Docker image manifest or index; the detail names the fault."
    );

    public static readonly ProblemType ManifestBlobUnknown = new(
        "registry-manifest-blob-unknown",
        404,
        "The manifest refers to something that the repository does not have",
        "Push the blobs and manifests that the detail lists into this repository first."
    );

    public static readonly ProblemType ManifestUnknown = new(
        "registry-manifest-unknown",
        404,
        "The repository has no such manifest",
        "Check tag or digest, and that the Accept header allows the manifest's media type."
    );

    public static readonly ProblemType NameInvalid = new(
        "registry-name-invalid",
        400,
        "This is not a repository name or tag",
        "Use lower-case letters and digits, separated by '.', '_', '__', '-' and '/'; docs/reference/registry.md has the grammar."
    );

    public static readonly ProblemType NameUnknown = new(
        "registry-name-unknown",
        404,
        "There is no such repository",
        "Check the name, and that the key you use belongs to its owner."
    );

    public static readonly ProblemType InsufficientToken = new(
        "registry-insufficient-token",
        401,
        "The token does not reach this repository",
        "Ask the token endpoint for the scope that the challenge names."
    );

    public static readonly ProblemType Denied = new(
        "registry-denied",
        403,
        "The repository cannot be written like this",
        "Read the detail: it names the scope or the publish that is needed."
    );

    public static readonly ProblemType Unsupported = new(
        "registry-unsupported",
        405,
        "The registry does not do this",
        "Read the detail: it names what is in the way."
    );

    public static readonly ProblemType TooManyUploads = new(
        "registry-too-many-uploads",
        429,
        "Too many uploads are open",
        "Complete or cancel one; unfinished ones end by themselves after a day."
    );

    public static readonly ProblemType PageInvalid = new(
        "registry-page-invalid",
        400,
        "The page cannot be read from the query",
        "Send 'n' as a number from 0."
    );
}
