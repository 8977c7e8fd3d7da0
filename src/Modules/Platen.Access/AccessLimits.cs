namespace Platen.Access;

/// <summary>Limits of the module, each with its reason.</summary>
internal static class AccessLimits
{
    /// <summary>Bytes of a request's body: the longest is a key with all scopes.</summary>
    public const int BodyBytes = 16 * 1024;

    /// <summary>Days for which a deleted workspace can be had back: a month's holiday fits in.</summary>
    public const int GraceDays = 30;

    /// <summary>Rows that a purge removes in one transaction: some ten milliseconds, so that nobody else waits.</summary>
    public const int PurgedRows = 2_000;

    /// <summary>Days for which a slug that was given up is kept from others: links to it have been seen to be dead by then.</summary>
    public const int HeldSlugDays = 90;

    /// <summary>Characters of a search: more is not what people type.</summary>
    public const int SearchLength = 100;

    /// <summary>Tries to find a free slug: each adds five random characters, so a second is rare.</summary>
    public const int SlugTries = 8;

    /// <summary>Credentials and memberships that one process remembers: about 20 MB.</summary>
    public const int Remembered = 100_000;

    /// <summary>Days an invitation is good for unless said otherwise.</summary>
    public const int InvitationDays = 7;

    /// <summary>Days an invitation is good for at most: an old mailbox is not a credential.</summary>
    public const int MostInvitationDays = 30;

    /// <summary>Times an invitation is sent at most: nobody is written to without end.</summary>
    public const int InvitationSendings = 10;

    /// <summary>Invitations of a workspace that nobody has accepted yet: more is a mailing list.</summary>
    public const int PendingInvitations = 200;

    /// <summary>Invitations that a workspace makes in a day, whatever becomes of them: each is a mail to a stranger.</summary>
    public const int InvitationsADay = 200;

    /// <summary>Days a key may be given to live at most; a key may also have no end.</summary>
    public const int MostKeyDays = 3650;

    /// <summary>Seconds for which a rotated key goes on at most: a week to roll it out.</summary>
    public const int MostRotationSeconds = 7 * 24 * 3600;
}
