using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;
using Platen.Access.People.Mail;

namespace Platen.Access.People;

/// <summary>What the environment says about people: where mail goes, what the site is called, who else vouches for people.</summary>
public sealed partial record PeopleSettings
{
    /// <summary><c>PLATEN_MAIL</c>; a folder in the data folder unless said.</summary>
    public required MailLocation Mail { get; init; }

    /// <summary>
    /// <c>PLATEN_PUBLIC_URL</c>: scheme and host that people use, for links in mails; null for where the server listens.
    /// </summary>
    public Uri? PublicUrl { get; init; }

    /// <summary>Outside services that people may sign in with.</summary>
    public IReadOnlyList<ProviderSettings> Providers { get; init; } = [];

    /// <summary>Mail in a folder and nothing else.</summary>
    public static PeopleSettings In(string dataFolder) =>
        new() { Mail = new MailLocation.Folder(Path.Combine(dataFolder, "mail")) };

    /// <summary>Reads the settings.</summary>
    /// <exception cref="PeopleSettingsException">A setting has a value that means nothing.</exception>
    public static PeopleSettings Read(IConfiguration configuration, string dataFolder)
    {
        var settings = In(dataFolder);
        if (configuration["PLATEN_MAIL"] is { Length: > 0 } mail)
        {
            if (!MailLocation.TryParse(mail, out var location, out var wrong))
                throw new PeopleSettingsException($"PLATEN_MAIL cannot be used: {wrong}");
            settings = settings with { Mail = location };
        }
        if (configuration["PLATEN_PUBLIC_URL"] is { Length: > 0 } text)
        {
            if (
                !Uri.TryCreate(text, UriKind.Absolute, out var url)
                || url.Scheme is not ("http" or "https")
                || url.PathAndQuery != "/"
            )
            {
                throw new PeopleSettingsException(
                    $"PLATEN_PUBLIC_URL is '{text}'; write scheme and host only, such as https://platen.example.org."
                );
            }
            settings = settings with { PublicUrl = url };
        }
        return settings with
        {
            Providers =
            [
                .. configuration
                    .GetSection("SignIn:Providers")
                    .GetChildren()
                    .Select(section => ProviderSettings.Read(section))
                    .OrderBy(provider => provider.Name, StringComparer.Ordinal),
            ],
        };
    }

    [GeneratedRegex("^[a-z][a-z0-9-]{0,39}$", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 100)]
    internal static partial Regex ProviderName();
}

/// <summary>A service that vouches for people: OAuth 2.0 with PKCE (RFC 6749, RFC 7636) and OpenID Connect's user info.</summary>
/// <param name="Name">Its name in addresses: lower-case letters, digits and hyphens.</param>
/// <param name="Title">What its button says.</param>
/// <param name="ClientId">What the service knows this site as.</param>
/// <param name="ClientSecret">What proves it.</param>
/// <param name="AuthorizationEndpoint">Where people are sent.</param>
/// <param name="TokenEndpoint">Where the code is exchanged.</param>
/// <param name="UserInfoEndpoint">Tells <c>sub</c>, <c>email</c>, <c>email_verified</c> and <c>name</c>.</param>
/// <param name="Scope">What is asked for; <c>openid email profile</c> unless said.</param>
public sealed record ProviderSettings(
    string Name,
    string Title,
    string ClientId,
    string ClientSecret,
    Uri AuthorizationEndpoint,
    Uri TokenEndpoint,
    Uri UserInfoEndpoint,
    string Scope
)
{
    internal static ProviderSettings Read(IConfigurationSection section)
    {
        var name = section.Key.ToLowerInvariant();
        if (!PeopleSettings.ProviderName().IsMatch(name))
            throw new PeopleSettingsException(
                $"SignIn__Providers__{section.Key}: a provider's name has lower-case letters, digits and hyphens."
            );
        return new ProviderSettings(
            name,
            section["Title"] is { Length: > 0 } title ? title : name,
            Required("ClientId"),
            Required("ClientSecret"),
            Address("AuthorizationEndpoint"),
            Address("TokenEndpoint"),
            Address("UserInfoEndpoint"),
            section["Scope"] is { Length: > 0 } scope ? scope : "openid email profile"
        );

        string Required(string key) =>
            section[key] is { Length: > 0 } value
                ? value
                : throw new PeopleSettingsException(
                    $"SignIn__Providers__{section.Key}__{key} is missing; the provider gave it when this site was registered there."
                );

        // Plain HTTP is for a provider on this machine: anywhere else it would show codes and secrets to the network.
        Uri Address(string key) =>
            Uri.TryCreate(Required(key), UriKind.Absolute, out var uri)
            && (uri.Scheme == "https" || (uri.Scheme == "http" && uri.IsLoopback))
                ? uri
                : throw new PeopleSettingsException(
                    $"SignIn__Providers__{section.Key}__{key} is not an https address."
                );
    }
}

/// <summary>A setting about people cannot be used; the message names it and says what to write instead.</summary>
public sealed class PeopleSettingsException(string message) : Exception(message);
