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
        string ownerKeyPath
    )
    {
        var url = urls[0].Replace("[::]", "127.0.0.1").Replace("0.0.0.0", "127.0.0.1");
        var database = postgres.IsEmbedded
            ? $"PostgreSQL {postgres.Version}, embedded"
            : $"PostgreSQL {postgres.Version}";
        return output.WriteLineAsync(
            $"""

            Platen {ServerProcess.Version} · {settings.Profile} · {database}

              open       {url}/
              example    {url}/e/wgt_main_content.faq
              API        {url}/openapi/v1.json
              health     {url}/readyz
              metrics    {url}/metrics
              data       {settings.DataFolder}
              owner key  {ownerKeyPath}

            Publish something from another terminal:

              dotnet run --project src/Platen.Cli -- publish samples/widgets/wgt_main_content.faq.json

            Stop with Ctrl-C.

            """
        );
    }
}
