using FsCheck;
using FsCheck.Fluent;

namespace Platen.Kernel.Tests.Versions;

/// <summary>Generates versions and ranges: few different parts, so that they meet, and damage that leaves them nearly right.</summary>
internal static class VersionTexts
{
    private static readonly Gen<string> _number = Gen.Frequency(
        (12, Gen.Elements("0", "1", "2", "3")),
        (1, Gen.Elements("10", "9007199254740990", "9007199254740991"))
    );

    private static readonly Gen<string> _identifier = Gen.Elements(
        "0",
        "1",
        "2",
        "10",
        "a",
        "rc",
        "alpha",
        "0a",
        "-",
        "x"
    );

    private static readonly Gen<string> _identifiers = Gen.Frequency(
        (3, _identifier),
        (1, _identifier.Two().Select(two => $"{two.Item1}.{two.Item2}"))
    );

    private static readonly Gen<string> _prerelease = Gen.Frequency(
        (2, Gen.Constant("")),
        (1, _identifiers.Select(text => "-" + text))
    );

    private static readonly Gen<string> _build = Gen.Frequency(
        (8, Gen.Constant("")),
        (1, _identifiers.Select(text => "+" + text)),
        (1, Gen.Elements("+01", "+1"))
    );

    private static readonly Gen<string> _partialNumber = Gen.Frequency(
        (6, _number),
        (1, Gen.Elements("x", "X", "*")),
        (1, Gen.Elements("9007199254740992", "99999999999999999999999", "01"))
    );

    private static readonly Gen<string> _partial = Gen.Frequency(
        (4, _number.Select(major => major)),
        (1, _partialNumber),
        (4, _partialNumber.Two().Select(two => $"{two.Item1}.{two.Item2}")),
        (3, Plain(_partialNumber)),
        (8, Plain(_number))
    );

    private static readonly Gen<string> _space = Gen.Frequency(
        (8, Gen.Constant("")),
        (3, Gen.Constant(" ")),
        (1, Gen.Elements("  ", "\t", "\u00a0", "\ufeff ", "\u0085"))
    );

    private static readonly Gen<string> _comparator =
        from op in Gen.Frequency(
            (3, Gen.Constant("")),
            (6, Gen.Elements("^", "~", ">=", "<", "<=", ">", "=")),
            (1, Gen.Elements("~>", "==", "><", "=>", "~^", "!"))
        )
        from space in _space
        from mark in Gen.Frequency((12, Gen.Constant("")), (1, Gen.Elements("v", "=", "v ", "=v", "V")))
        from version in _partial
        select op + space + mark + version;

    private static readonly Gen<string> _hyphen =
        from lower in _partial
        from upper in _partial
        from dash in Gen.Frequency((8, Gen.Constant(" - ")), (1, Gen.Elements("-", "  -  ", " -", " - v", " - = ")))
        select lower + dash + upper;

    private static readonly Gen<string> _alternative = Gen.Frequency(
        (5, _comparator),
        (5, _comparator.Two().Select(two => $"{two.Item1} {two.Item2}")),
        (1, _comparator.Three().Select(three => $"{three.Item1}  {three.Item2} {three.Item3}")),
        (3, _hyphen),
        (1, Gen.Elements("", "*", "x", "<0", ">*", "latest", "<0.0.0-0", ">=0.0.0"))
    );

    /// <summary>A version as it should be.</summary>
    public static Gen<string> Version { get; } = Plain(_number);

    /// <summary>A version with a character changed, put in or left out, more often than not.</summary>
    public static Gen<string> DamagedVersion { get; } = Damaged(Version);

    /// <summary>A range, or nearly one.</summary>
    public static Gen<string> Range { get; } =
        Gen.Frequency(
            (4, _alternative),
            (2, _alternative.Two().Select(two => $"{two.Item1} || {two.Item2}")),
            (1, _alternative.Three().Select(three => $"{three.Item1}||{three.Item2}|| {three.Item3}"))
        );

    /// <summary>A range with one or two characters changed, put in or left out, more often than not.</summary>
    public static Gen<string> DamagedRange { get; } = Gen.Frequency((2, Damaged(Range)), (1, Damaged(Damaged(Range))));

    private static Gen<string> Plain(Gen<string> number) =>
        from numbers in number.Three()
        from prerelease in _prerelease
        from build in _build
        select $"{numbers.Item1}.{numbers.Item2}.{numbers.Item3}{prerelease}{build}";

    private static Gen<string> Damaged(Gen<string> texts) =>
        from text in texts
        from put in Gen.Elements(
            "",
            ".",
            "-",
            "+",
            "*",
            "x",
            "v",
            "=",
            "<",
            ">",
            "~",
            "^",
            "|",
            " ",
            "0",
            "1",
            "a",
            "é",
            "\0"
        )
        from at in Gen.Choose(0, text.Length)
        from cut in Gen.Choose(0, Math.Min(1, text.Length - at))
        select string.Concat(text.AsSpan(0, at), put, text.AsSpan(at + cut));
}
