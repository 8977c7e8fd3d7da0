using System.Text;
using Platen.Kernel.Templates;

namespace Platen.Client.Resolving;

/// <summary>A prompt with its variables filled in.</summary>
/// <param name="Prompt">What it was made of.</param>
/// <param name="Text">The text.</param>
public sealed record RenderedPrompt(ResolvedArtifact Prompt, string Text)
{
    /// <summary>The text's length as UTF-8, in bytes.</summary>
    public int SizeBytes => Encoding.UTF8.GetByteCount(Text);

    /// <summary>About how many tokens it is: see <see cref="PromptText.EstimateTokens"/>.</summary>
    public int EstimatedTokens => PromptText.EstimateTokens(Text);
}
