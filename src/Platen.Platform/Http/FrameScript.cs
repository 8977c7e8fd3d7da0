using System.Security.Cryptography;
using System.Text;

namespace Platen.Platform.Http;

/// <summary>
/// The one script of a published page. It tells the page around how high the content is, and that Escape was pressed or the widget closed
/// itself. To a form it gives what the address of its page says, so that the answer is the same page, and how long the page was open when it
/// is sent. In no frame it tells the page itself, which does not listen, and nothing of a page depends on it. What it says is the protocol
/// of the embed loader, version 1 (<c>web/loader/src/protocol.ts</c>): loaders of any age read it, so a member may be added and none
/// changed. Every page carries it, so it is written for its size on the wire.
/// <para>
/// The attribute <c>data-platen</c> of <c>&lt;html&gt;</c> names what a page is when it is not a widget: <c>error</c> or
/// <c>submit</c>.
/// </para>
/// </summary>
public static class FrameScript
{
    private static readonly string Source = Read();

    /// <summary>The element; it is the last of the body, so that the first height is that of the whole page.</summary>
    public static string Element { get; } = $"<script>{Source}</script>";

    /// <summary>
    /// What a policy must hold for <see cref="Element"/> to run, and nothing else: a <c>script-src</c> with its hash
    /// (CSP Level 3, section 2.3.1), and no way from text to script.
    /// </summary>
    public static string Policy { get; } =
        $"script-src 'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(Source)))}'; "
        + "require-trusted-types-for 'script'; trusted-types 'none'";

    // As a browser reads it, so that the hash is the one it computes.
    private static string Read()
    {
        using var stream = typeof(FrameScript).Assembly.GetManifestResourceStream("Platen.Platform.Http.frame.js")!;
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd().ReplaceLineEndings("\n").TrimEnd();
    }
}
