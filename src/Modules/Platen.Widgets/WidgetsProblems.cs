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

    public static readonly ProblemType NoUserInstancesHere = new(
        "no-user-instances-here",
        403,
        "User instances do not exist on an authoring server",
        "Use the cloud or a standalone server: workspaces and what is theirs live there."
    );

    public static readonly ProblemType CuratedArrivesByPublish = new(
        "curated-arrives-by-publish",
        403,
        "Curated content is not written on a cloud",
        "Change it on the authoring server, and publish it with 'platen publish ID --to STAGE'."
    );

    public static readonly ProblemType IdTaken = new(
        "id-taken",
        409,
        "The public id means another instance",
        "Choose another key; the ids of deleted instances are not given out again."
    );

    public static readonly ProblemType NewerOnStage = new(
        "newer-on-stage",
        409,
        "The stage has something newer",
        "Look at what it has; publish again with --overwrite and a reason to put yours in its place."
    );

    public static readonly ProblemType NotTakenInHere = new(
        "not-taken-in-here",
        403,
        "An authoring server takes nothing in",
        "Publish to a cloud or a standalone server: content travels one way."
    );

    public static readonly ProblemType StageProtocolNotSpoken = new(
        "stage-protocol-not-spoken",
        409,
        "The server does not speak this version of the stage protocol",
        "'oldest' and 'newest' say what it speaks: bring the side that is behind up to date, the server or what publishes to it."
    );

    public static readonly ProblemType GateClosed = new(
        "gate-closed",
        422,
        "A publish gate has something against the page",
        "Mend what 'findings' names: each has its rule and its place. A credential with the scope 'gates:force' can publish it as it is."
    );

    public static readonly ProblemType NoSuchRelease = new(
        "no-such-release",
        422,
        "The instance has no such release",
        "Pick a digest from the publication's moves."
    );
}
