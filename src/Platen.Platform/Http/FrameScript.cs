using System.Security.Cryptography;
using System.Text;

namespace Platen.Platform.Http;

/// <summary>
/// The one script of a published page. It tells the page around how high the content is, and that Escape was pressed or the widget closed
/// itself; in no frame it tells the page itself, which does not listen, and nothing of a page depends on it. What it says is the protocol
/// of the embed loader, version 1 (<c>web/loader/src/protocol.ts</c>): loaders of any age read it, so a member may be added and none
/// changed. Every page carries it, so it is written for its size on the wire.
/// <para>
/// The attribute <c>data-platen</c> of <c>&lt;html&gt;</c> names what a page is when it is not a widget: <c>error</c> or
/// <c>submit</c>.
/// </para>
/// </summary>
public sealed class FrameScript
{
    private FrameScript(params string[] files)
    {
        var source = string.Join(';', files.Select(Read));
        Element = $"<script>{source}</script>";
        Policy =
            $"script-src 'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(source)))}'; "
            + "require-trusted-types-for 'script'; trusted-types 'none'";
    }

    /// <summary>Of a page whose forms, if it has any, are sent nowhere.</summary>
    public static FrameScript Plain { get; } = new("frame.js");

    /// <summary>
    /// Of a page that sends a form. What the address of the page says is added to the address the form is sent to, so that the answer is the
    /// same page: a frame without an origin tells nobody where it comes from. How long the page was open goes into the field
    /// <c>started_at</c>, as <c>+</c> and milliseconds.
    /// </summary>
    public static FrameScript OfForm { get; } = new("frame.js", "form.js");

    /// <summary>The element; it is the last of the body, so that the first height is that of the whole page.</summary>
    public string Element { get; }

    /// <summary>
    /// What a policy must hold for <see cref="Element"/> to run, and nothing else: a <c>script-src</c> with its hash
    /// (CSP Level 3, section 2.3.1), and no way from text to script.
    /// </summary>
    public string Policy { get; }

    // As a browser reads it, so that the hash is the one it computes.
    private static string Read(string file)
    {
        using var stream = typeof(FrameScript).Assembly.GetManifestResourceStream("Platen.Platform.Http." + file)!;
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd().ReplaceLineEndings("\n").TrimEnd();
    }
}
