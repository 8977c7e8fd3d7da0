using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Platen.Kernel.Json;

namespace Platen.Kernel.Tests.Json;

public sealed class CanonicalNumberTests
{
    // RFC 8785, appendix B.
    [Theory]
    [InlineData("0000000000000000", "0")]
    [InlineData("8000000000000000", "0")]
    [InlineData("0000000000000001", "5e-324")]
    [InlineData("8000000000000001", "-5e-324")]
    [InlineData("7fefffffffffffff", "1.7976931348623157e+308")]
    [InlineData("ffefffffffffffff", "-1.7976931348623157e+308")]
    [InlineData("4340000000000000", "9007199254740992")]
    [InlineData("c340000000000000", "-9007199254740992")]
    [InlineData("4430000000000000", "295147905179352830000")]
    [InlineData("44b52d02c7e14af5", "9.999999999999997e+22")]
    [InlineData("44b52d02c7e14af6", "1e+23")]
    [InlineData("44b52d02c7e14af7", "1.0000000000000001e+23")]
    [InlineData("444b1ae4d6e2ef4e", "999999999999999700000")]
    [InlineData("444b1ae4d6e2ef4f", "999999999999999900000")]
    [InlineData("444b1ae4d6e2ef50", "1e+21")]
    [InlineData("3eb0c6f7a0b5ed8c", "9.999999999999997e-7")]
    [InlineData("3eb0c6f7a0b5ed8d", "0.000001")]
    [InlineData("41b3de4355555553", "333333333.3333332")]
    [InlineData("41b3de4355555554", "333333333.33333325")]
    [InlineData("41b3de4355555555", "333333333.3333333")]
    [InlineData("41b3de4355555556", "333333333.3333334")]
    [InlineData("41b3de4355555557", "333333333.33333343")]
    [InlineData("becbf647612f3696", "-0.0000033333333333333333")]
    [InlineData("43143ff3c1cb0959", "1424953923781206.2")]
    // Not in the table: shortest texts that are easily cut a digit too short.
    [InlineData("3e60000000000000", "2.9802322387695312e-8")]
    [InlineData("8410000000000000", "-4.1045368012983762e-289")]
    public void Sample_numbers_are_printed_as_the_specification_prints_them(string bits, string canonical)
    {
        var value = BitConverter.UInt64BitsToDouble(ulong.Parse(bits, NumberStyles.HexNumber));
        Encoding.UTF8.GetString(CanonicalJson.Serialize(Encoding.UTF8.GetBytes(Exactly(value)))).ShouldBe(canonical);
    }

    // The two of appendix B that are no numbers.
    [Theory]
    [InlineData("7fffffffffffffff")]
    [InlineData("7ff0000000000000")]
    public void What_is_not_finite_has_no_text(string bits)
    {
        var value = BitConverter.UInt64BitsToDouble(ulong.Parse(bits, NumberStyles.HexNumber));
        Should
            .Throw<CanonicalJsonException>(() => CanonicalJson.Serialize(Encoding.UTF8.GetBytes(Exactly(value))))
            .Fault.ShouldBe(CanonicalJsonFault.Syntax);
    }

    /// <summary>Every exponent, the neighbours of every power of ten and of two, and the edges of what integers keep.</summary>
    [Fact]
    public async Task Doubles_are_printed_as_node_prints_them()
    {
        var ct = TestContext.Current.CancellationToken;
        var values = Doubles();
        var folder = Directory.CreateTempSubdirectory("platen-doubles-").FullName;
        string[] expected;
        try
        {
            await File.WriteAllBytesAsync(
                Path.Combine(folder, "doubles.bin"),
                MemoryMarshal.AsBytes(values.AsSpan()).ToArray(),
                ct
            );
            var printed = await NodeProcess.RunScriptAsync(
                folder,
                """
                const bytes = require('fs').readFileSync('doubles.bin')
                const doubles = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8)
                process.stdout.write(JSON.stringify(Array.from(doubles)))
                """,
                ct
            );
            expected = printed[1..^1].Split(',');
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        var json = new StringBuilder("[");
        foreach (var value in values)
            json.Append(json.Length > 1 ? "," : "").Append(Exactly(value));
        var canonical = Encoding.UTF8.GetString(
            CanonicalJson.Serialize(Encoding.UTF8.GetBytes(json.Append(']').ToString()))
        );

        var found = canonical[1..^1].Split(',');
        found.Length.ShouldBe(values.Length);
        expected.Length.ShouldBe(values.Length);
        for (var i = 0; i < values.Length; i++)
        {
            if (found[i] != expected[i])
                found[i].ShouldBe(expected[i], Exactly(values[i]));
        }
    }

    private static double[] Doubles()
    {
        const long mantissaMask = (1L << 52) - 1;
        var random = new Random(8785);
        var values = new List<double>();
        for (var exponent = 0L; exponent < 2047; exponent++)
        {
            foreach (var mantissa in (long[])[0, 1, 2, mantissaMask, mantissaMask - 1, 1L << 51])
                values.Add(BitConverter.Int64BitsToDouble((exponent << 52) | mantissa));
            for (var i = 0; i < 90; i++)
            {
                var sign = random.Next(2) == 0 ? 0 : long.MinValue;
                values.Add(
                    BitConverter.Int64BitsToDouble(sign | (exponent << 52) | (random.NextInt64() & mantissaMask))
                );
            }
        }
        for (var power = -323; power <= 308; power++)
        {
            var ten = double.Parse($"1e{power}", CultureInfo.InvariantCulture);
            values.AddRange([ten, -ten, Math.BitIncrement(ten), Math.BitDecrement(ten), ten * 9, ten / 3]);
        }
        for (var step = -500; step <= 500; step++)
        {
            values.Add(9007199254740992d + step);
            values.Add(step / 8d);
            values.Add(step / 100d);
        }
        return [.. values.Where(double.IsFinite)];
    }

    // With an exponent, so that no rule for integers applies.
    private static string Exactly(double value) => value.ToString("E16", CultureInfo.InvariantCulture);
}
