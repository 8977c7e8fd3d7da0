using Platen.Kernel;
using Platen.Platform.Events;

namespace Platen.Access;

/// <summary>Who may follow the streams of this module: they tell more than the routes that every reader may use.</summary>
public static class AccessStreams
{
    private const string Ours = "access/";

    /// <summary>Who was invited, which keys there are, who may do what: all but the stream of the workspace itself.</summary>
    internal static bool IsConfidential(StreamId stream) =>
        stream.Value.StartsWith(Ours, StringComparison.Ordinal) && stream != AccessEvents.Workspace;

    /// <summary>Confidential streams are for those who may read the audit log, and no token opens them.</summary>
    /// <exception cref="ProblemException"><see cref="KernelProblems.NotFound"/>: as for a stream that is not there.</exception>
    public static void Check(Caller caller, StreamId stream)
    {
        if (IsConfidential(stream) && (caller.Token is not null || !caller.Has(Scopes.AuditRead)))
            throw KernelProblems.NotFound.Because("There is no such stream for this credential.").AsException();
    }
}
