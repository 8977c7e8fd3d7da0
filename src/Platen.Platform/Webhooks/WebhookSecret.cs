using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Platen.Platform.Webhooks;

/// <summary>
/// What messages are signed with, as Standard Webhooks has it: random bytes, printed as <c>whsec_</c> and their Base64. Equal bytes are
/// equal secrets. Printing one by accident shows nothing.
/// </summary>
public sealed class WebhookSecret
{
    /// <summary>How a printed secret begins.</summary>
    public const string Prefix = "whsec_";

    internal WebhookSecret(byte[] bytes) => Bytes = bytes;

    internal byte[] Bytes { get; }

    /// <summary>A new one.</summary>
    public static WebhookSecret Generate() => new(RandomNumberGenerator.GetBytes(WebhookLimits.SecretBytes));

    /// <summary>The secret itself, to be told once.</summary>
    public string Reveal() => Prefix + Convert.ToBase64String(Bytes);

    /// <summary>
    /// One part of the field <c>webhook-signature</c>: <c>v1,</c> and the Base64 of the HMAC-SHA-256 of <c>id.timestamp.body</c>.
    /// </summary>
    /// <param name="id">As the field <c>webhook-id</c>.</param>
    /// <param name="timestamp">As the field <c>webhook-timestamp</c>, in seconds of Unix time.</param>
    /// <param name="body">The bytes that are sent.</param>
    public string Sign(string id, long timestamp, ReadOnlySpan<byte> body)
    {
        var head = Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{id}.{timestamp}."));
        using var mac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, Bytes);
        mac.AppendData(head);
        mac.AppendData(body);
        return "v1," + Convert.ToBase64String(mac.GetHashAndReset());
    }

    public override string ToString() => Prefix + "…";
}
