using System.Globalization;

namespace Platen.Kernel;

/// <summary>
/// The versions that somebody speaks of the protocol by which content goes from one stage to another: what is compared
/// (<c>/v1/snapshots</c>), what is carried (snapshots and packages of widget types), and what is cut over (<c>/v1/cutovers</c>). A version is
/// a whole number from 1; whoever speaks two versions speaks those between them too. Compared by value.
/// </summary>
/// <param name="Oldest">At least 1.</param>
/// <param name="Newest">At least <paramref name="Oldest"/>.</param>
public readonly record struct StageProtocol(int Oldest, int Newest)
{
    /// <summary>The request field that states the version of a request; without it a request is of <see cref="First"/>.</summary>
    public const string Field = "Platen-Stage-Protocol";

    /// <summary>The version of whoever states none.</summary>
    public const int First = 1;

    /// <summary>What this build speaks.</summary>
    public static readonly StageProtocol Spoken = new(First, First);

    /// <summary>Whether a version is among them.</summary>
    public bool Has(int version) => version >= Oldest && version <= Newest;

    /// <summary>The newest version that all sides speak, or null when there is none.</summary>
    /// <param name="sides">At least one.</param>
    public static int? Agree(params ReadOnlySpan<StageProtocol> sides)
    {
        var (oldest, newest) = (int.MinValue, int.MaxValue);
        foreach (var side in sides)
            (oldest, newest) = (Math.Max(oldest, side.Oldest), Math.Min(newest, side.Newest));
        return oldest <= newest && sides.Length > 0 ? newest : null;
    }

    /// <summary>Such as <c>2</c>, or <c>2 to 4</c>.</summary>
    public override string ToString() =>
        Oldest == Newest
            ? Oldest.ToString(CultureInfo.InvariantCulture)
            : string.Create(CultureInfo.InvariantCulture, $"{Oldest} to {Newest}");
}
