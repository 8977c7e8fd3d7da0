using System.Runtime.InteropServices;

namespace Platen.Kernel.Versions;

internal enum VersionOperator
{
    Equal,
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// <summary>One bound of a range, such as <c>&gt;=1.2.0</c>.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct VersionComparator(VersionOperator Operator, SemVer Version)
{
    /// <summary>What no version is below, so that nothing satisfies it.</summary>
    public static readonly VersionComparator Nothing = new(VersionOperator.Below, SemVer.LowestOf(0, 0, 0));

    public bool Accepts(SemVer version)
    {
        var order = version.ComparePrecedence(Version);
        return Operator switch
        {
            VersionOperator.Equal => order == 0,
            VersionOperator.Below => order < 0,
            VersionOperator.AtMost => order <= 0,
            VersionOperator.Above => order > 0,
            _ => order >= 0,
        };
    }

    public override string ToString() =>
        Operator switch
        {
            VersionOperator.Equal => "",
            VersionOperator.Below => "<",
            VersionOperator.AtMost => "<=",
            VersionOperator.Above => ">",
            _ => ">=",
        } + Version;
}
