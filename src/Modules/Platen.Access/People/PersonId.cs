using Platen.Kernel;

namespace Platen.Access.People;

/// <summary>Somebody who can sign in. Printed in the 36-character form; new ones are version-7 UUIDs.</summary>
public readonly record struct PersonId(Guid Value)
{
    public static PersonId New() => new(Guid.CreateVersion7());

    /// <summary>The actor that a person is in history and in a session's scope: the same id.</summary>
    public ActorId AsActor => new(Value);

    public override string ToString() => Value.ToString("D");
}
