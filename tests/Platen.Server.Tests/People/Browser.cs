using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Platen.Server.Tests.People;

/// <summary>What a browser does that matters here: keeps cookies, says where a request comes from, follows nothing by itself.</summary>
internal sealed class Browser : IDisposable
{
    private readonly HttpClient client;
    private readonly Uri address;

    /// <param name="address">Of the server; opened as localhost, as a person does.</param>
    /// <param name="from">The loopback address it connects from; each is its own network to the server.</param>
    public Browser(Uri address, string from = "127.0.0.1")
    {
        this.address = new UriBuilder(address) { Host = "localhost" }.Uri;
        client = new HttpClient(
            new SocketsHttpHandler
            {
                CookieContainer = Cookies,
                AllowAutoRedirect = false,
                ConnectCallback = async (context, ct) =>
                {
                    var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                    socket.Bind(new IPEndPoint(IPAddress.Parse(from), 0));
                    await socket.ConnectAsync(IPAddress.Loopback, context.DnsEndPoint.Port, ct);
                    return new NetworkStream(socket, ownsSocket: true);
                },
            }
        );
    }

    public CookieContainer Cookies { get; } = new();

    /// <summary>The session's cookie, or null.</summary>
    public string? Session => Cookies.GetCookies(address)["platen_session"]?.Value;

    /// <summary>Where requests say they come from.</summary>
    public string Site { get; set; } = "same-origin";

    /// <summary>What script sends with what changes something; read from the session when null.</summary>
    public string? Csrf { get; set; }

    public string Origin => address.GetLeftPart(UriPartial.Authority);

    /// <summary>Sends JSON, as the site's own script does.</summary>
    public async Task<Answer> SendAsync(HttpMethod method, string path, object? body = null)
    {
        using var request = New(method, path);
        if (Csrf is not null)
            request.Headers.Add("X-Platen-CSRF", Csrf);
        if (body is not null)
        {
            request.Content = new StringContent(
                body as string ?? JsonSerializer.Serialize(body, JsonSerializerOptions.Web),
                Encoding.UTF8,
                "application/json"
            );
        }
        return (await AnswerAsync(request)).Answer;
    }

    /// <summary>Sends a form, as one of the site's pages does; also where it leads to.</summary>
    public async Task<(Answer Answer, string? Location)> PostFormAsync(
        string path,
        params (string Name, string Value)[] fields
    )
    {
        using var request = New(HttpMethod.Post, path);
        request.Content = new FormUrlEncodedContent(fields.Select(f => KeyValuePair.Create(f.Name, f.Value)));
        return await AnswerAsync(request);
    }

    /// <summary>Opens a page; also where it leads to.</summary>
    public async Task<(Answer Answer, string? Location)> OpenAsync(string path)
    {
        using var request = New(HttpMethod.Get, path);
        return await AnswerAsync(request);
    }

    /// <summary>Signs in and reads the session's token.</summary>
    public async Task<Answer> SignInAsync(string email, string password)
    {
        var answer = await SendAsync(HttpMethod.Post, "/v1/session", new { email, password });
        if (answer.Status == 204)
            await ReadTokenAsync();
        return answer;
    }

    public async Task ReadTokenAsync() =>
        Csrf = (await SendAsync(HttpMethod.Get, "/v1/session")).Json["csrfToken"]!.GetValue<string>();

    public void Dispose() => client.Dispose();

    private HttpRequestMessage New(HttpMethod method, string path)
    {
        var request = new HttpRequestMessage(method, new Uri(address, path));
        if (Site.Length > 0)
            request.Headers.Add("Sec-Fetch-Site", Site);
        request.Headers.UserAgent.Add(new ProductInfoHeaderValue("Firefox", "150.0"));
        if (method != HttpMethod.Get && Site == "same-origin")
            request.Headers.Add("Origin", Origin);
        return request;
    }

    private async Task<(Answer Answer, string? Location)> AnswerAsync(HttpRequestMessage request)
    {
        using var response = await client.SendAsync(request, TestContext.Current.CancellationToken);
        var answer = new Answer(
            (int)response.StatusCode,
            response.Headers.ETag?.ToString(),
            response.Content.Headers.ContentType?.MediaType,
            await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)
        )
        {
            RetryAfter = response.Headers.RetryAfter?.Delta,
        };
        return (answer, response.Headers.Location?.ToString());
    }
}

/// <summary>Somebody a test made: added by the owner, with the password set by the link in the mail.</summary>
internal sealed record TestPerson(Guid Id, string Email, string Password)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public static async Task<TestPerson> AddAsync(ServerFixture server, string name = "Ada Lovelace")
    {
        var email = $"p{Guid.CreateVersion7():N}@example.org";
        var added = await server.Owner.SendAsync(HttpMethod.Post, "/v1/people", new { displayName = name, email });
        added.Status.ShouldBe(201, added.Text);
        var token = await LinkAsync(server, email, "reset");
        const string password = "correct horse battery";
        using var browser = new Browser(server.Address);
        var set = await browser.SendAsync(HttpMethod.Post, "/v1/password-reset/complete", new { token, password });
        set.Status.ShouldBe(204, set.Text);
        return new TestPerson(added.Json["id"]!.GetValue<Guid>(), email, password);
    }

    /// <summary>A browser of theirs, signed in.</summary>
    public async Task<Browser> SignInAsync(ServerFixture server)
    {
        var browser = new Browser(server.Address);
        (await browser.SignInAsync(Email, Password)).Status.ShouldBe(204);
        return browser;
    }

    /// <summary>The token in the newest mail to an address that has a link of the kind.</summary>
    public static async Task<string> LinkAsync(ServerFixture server, string to, string kind, int skip = 0)
    {
        string[] found = [];
        await Testing.Servers.ServerProcess.WaitUntilAsync(
            $"a mail to {to}",
            TimeSpan.FromSeconds(30),
            async ct =>
            {
                found = [.. (await MailsAsync(server, to, ct)).SelectMany(mail => Links(mail, kind))];
                return found.Length > skip;
            },
            Ct
        );
        return found[^1];
    }

    /// <summary>The mails to an address, oldest first, as text.</summary>
    public static async Task<List<string>> MailsAsync(ServerFixture server, string to, CancellationToken ct)
    {
        var folder = Path.Combine(server.Postgres.Folder, "mail");
        var mails = new List<string>();
        if (!Directory.Exists(folder))
            return mails;
        foreach (var file in Directory.EnumerateFiles(folder, "*.eml").Order(StringComparer.Ordinal))
        {
            var mail = await File.ReadAllTextAsync(file, ct);
            if (mail.Contains($"To: {to}", StringComparison.OrdinalIgnoreCase))
                mails.Add(Decode(mail));
        }
        return mails;
    }

    private static IEnumerable<string> Links(string mail, string kind) =>
        Regex
            .Matches(mail, $"/{kind}/(?<token>[A-Za-z0-9_-]{{43}})", RegexOptions.None, TimeSpan.FromSeconds(1))
            .Select(match => match.Groups["token"].Value);

    // Quoted-printable (RFC 2045 section 6.7).
    private static string Decode(string mail) =>
        Regex.Replace(
            mail.Replace("=\r\n", "", StringComparison.Ordinal),
            "=(?<byte>[0-9A-F]{2})",
            match =>
                (
                    (char)byte.Parse(match.Groups["byte"].Value, NumberStyles.HexNumber, CultureInfo.InvariantCulture)
                ).ToString(),
            RegexOptions.None,
            TimeSpan.FromSeconds(1)
        );
}
