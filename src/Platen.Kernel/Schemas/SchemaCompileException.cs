namespace Platen.Kernel.Schemas;

/// <summary>A schema that cannot be used: no JSON, not valid by its meta-schema, or with a reference that leads nowhere.</summary>
public sealed class SchemaCompileException : Exception
{
    internal SchemaCompileException(string location, string reason, IReadOnlyList<SchemaError>? errors = null)
        : base(location.Length == 0 ? reason : $"{reason} (at {location})")
    {
        Location = location;
        Reason = reason;
        Errors = errors ?? [];
    }

    /// <summary>The URI of the place, with a JSON Pointer as its fragment; "" when there is none, as for text that is no JSON.</summary>
    public string Location { get; }

    /// <summary>What is wrong, without the place.</summary>
    public string Reason { get; }

    /// <summary>When the schema breaks its meta-schema: each fault, with locations in the schema as the instance.</summary>
    public IReadOnlyList<SchemaError> Errors { get; }
}
