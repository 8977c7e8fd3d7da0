namespace Platen.Kernel;

/// <summary>
/// Who owns rows and bytes: a workspace, or the platform itself (<see cref="Platform"/>). Never null in a table, so that
/// a missing owner cannot mean anything.
/// </summary>
public readonly record struct OwnerId(Guid Value) : IParsable<OwnerId>
{
    /// <summary>The platform's own, fixed id: it owns curated content, widget types and public templates.</summary>
    public static readonly OwnerId Platform = new(new Guid("00000000-0000-0000-0000-000000000001"));

    /// <summary>Whether this is the platform and not a workspace.</summary>
    public bool IsPlatform => this == Platform;

    /// <summary>The owner that a workspace is.</summary>
    public static OwnerId Of(WorkspaceId workspace) => new(workspace.Value);

    public static OwnerId Parse(string s, IFormatProvider? provider) => new(UuidText.Parse(s));

    public static bool TryParse(string? s, IFormatProvider? provider, out OwnerId result)
    {
        var parsed = UuidText.TryParse(s, out var value);
        result = new OwnerId(value);
        return parsed;
    }

    /// <summary>The id in its 36-character form.</summary>
    public override string ToString() => Value.ToString("D");
}

/// <summary>A tenant. Printed in the 36-character form; new ones are version-7 UUIDs (RFC 9562 section 5.7).</summary>
public readonly record struct WorkspaceId(Guid Value)
{
    public static WorkspaceId New() => new(Guid.CreateVersion7());

    public override string ToString() => Value.ToString("D");
}

/// <summary>A person, a machine key, or the server itself, as recorded with every change.</summary>
public readonly record struct ActorId(Guid Value)
{
    /// <summary>The server acting on its own account: start-up, schedules, recovery.</summary>
    public static readonly ActorId System = new(new Guid("00000000-0000-0000-0000-000000000002"));

    public override string ToString() => Value.ToString("D");
}

/// <summary>A durable unit of background work.</summary>
public readonly record struct JobId(Guid Value)
{
    public static JobId New() => new(Guid.CreateVersion7());

    public override string ToString() => Value.ToString("D");
}
