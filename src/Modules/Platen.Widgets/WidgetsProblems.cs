using Platen.Kernel;

namespace Platen.Widgets;

/// <summary>What can go wrong with widgets.</summary>
public static class WidgetsProblems
{
    public static readonly ProblemType MalformedPublicId = new(
        "malformed-public-id",
        400,
        "This is not a public id",
        "Use wgt_main_{type}, wgt_curated_{key} or wgt_{type}_u_{key}; docs/reference/glossary.md has the grammar."
    );

    public static readonly ProblemType UnknownWidgetType = new(
        "unknown-widget-type",
        422,
        "There is no such widget type",
        "Use one of the types listed under 'validTypes', or install the type's package first."
    );

    public static readonly ProblemType NeedsWorkspace = new(
        "needs-workspace",
        403,
        "A user instance belongs to a workspace",
        "Use a key of the workspace that owns the instance."
    );

    public static readonly ProblemType NeedsPublisher = new(
        "needs-publisher",
        403,
        "Curated content needs a publisher credential",
        "Use a platform key with the scope 'curated:publish'."
    );

    public static readonly ProblemType OverBudget = new(
        "over-budget",
        422,
        "The page is larger than its type allows",
        "Shorten the content, or split it over two instances; the detail names both sizes."
    );

    public static readonly ProblemType NoSuchRelease = new(
        "no-such-release",
        422,
        "The instance has no such release",
        "Pick a digest from the publication's moves."
    );
}
