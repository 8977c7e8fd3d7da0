using Platen.Access;
using Platen.Kernel;

namespace Platen.Widgets;

/// <summary>Changes what stands beside an instance's content: its status, which sites may show it, and who sees it.</summary>
internal sealed class ChangeInstance(ReadInstances read, SaveInstance save)
{
    /// <param name="Status">Null leaves it as it is.</param>
    /// <param name="AllowedOrigins">Null leaves them as they are; empty lets every site show it.</param>
    /// <param name="Access">Null leaves it as it is: <c>public</c>, or <c>token</c>, from the next publish on.</param>
    public sealed record Body(
        string? Status = null,
        IReadOnlyList<string>? AllowedOrigins = null,
        string? Access = null
    );

    public async Task<InstanceDetail> RunAsync(
        Caller caller,
        PublicId id,
        Body body,
        Precondition precondition,
        CancellationToken ct
    )
    {
        var now = (await read.OneAsync(caller, id, ct)).Instance;
        precondition.Check(now.Tag);
        var changed = new SaveInstance.Body(
            now.WidgetType,
            now.Config,
            body.Status ?? now.Status,
            now.BaseLocale,
            body.AllowedOrigins,
            body.Access
        );
        return (await save.RunAsync(caller, id, changed, new Precondition.OneOf([now.Tag]), ct)).Detail;
    }
}
