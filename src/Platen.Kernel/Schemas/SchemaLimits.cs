namespace Platen.Kernel.Schemas;

/// <summary>What one schema and one validation may cost, and why.</summary>
public static class SchemaLimits
{
    /// <summary>Bytes of one schema document: the largest public schemas stay under 1 MiB.</summary>
    public const int SchemaBytes = 8 * 1024 * 1024;

    /// <summary>Levels of arrays and objects in a schema document. The meta-schema takes six steps for each.</summary>
    public const int SchemaDepth = 256;

    /// <summary>Schema objects reached from one compilation.</summary>
    public const int Subschemas = 200_000;

    /// <summary>Levels of arrays and objects in an instance given as bytes.</summary>
    public const int InstanceDepth = 512;

    /// <summary>
    /// Schemas applied inside one another at any moment of a validation: what bounds the stack. A step costs at most
    /// about 500 bytes of it, so the whole fits the 1.5 MB a thread has on the smallest platform.
    /// </summary>
    public const int Depth = 2048;

    /// <summary>
    /// Schema applications and pattern matches in one validation: about four for each value of the densest 10 MB
    /// instance, and a few seconds at most. What stops a schema whose branches double at each level.
    /// </summary>
    public const long Steps = 20_000_000;

    /// <summary>Errors kept in one result; the result says when there were more.</summary>
    public const int Errors = 100;

    /// <summary>Significant digits of a number inside a schema.</summary>
    public const int SchemaNumberDigits = 1000;

    /// <summary>Milliseconds one match of a pattern may take.</summary>
    public const int PatternMilliseconds = 500;

    /// <summary>Milliseconds all matches of patterns that may backtrack can take together in one validation.</summary>
    public const int PatternTotalMilliseconds = 1000;

    /// <summary>UTF-16 units of one pattern.</summary>
    public const int PatternLength = 10_000;

    /// <summary>Patterns that schemas share with one another in a process.</summary>
    public const int SharedPatterns = 1_000;

    /// <summary>Groups inside one another in a pattern.</summary>
    public const int PatternDepth = 100;
}
