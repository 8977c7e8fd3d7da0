using System.Globalization;

namespace Platen.Access.People.Mail;

/// <summary>Keeps each mail as a file that mail programs open, newest last by name, readable by the server's user only.</summary>
internal sealed class FolderMail(MailLocation.Folder folder, TimeProvider clock) : IMail
{
    public async Task SendAsync(MailMessage message, CancellationToken ct)
    {
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(folder.Path);
        else
            Directory.CreateDirectory(
                folder.Path,
                UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
            );
        var id = Guid.CreateVersion7().ToString("N");
        var now = clock.GetUtcNow();
        var name = now.ToString("yyyyMMdd'T'HHmmss'.'fff", CultureInfo.InvariantCulture) + "-" + id[^12..];
        // Written aside and moved, so that whoever watches the folder sees whole mails only.
        var aside = Path.Combine(folder.Path, "." + name);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        await using (var file = new FileStream(aside, options))
            await file.WriteAsync(MailText.Render(message, "platen@localhost", id, now), ct);
        File.Move(aside, Path.Combine(folder.Path, name + ".eml"));
    }
}
