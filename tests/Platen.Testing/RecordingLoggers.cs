using Microsoft.Extensions.Logging;

namespace Platen.Testing;

/// <summary>Keeps every line logged, with its level and its exception.</summary>
public sealed class RecordingLoggers : ILoggerFactory, ILogger
{
    private readonly List<string> lines = [];

    /// <summary>What was logged so far: an entry's level, its message, and its exception when it has one.</summary>
    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (lines)
                return [.. lines];
        }
    }

    public string Text => string.Join('\n', Lines);

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider) { }

    public void Dispose() { }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel,
        EventId eventId,
        TState state,
        Exception? exception,
        Func<TState, Exception?, string> formatter
    )
    {
        lock (lines)
            lines.Add($"{logLevel}: {formatter(state, exception)} {exception}");
    }
}
