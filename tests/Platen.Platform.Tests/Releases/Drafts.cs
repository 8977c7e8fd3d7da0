using System.Collections.Immutable;
using System.Text;
using Platen.Platform.Releases;

namespace Platen.Platform.Tests.Releases;

internal static class Drafts
{
    public static ReleaseDraft Of(string subject, params (string Path, string Text)[] files) =>
        new(
            subject,
            "application/vnd.platen.widget.v1",
            [
                .. files.Select(f => new DraftFile(
                    f.Path,
                    "text/plain",
                    Encoding.UTF8.GetBytes(f.Text),
                    ImmutableSortedDictionary<string, string>.Empty.Add("dev.platen.kind", "test")
                )),
            ],
            ImmutableSortedDictionary<string, string>.Empty.Add("dev.platen.note", "é “quoted” <&>")
        );
}
