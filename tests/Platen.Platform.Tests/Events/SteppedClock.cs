using Platen.Testing.Servers;

namespace Platen.Platform.Tests.Events;

/// <summary>The machine's time, whose timers fire only when a test steps over them.</summary>
public sealed class SteppedClock : TimeProvider
{
    private readonly Lock gate = new();
    private readonly List<Timer> timers = [];
    private TimeSpan stepped;

    public void Step(TimeSpan by)
    {
        List<Timer> due;
        lock (gate)
        {
            stepped += by;
            due = [.. timers.Where(timer => timer.IsDue(stepped))];
        }
        foreach (var timer in due)
            timer.Fire();
    }

    /// <summary>Waits until so many timers run.</summary>
    public Task HasTimersAsync(int count, CancellationToken ct) =>
        ServerProcess.WaitUntilAsync(
            $"{count} timers",
            TimeSpan.FromSeconds(60),
            _ =>
            {
                lock (gate)
                    return Task.FromResult(timers.Count(timer => timer.IsRunning) >= count);
            },
            ct
        );

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        lock (gate)
        {
            var timer = new Timer(this, callback, state, stepped + dueTime, period);
            timers.Add(timer);
            return timer;
        }
    }

    private sealed class Timer(
        SteppedClock clock,
        TimerCallback callback,
        object? state,
        TimeSpan next,
        TimeSpan period
    ) : ITimer
    {
        private TimeSpan next = next;
        private TimeSpan period = period;

        public bool IsDue(TimeSpan now)
        {
            if (now < next)
                return false;
            next = period > TimeSpan.Zero ? now + period : TimeSpan.MaxValue;
            return true;
        }

        public bool IsRunning => next != TimeSpan.MaxValue;

        public void Fire() => callback(state);

        public bool Change(TimeSpan dueTime, TimeSpan newPeriod)
        {
            lock (clock.gate)
                (next, period) = (dueTime < TimeSpan.Zero ? TimeSpan.MaxValue : clock.stepped + dueTime, newPeriod);
            return true;
        }

        public void Dispose()
        {
            lock (clock.gate)
                clock.timers.Remove(this);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
