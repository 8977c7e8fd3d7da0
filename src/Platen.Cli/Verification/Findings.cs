namespace Platen.Cli.Verification;

/// <summary>How one look ended.</summary>
internal enum Mark
{
    Pass,
    Warn,
    Fail,

    /// <summary>It was not looked at, and the detail says why.</summary>
    Skip,
}

/// <summary>One thing that was looked at.</summary>
/// <param name="Group">Such as <c>caching</c>.</param>
/// <param name="Name">What must be so.</param>
/// <param name="Mark">Whether it is.</param>
/// <param name="Detail">What was found; where it failed, what was expected too.</param>
internal sealed record Finding(string Group, string Name, Mark Mark, string Detail);

/// <summary>A resource's bytes in each coding, and how many there may be.</summary>
internal sealed record Size(
    string Path,
    int IdentityBytes,
    int GzipBytes,
    int BrotliBytes,
    int MostGzipBytes,
    int AimBrotliBytes
)
{
    public bool IsWithinLimit => GzipBytes <= MostGzipBytes;

    public bool IsWithinAim => BrotliBytes <= AimBrotliBytes;
}

/// <summary>What was found, in the order in which it was looked for.</summary>
internal sealed class Findings
{
    private readonly List<Finding> all = [];
    private readonly List<Size> sizes = [];

    /// <summary>The group that what follows belongs to.</summary>
    public string Group { get; set; } = "";

    public IReadOnlyList<Finding> All => all;

    public IReadOnlyList<Size> Sizes => sizes;

    public int Count(Mark mark) => all.Count(finding => finding.Mark == mark);

    /// <summary>Something must be so.</summary>
    public bool Require(string name, bool isSo, string detail)
    {
        all.Add(new Finding(Group, name, isSo ? Mark.Pass : Mark.Fail, detail));
        return isSo;
    }

    /// <summary>A status must be one of these.</summary>
    public bool RequireStatus(string name, Answer answer, params int[] expected) =>
        Require(
            name,
            expected.Contains(answer.Status),
            expected.Contains(answer.Status)
                ? $"{answer.Status}"
                : $"{answer.Status}, expected {string.Join(" or ", expected)}"
        );

    /// <summary>Something should be so.</summary>
    public void Prefer(string name, bool isSo, string detail) =>
        all.Add(new Finding(Group, name, isSo ? Mark.Pass : Mark.Warn, detail));

    public void Skip(string name, string why) => all.Add(new Finding(Group, name, Mark.Skip, why));

    public void Add(Size size) => sizes.Add(size);
}
