using System.Collections.Frozen;
using System.Security.Cryptography;
using Platen.Kernel;

namespace Platen.Access.Workspaces;

/// <summary>Which slugs workspaces may have.</summary>
internal static class SlugRules
{
    private const int MinLength = 3;
    private const int SuffixLength = 5;

    // Without letters and digits that are taken for one another, and without vowels, so that no words come out.
    private const string SuffixLetters = "23456789bcdfghjkmnpqrstvwxz";

    private static readonly FrozenSet<string> Reserved = (
        "about abuse access account accounts admin administrator alpha api app apps assets auth autoconfig autodiscover "
        + "autodiscovery avatar backup beta billing blog cache cdn chat click cloud cname community config console contact "
        + "dashboard demo dev developer developers dns docs domain domains download downloads e email embed error events "
        + "everyone exchange faq feed feedback file files forum ftp gateway git graphql guest health healthz help home host "
        + "hosting hostmaster http https image images imap img info instance instances internal intranet ipv4 ipv6 isatap jobs "
        + "kb key keys legal list lists live loader local localhost localdomain login logout mail mailer mailerdaemon manage "
        + "manifest me media member members metrics mobile monitor mx mysql new news newsletter no-reply nobody noc noreply "
        + "ns ns0 ns1 ns2 ns3 ns4 null oauth official openapi operator owner p page pages password pay payment payments ping "
        + "platen platform pop pop3 portal post postgres postmaster press preview previews pricing privacy private problems "
        + "profile project projects prometheus proxy public publisher readyz redirect register registry release releases remote "
        + "reset robots root router rss s sales sample sandbox search secure security server service services session sessions "
        + "settings setup sftp shop signin signout signup site sitemap sites smtp snapshot ssh ssl ssladmin "
        + "ssladministrator sslwebmaster staff stage staging stat static stats status storage store studio subdomain "
        + "submit subscribe superuser support sysadmin system team template templates test themes theme tls token tokens "
        + "traces undefined unsubscribe update updates upload uploads usenet user users v1 v2 verify video w web "
        + "webhook webhooks webmail webmaster websocket well-known whoami widget widgets wiki wildcard workspace workspaces "
        + "wpad ws ww www www1 www2 xmpp"
    )
        .Split(' ', StringSplitOptions.RemoveEmptyEntries)
        .Select(Skeleton)
        .ToFrozenSet(StringComparer.Ordinal);

    /// <summary>Reads a slug that somebody asks for; what is wrong with it is a fault.</summary>
    public static Slug? Read(string text, string pointer, List<Fault> faults)
    {
        if (!Slug.TryParse(text, out var slug))
        {
            var folded = Slug.FromName(text);
            faults.Add(
                new Fault(
                    pointer,
                    "A slug has lower-case ASCII letters and digits, joined by single dashes, at most 63 characters"
                        + (folded is { } better ? $"; '{better}' would be one." : ".")
                )
            );
            return null;
        }
        if (slug.Value.Length < MinLength)
            faults.Add(new Fault(pointer, $"A slug has at least {MinLength} characters."));
        else if (Guid.TryParse(slug.Value, out _))
            faults.Add(new Fault(pointer, "A slug does not have the form of an id."));
        else if (IsReserved(slug.Value))
            faults.Add(new Fault(pointer, $"'{slug}' is reserved, or is taken for a word that is."));
        else
            return slug;
        return null;
    }

    /// <summary>A slug to begin with for a name; null when the name has no letter that a slug can have.</summary>
    public static string? FromName(string name) =>
        Slug.FromName(name) is { } slug
        && slug.Value.Length >= MinLength
        && !IsReserved(slug.Value)
        && !Guid.TryParse(slug.Value, out _)
            ? slug.Value
            : null;

    /// <summary>The slug with a random end, so that it is free almost certainly.</summary>
    public static string WithSuffix(string? slug)
    {
        var suffix = RandomNumberGenerator.GetString(SuffixLetters, SuffixLength);
        var head = slug ?? "workspace";
        if (head.Length > Slug.MaxLength - SuffixLength - 1)
            head = head[..(Slug.MaxLength - SuffixLength - 1)].TrimEnd('-');
        return head + "-" + suffix;
    }

    /// <summary>Whether it is reserved, or looks like a reserved word: <c>adm1n</c> and <c>ad-min</c> are <c>admin</c>.</summary>
    public static bool IsReserved(string slug) => Reserved.Contains(Skeleton(slug));

    private static string Skeleton(string slug) =>
        slug.Replace("-", "", StringComparison.Ordinal)
            .Replace("rn", "m", StringComparison.Ordinal)
            .Replace("vv", "w", StringComparison.Ordinal)
            .Replace("cl", "d", StringComparison.Ordinal)
            .Replace('0', 'o')
            .Replace('1', 'l')
            .Replace('i', 'l')
            .Replace('3', 'e')
            .Replace('4', 'a')
            .Replace('5', 's');
}
