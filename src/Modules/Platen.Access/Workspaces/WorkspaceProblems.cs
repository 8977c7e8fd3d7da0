using Platen.Kernel;

namespace Platen.Access.Workspaces;

/// <summary>What can go wrong with workspaces.</summary>
public static class WorkspaceProblems
{
    public static readonly ProblemType SlugTaken = new(
        "slug-taken",
        409,
        "The slug is not free",
        "Take the one under 'suggestion', or leave the slug out: one is made from the name."
    );

    public static readonly ProblemType IdempotencyKeyReused = new(
        "idempotency-key-reused",
        422,
        "The Idempotency-Key was used for another request",
        "Use a new key for each thing you create, and the same key only to repeat the very same request."
    );

    public static readonly ProblemType LastOwner = new(
        "last-owner",
        409,
        "A workspace keeps an owner",
        "Make somebody else an owner first, or delete the workspace."
    );

    /// <summary>The same to whoever asks for a workspace that is missing and for one they have nothing to do with.</summary>
    internal static ProblemException NoSuchWorkspace() =>
        KernelProblems.NotFound.Because("There is no such workspace.").AsException();
}
