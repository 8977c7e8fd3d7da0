using Platen.Platform.Postgres;

namespace Platen.Server;

/// <summary>What a person sees when the server is ready: where everything is, and what to do next.</summary>
internal static class Banner
{
    public static Task WriteAsync(
        TextWriter output,
        ServerSettings settings,
        PostgresRuntime postgres,
        IReadOnlyList<string> urls,
        Uri? demo,
        string ownerKeyPath,
        string signInLink,
        string? setupLink
    )
    {
        var url = LocalAddress(urls[0]);
        var database = postgres.IsEmbedded
            ? $"PostgreSQL {postgres.Version}, embedded"
            : $"PostgreSQL {postgres.Version}";
        // Shown this once: the next start makes another, until an owner has been made.
        var setUp = setupLink is null
            ? ""
            : $"""

                Become the owner: open this link once, before anybody else does.

                  {setupLink}

                """;
        return output.WriteLineAsync(
            $"""

            Platen {ServerProcess.Version} · {settings.Profile} · {database}

              open       {url}/
              example    {url}/e/wgt_main_content.faq
              embedded   {(demo is null ? "off" : demo)}
              API        {url}/openapi/v1.json
              health     {url}/readyz
              metrics    {url}/metrics
              data       {settings.DataFolder}
              sign in    {signInLink}
              owner key  {ownerKeyPath}
            {setUp}
            Publish something from another terminal:

              {Found(
                settings,
                url
            )}dotnet run --project src/Platen.Cli -- publish samples/widgets/wgt_main_content.faq.json

            Stop with Ctrl-C.

            """
        );
    }

    /// <summary>What the command line is told when neither the address nor the owner key are where it looks by itself.</summary>
    private static string Found(ServerSettings settings, string url)
    {
        if (OperatingSystem.IsWindows())
            return "";
        var server = url == ServerSettings.DefaultUrl ? "" : $"PLATEN_SERVER={url} ";
        var data =
            settings.DataFolder == ServerSettings.DefaultDataFolder()
                ? ""
                : $"PLATEN_DATA='{settings.DataFolder.Replace("'", @"'\''", StringComparison.Ordinal)}' ";
        return server + data;
    }

    /// <summary>An address that this machine can open, for one that only says where is listened.</summary>
    public static string LocalAddress(string url) =>
        url.Replace("[::]", "127.0.0.1").Replace("0.0.0.0", "127.0.0.1").TrimEnd('/');
}
