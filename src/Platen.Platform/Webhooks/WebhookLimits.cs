namespace Platen.Platform.Webhooks;

/// <summary>What webhooks accept and keep at most, each with its reason.</summary>
public static class WebhookLimits
{
    /// <summary>Webhooks of one owner: each event is a message to every one of them.</summary>
    public const int PerOwner = 20;

    /// <summary>Types that one webhook can name.</summary>
    public const int Types = 20;

    /// <summary>Characters of an address.</summary>
    public const int UrlLength = 2000;

    /// <summary>Characters of a description.</summary>
    public const int DescriptionLength = 200;

    /// <summary>Bytes of the data of a message: it names what happened, and does not carry it.</summary>
    public const int DataBytes = 32 * 1024;

    /// <summary>Random bytes of a secret.</summary>
    public const int SecretBytes = 32;

    /// <summary>Messages to one webhook that a process sends at the same time: one that answers slowly must not hold up the others.</summary>
    public const int AtOnce = 4;

    /// <summary>
    /// Messages of one owner that a process sends at the same time: twenty webhooks that answer slowly must not hold up other owners'.
    /// </summary>
    public const int AtOnceOfOwner = 8;

    /// <summary>Messages that a process sends at the same time; it waits for receivers, and holds nothing while it does.</summary>
    public const int AtOnceOfAll = 64;

    /// <summary>The longest time that a former secret goes on signing, in hours.</summary>
    public const int OverlapHours = 168;

    /// <summary>How long what became of a message is kept.</summary>
    public static readonly TimeSpan KeptFor = TimeSpan.FromDays(30);
}
