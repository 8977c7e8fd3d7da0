using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Platen.Server.Tests;

/// <summary>Tells of every request that an endpoint of a watched server has answered, whichever test made it.</summary>
/// <param name="ended">Called when it has ended, with the request's activity as the current one.</param>
internal sealed class EndedRequests(Action<HttpContext, RouteEndpoint> ended)
    : IObserver<DiagnosticListener>,
        IObserver<KeyValuePair<string, object?>>,
        IDisposable
{
    private const string Requested = "Microsoft.AspNetCore.Hosting.HttpRequestIn";
    private const string Ended = Requested + ".Stop";
    private readonly ConcurrentDictionary<int, bool> ports = [];
    private readonly List<IDisposable> subscriptions = [];

    public void Start() => subscriptions.Add(DiagnosticListener.AllListeners.Subscribe(this));

    /// <summary>Looks at the requests to a server over the database that is read in the end.</summary>
    /// <param name="port">Where it listens.</param>
    /// <param name="stopped">When it does no more: another test's server, over another database, may get the port then.</param>
    public void Watch(int port, CancellationToken stopped)
    {
        ports[port] = true;
        stopped.Register(() => ports.TryRemove(port, out _));
    }

    void IObserver<DiagnosticListener>.OnNext(DiagnosticListener listener)
    {
        if (listener.Name == "Microsoft.AspNetCore")
        {
            lock (subscriptions)
            {
                // Nobody is told of the end who does not want to hear of the start.
                subscriptions.Add(
                    listener.Subscribe(this, name => name.StartsWith(Requested, StringComparison.Ordinal))
                );
            }
        }
    }

    void IObserver<KeyValuePair<string, object?>>.OnNext(KeyValuePair<string, object?> happened)
    {
        if (
            happened is { Key: Ended, Value: HttpContext context }
            && ports.ContainsKey(context.Connection.LocalPort)
            && context.GetEndpoint() is RouteEndpoint endpoint
            && !context.RequestAborted.IsCancellationRequested
            // A browser's question whether it may ask is routed as what it is about.
            && context.Request.Headers.AccessControlRequestMethod.Count == 0
        )
            ended(context, endpoint);
    }

    void IObserver<DiagnosticListener>.OnCompleted() { }

    void IObserver<DiagnosticListener>.OnError(Exception error) { }

    void IObserver<KeyValuePair<string, object?>>.OnCompleted() { }

    void IObserver<KeyValuePair<string, object?>>.OnError(Exception error) { }

    public void Dispose()
    {
        lock (subscriptions)
            subscriptions.ForEach(subscription => subscription.Dispose());
    }
}
