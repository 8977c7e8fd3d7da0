using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Platen.Server.Tests.People;

/// <summary>
/// A passkey in software: one ES256 key for one site, as an authenticator makes it (WebAuthn level 3 sections 6.1 and 6.5).
/// What a browser would refuse to do can be asked of it.
/// </summary>
internal sealed class SoftAuthenticator : IDisposable
{
    private readonly ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly byte[] credentialId = RandomNumberGenerator.GetBytes(32);
    private string? userHandle;

    /// <summary>The site's name that it signs for.</summary>
    public string Site { get; set; } = "localhost";

    /// <summary>How often it has signed.</summary>
    public uint Count { get; set; }

    /// <summary>Whether it says that it has verified its user.</summary>
    public bool VerifiesUser { get; set; } = true;

    /// <summary>Answers the options of a registration.</summary>
    public JsonNode Register(JsonNode options, string origin)
    {
        userHandle = options["user"]!["id"]!.GetValue<string>();
        var point = key.ExportParameters(includePrivateParameters: false).Q;
        // A COSE key (RFC 9053 section 7.1): {1: 2, 3: -7, -1: 1, -2: x, -3: y}.
        byte[] cose =
        [
            0xA5,
            0x01,
            0x02,
            0x03,
            0x26,
            0x20,
            0x01,
            0x21,
            0x58,
            0x20,
            .. point.X!,
            0x22,
            0x58,
            0x20,
            .. point.Y!,
        ];
        byte[] attested = [.. new byte[16], 0, 32, .. credentialId, .. cose];
        byte[] data = [.. AuthenticatorData(attestedFollows: true), .. attested];
        // {"fmt": "none", "attStmt": {}, "authData": data}.
        byte[] attestation =
        [
            0xA3,
            0x63,
            .. "fmt"u8,
            0x64,
            .. "none"u8,
            0x67,
            .. "attStmt"u8,
            0xA0,
            0x68,
            .. "authData"u8,
            0x58,
            (byte)data.Length,
            .. data,
        ];
        return Credential(
            new JsonObject
            {
                ["clientDataJSON"] = Encode(ClientData("webauthn.create", options, origin)),
                ["attestationObject"] = Encode(attestation),
                ["transports"] = new JsonArray("internal"),
            }
        );
    }

    /// <summary>Answers the options of a sign-in.</summary>
    public JsonNode SignIn(JsonNode options, string origin)
    {
        Count++;
        var data = AuthenticatorData(attestedFollows: false);
        var clientData = ClientData("webauthn.get", options, origin);
        var signature = key.SignData(
            [.. data, .. SHA256.HashData(clientData)],
            HashAlgorithmName.SHA256,
            DSASignatureFormat.Rfc3279DerSequence
        );
        return Credential(
            new JsonObject
            {
                ["clientDataJSON"] = Encode(clientData),
                ["authenticatorData"] = Encode(data),
                ["signature"] = Encode(signature),
                ["userHandle"] = userHandle,
            }
        );
    }

    public void Dispose() => key.Dispose();

    private byte[] AuthenticatorData(bool attestedFollows)
    {
        var count = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(count, Count);
        var flags = (byte)(0x01 | (VerifiesUser ? 0x04 : 0) | (attestedFollows ? 0x40 : 0));
        return [.. SHA256.HashData(Encoding.UTF8.GetBytes(Site)), flags, .. count];
    }

    private static byte[] ClientData(string type, JsonNode options, string origin) =>
        Encoding.UTF8.GetBytes(
            new JsonObject
            {
                ["type"] = type,
                ["challenge"] = options["challenge"]!.GetValue<string>(),
                ["origin"] = origin,
                ["crossOrigin"] = false,
            }.ToJsonString()
        );

    private JsonObject Credential(JsonObject response) =>
        new()
        {
            ["id"] = Encode(credentialId),
            ["rawId"] = Encode(credentialId),
            ["type"] = "public-key",
            ["authenticatorAttachment"] = "platform",
            ["clientExtensionResults"] = new JsonObject(),
            ["response"] = response,
        };

    private static string Encode(byte[] bytes) => Base64Url.EncodeToString(bytes);
}
