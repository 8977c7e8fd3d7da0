using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Platen.Cli.Tests;

/// <summary>A server that gives one answer to each request, in turn; an empty one as 204, and a whole one, with its status line, as it is.</summary>
internal sealed class OneAnswer : IDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);

    public OneAnswer(params string[] answers)
    {
        listener.Start();
        _ = ServeAsync(answers);
    }

    public string Address => $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}";

    public string Request { get; private set; } = "";

    public void Dispose() => listener.Dispose();

    private async Task ServeAsync(string[] answers)
    {
        foreach (var json in answers)
        {
            using var client = await listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
            await using var stream = client.GetStream();
            var buffer = new byte[16 * 1024];
            var request = "";
            while (!IsWhole(request))
                request += Encoding.ASCII.GetString(
                    buffer,
                    0,
                    await stream.ReadAsync(buffer, TestContext.Current.CancellationToken)
                );
            Request += request;
            await stream.WriteAsync(
                Encoding.UTF8.GetBytes(
                    json.StartsWith("HTTP/1.1 ", StringComparison.Ordinal) ? json
                    : json.Length == 0 ? "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
                    : $"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {Encoding.UTF8.GetByteCount(json)}\r\nConnection: close\r\n\r\n{json}"
                ),
                TestContext.Current.CancellationToken
            );
        }
    }

    private static bool IsWhole(string request)
    {
        var end = request.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        if (end < 0)
            return false;
        var length = request
            .Split("\r\n")
            .Where(line => line.StartsWith("Content-Length: ", StringComparison.OrdinalIgnoreCase))
            .Select(line => int.Parse(line["Content-Length: ".Length..], CultureInfo.InvariantCulture))
            .FirstOrDefault();
        return request.Length >= end + 4 + length;
    }
}
