using Microsoft.Extensions.Logging;

namespace Platen.Platform.Postgres;

/// <summary>What this part logs: event ids 2000–2099.</summary>
internal static partial class PostgresLog
{
    [LoggerMessage(
        2000,
        LogLevel.Information,
        "PostgreSQL {Version} is ready in {Milliseconds:F0} ms, data in {Folder} (pid {Pid})"
    )]
    public static partial void Ready(ILogger logger, string version, double milliseconds, string folder, int pid);

    [LoggerMessage(2001, LogLevel.Information, "Making a new database in {Folder}, as the user {User}")]
    public static partial void Initializing(ILogger logger, string folder, string user);

    [LoggerMessage(
        2002,
        LogLevel.Warning,
        "PostgreSQL (pid {Pid}) was left running by a server that was killed; stopping it before starting again"
    )]
    public static partial void StoppingOrphan(ILogger logger, int pid);

    [LoggerMessage(
        2003,
        LogLevel.Error,
        "PostgreSQL ended unexpectedly with {ExitCode}; starting it again in {Milliseconds:F0} ms. Its last words: {LastWords}"
    )]
    public static partial void Died(ILogger logger, int exitCode, double milliseconds, string lastWords);

    [LoggerMessage(2004, LogLevel.Information, "PostgreSQL stopped in {Milliseconds:F0} ms")]
    public static partial void Stopped(ILogger logger, double milliseconds);

    [LoggerMessage(
        2005,
        LogLevel.Warning,
        "PostgreSQL did not stop within {Seconds} s of {Signal}; going on with {Next}"
    )]
    public static partial void SlowStop(ILogger logger, double seconds, string signal, string next);

    [LoggerMessage(
        2006,
        LogLevel.Information,
        "The binaries in {From} cannot be read by the user {User}; copying them once to {To}"
    )]
    public static partial void CopyingBinaries(ILogger logger, string from, string user, string to);

    [LoggerMessage(2007, LogLevel.Warning, "Removing {Folder}, left by a start that was cut off")]
    public static partial void RemovingLeftover(ILogger logger, string folder);

    [LoggerMessage(2010, LogLevel.Information, "Migrating {Module}: {Name} ({Number} of {Total})")]
    public static partial void Migrating(ILogger logger, string module, string name, int number, int total);

    [LoggerMessage(
        2011,
        LogLevel.Information,
        "The database is up to date: {Migrations} migrations and {Scripts} functions and policies applied in {Milliseconds:F0} ms"
    )]
    public static partial void Migrated(ILogger logger, int migrations, int scripts, double milliseconds);

    [LoggerMessage(2012, LogLevel.Information, "Another node is migrating this database; waiting for it")]
    public static partial void WaitingForMigration(ILogger logger);

    [LoggerMessage(
        2013,
        LogLevel.Warning,
        "Migrating {Module} gave way to running transactions (attempt {Attempt}); trying again"
    )]
    public static partial void MigrationGaveWay(ILogger logger, string module, int attempt);

    [LoggerMessage(
        2014,
        LogLevel.Information,
        "The database also holds the module {Module}, which this server does not run; it is left alone"
    )]
    public static partial void UnknownModule(ILogger logger, string module);

    [LoggerMessage(2015, LogLevel.Information, "Made roles and memberships in PostgreSQL ({Statements} statements)")]
    public static partial void RolesMade(ILogger logger, int statements);

    [LoggerMessage(2016, LogLevel.Debug, "Another node made roles at the same time: {Reason}")]
    public static partial void RolesRace(ILogger logger, string reason);

    [LoggerMessage(2017, LogLevel.Information, "Using PostgreSQL {Version} at {Host}, database {Database}{Pooler}")]
    public static partial void External(ILogger logger, string version, string host, string database, string pooler);

    [LoggerMessage(2020, LogLevel.Debug, "postgres: {Line}")]
    public static partial void Said(ILogger logger, string line);

    [LoggerMessage(2021, LogLevel.Warning, "postgres: {Line}")]
    public static partial void Warned(ILogger logger, string line);

    [LoggerMessage(2022, LogLevel.Error, "postgres: {Line}")]
    public static partial void Panicked(ILogger logger, string line);
}
