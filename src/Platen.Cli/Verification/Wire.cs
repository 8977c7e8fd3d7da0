using System.Globalization;
using System.IO.Compression;
using System.Net;
using System.Text;

namespace Platen.Cli.Verification;

/// <summary>
/// Requests as they go over the wire: nothing is decoded, followed, kept or tried again. What is verified is what a client like
/// Platen's own hides.
/// </summary>
internal sealed class Wire : IDisposable
{
    /// <summary>More is no page of Platen's.</summary>
    private const int MostBytes = 64 * 1024 * 1024;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly HttpClient http;

    public Wire(Uri server, string? key)
    {
        Server = server;
        Key = key;
        http = new HttpClient(
            new SocketsHttpHandler
            {
                AllowAutoRedirect = false,
                UseCookies = false,
                AutomaticDecompression = DecompressionMethods.None,
            }
        )
        {
            BaseAddress = server,
            Timeout = Patience,
            MaxResponseContentBufferSize = MostBytes,
        };
        http.DefaultRequestHeaders.UserAgent.ParseAdd("platen-verify/1");
    }

    public Uri Server { get; }

    public string? Key { get; }

    /// <summary>The server's own origin.</summary>
    public string Origin => Server.GetLeftPart(UriPartial.Authority);

    public Task<Answer> GetAsync(string path, CancellationToken ct, params (string Name, string Value)[] fields) =>
        SendAsync(HttpMethod.Get, path, null, ct, fields);

    /// <exception cref="CliException">No answer comes.</exception>
    public async Task<Answer> SendAsync(
        HttpMethod method,
        string path,
        HttpContent? body,
        CancellationToken ct,
        params (string Name, string Value)[] fields
    )
    {
        using var request = new HttpRequestMessage(method, path) { Content = body };
        foreach (var (name, value) in fields)
            request.Headers.TryAddWithoutValidation(name, value);
        try
        {
            using var response = await http.SendAsync(request, ct);
            return new Answer(
                (int)response.StatusCode,
                response
                    .Headers.NonValidated.Concat(response.Content.Headers.NonValidated)
                    .ToDictionary(
                        field => field.Key,
                        field => string.Join(", ", field.Value),
                        StringComparer.OrdinalIgnoreCase
                    ),
                await response.Content.ReadAsByteArrayAsync(ct)
            );
        }
        catch (Exception e)
            when (e is HttpRequestException || (e is TaskCanceledException && !ct.IsCancellationRequested))
        {
            throw new CliException(
                ExitCode.Unreachable,
                "unreachable",
                $"{new Uri(Server, path)} does not answer: {e.Message}",
                "Check the address, and that the server is up."
            );
        }
    }

    /// <summary>The field that sends the key.</summary>
    public (string Name, string Value) WithKey => ("Authorization", "Bearer " + Key);

    public void Dispose() => http.Dispose();
}

/// <summary>What came back, as it came.</summary>
internal sealed record Answer(int Status, IReadOnlyDictionary<string, string> Fields, byte[] Body)
{
    /// <summary>A field, or an empty text.</summary>
    public string this[string name] => Fields.GetValueOrDefault(name) ?? "";

    public bool Has(string name) => Fields.ContainsKey(name);

    /// <summary>The elements of a field that is a list.</summary>
    public string[] List(string name) =>
        this[name].Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    /// <summary>The body with its coding undone.</summary>
    public byte[] Decoded()
    {
        if (this["Content-Encoding"] is not ("br" or "gzip") || Body.Length == 0)
            return Body;
        using var packed = new MemoryStream(Body);
        using Stream stream =
            this["Content-Encoding"] == "br"
                ? new BrotliStream(packed, CompressionMode.Decompress)
                : new GZipStream(packed, CompressionMode.Decompress);
        using var plain = new MemoryStream();
        stream.CopyTo(plain);
        return plain.ToArray();
    }

    public string Text() => Encoding.UTF8.GetString(Decoded());

    public DateTimeOffset? Date(string name) =>
        DateTimeOffset.TryParseExact(this[name], "r", CultureInfo.InvariantCulture, DateTimeStyles.None, out var date)
            ? date
            : null;
}
