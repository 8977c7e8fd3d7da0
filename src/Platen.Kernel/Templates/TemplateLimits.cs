namespace Platen.Kernel.Templates;

/// <summary>Limits of template bundles, each with its reason; server, client and command line share them.</summary>
public static class TemplateLimits
{
    /// <summary>Files of one version: a bundle of prompts in thirty languages has a few hundred.</summary>
    public const int Artifacts = 1_000;

    /// <summary>Bytes of one file: prompts are kilobytes; a golden example with pictures is a few megabytes.</summary>
    public const int ArtifactBytes = 8 * 1024 * 1024;

    /// <summary>Bytes of a prompt: larger than the context of any model that it could be sent to.</summary>
    public const int PromptBytes = 1024 * 1024;

    /// <summary>Bytes of a manifest: a thousand artifacts with declared variables stay below.</summary>
    public const int ManifestBytes = 1024 * 1024;

    /// <summary>Characters of a path in a bundle.</summary>
    public const int PathLength = 256;

    /// <summary>Characters of a kind.</summary>
    public const int KindLength = 64;

    /// <summary>Characters of a changelog: release notes, not a history.</summary>
    public const int ChangelogLength = 20_000;

    /// <summary>Characters of a version: an OCI tag has at most 128.</summary>
    public const int VersionLength = 128;

    /// <summary>Variables of one prompt.</summary>
    public const int Variables = 100;

    /// <summary>Characters of a variable's description or default.</summary>
    public const int VariableTextLength = 4_000;

    /// <summary>Other bundles that a version may include.</summary>
    public const int Includes = 50;

    /// <summary>Characters of a template's description.</summary>
    public const int DescriptionLength = 2_000;

    /// <summary>Characters of the name of a place where a pin holds, such as <c>production</c>.</summary>
    public const int EnvironmentLength = 64;
}
