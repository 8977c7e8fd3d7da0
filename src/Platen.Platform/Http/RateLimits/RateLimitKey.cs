using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace Platen.Platform.Http.RateLimits;

/// <summary>One subject of a policy, as 128 bits: no text is made of it for a request that is let pass from memory.</summary>
public readonly record struct RateLimitKey(UInt128 Value)
{
    /// <summary>An IPv4 address, or the /64 network of an IPv6 address.</summary>
    public static RateLimitKey Of(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        if (address.AddressFamily == AddressFamily.InterNetwork)
        {
            bytes[..10].Clear();
            bytes[10] = bytes[11] = 0xFF;
            address.TryWriteBytes(bytes[12..], out _);
        }
        else
        {
            address.TryWriteBytes(bytes, out _);
            bytes[8..].Clear();
        }
        return new RateLimitKey(BinaryPrimitives.ReadUInt128BigEndian(bytes));
    }

    public static RateLimitKey Of(Guid id)
    {
        Span<byte> bytes = stackalloc byte[16];
        id.TryWriteBytes(bytes, bigEndian: true, out _);
        return new RateLimitKey(BinaryPrimitives.ReadUInt128BigEndian(bytes));
    }

    /// <summary>A text, such as an e-mail address, by its hash.</summary>
    public static RateLimitKey Of(string text) =>
        new(BinaryPrimitives.ReadUInt128BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes(text))));
}
