namespace Platen.Platform.Blobs;

/// <summary>The configured location of a blob store cannot be used; the message says why and what would do.</summary>
public sealed class BlobLocationException : Exception
{
    public BlobLocationException(string message)
        : base(message) { }

    public BlobLocationException(string message, Exception cause)
        : base(message, cause) { }
}
