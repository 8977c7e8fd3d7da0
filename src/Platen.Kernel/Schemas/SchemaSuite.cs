using System.Text.Json;

namespace Platen.Kernel.Schemas;

/// <summary>One test of a suite that did not come out as the suite says.</summary>
/// <param name="File">The file, relative to the suite's folder.</param>
/// <param name="Group">The description of the schema.</param>
/// <param name="Test">The description of the test.</param>
/// <param name="Reason">What came out instead.</param>
public sealed record SchemaSuiteFailure(string File, string Group, string Test, string Reason);

/// <summary>What a suite's run gave.</summary>
/// <param name="Passed">Tests that came out as the suite says.</param>
/// <param name="Failures">The others.</param>
public sealed record SchemaSuiteResult(int Passed, IReadOnlyList<SchemaSuiteFailure> Failures);

/// <summary>
/// Runs tests in the file format of the public JSON-Schema-Test-Suite: each file a list of groups, each group a schema and
/// its tests.
/// </summary>
public static class SchemaSuite
{
    /// <summary>The address at which that suite's remote documents are meant to be served.</summary>
    public const string RemoteRoot = "http://localhost:1234/";

    private static readonly JsonDocumentOptions FileOptions = new() { MaxDepth = SchemaLimits.InstanceDepth };

    /// <summary>Runs one file.</summary>
    /// <param name="file">The name to report.</param>
    /// <param name="utf8Json">The file's bytes.</param>
    /// <exception cref="JsonException">The file is no JSON.</exception>
    /// <exception cref="InvalidOperationException">The file is not in the suite's format.</exception>
    /// <exception cref="KeyNotFoundException">The file is not in the suite's format.</exception>
    public static SchemaSuiteResult Run(
        string file,
        ReadOnlyMemory<byte> utf8Json,
        SchemaOptions options,
        SchemaRegistry registry
    )
    {
        using var document = JsonDocument.Parse(utf8Json, FileOptions);
        var passed = 0;
        var failures = new List<SchemaSuiteFailure>();
        foreach (var group in document.RootElement.EnumerateArray())
        {
            var groupName = group.GetProperty("description").GetString() ?? "";
            JsonSchema? schema = null;
            string? unusable = null;
            try
            {
                schema = JsonSchema.Compile(group.GetProperty("schema"), options, registry);
            }
            catch (SchemaCompileException fault)
            {
                unusable = fault.Message;
            }
            foreach (var test in group.GetProperty("tests").EnumerateArray())
            {
                var name = test.GetProperty("description").GetString() ?? "";
                var expected = test.GetProperty("valid").GetBoolean();
                var reason = unusable ?? Judge(schema!, test.GetProperty("data"), expected);
                if (reason is null)
                    passed++;
                else
                    failures.Add(new SchemaSuiteFailure(file, groupName, name, reason));
            }
        }
        return new SchemaSuiteResult(passed, failures);
    }

    private static string? Judge(JsonSchema schema, JsonElement instance, bool expected)
    {
        var result = schema.Validate(instance);
        if (result.Outcome == SchemaOutcome.Abandoned)
            return result.Errors[0].Message;
        if (result.IsValid == expected)
            return null;
        return result.IsValid ? "valid, and should not be" : $"invalid: {result.Errors[0].Message}";
    }
}
