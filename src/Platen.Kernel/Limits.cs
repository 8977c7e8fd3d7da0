namespace Platen.Kernel;

/// <summary>Limits that every module shares, each with its reason. A module's own limits stand in the module.</summary>
public static class Limits
{
    /// <summary>Characters in a name that people see: longer ones break every list they appear in.</summary>
    public const int DisplayNameLength = 120;

    /// <summary>Bytes of a JSON request body: a large widget config is 100 KB, a megabyte leaves room to grow.</summary>
    public const int JsonBodyBytes = 1024 * 1024;

    /// <summary>Levels of nesting in JSON that is read: real documents stay below 20, a stack does not.</summary>
    public const int JsonDepth = 64;

    /// <summary>Items on one page of a list unless asked otherwise.</summary>
    public const int DefaultPageItems = 50;

    /// <summary>Items on one page of a list at most: a page stays below a megabyte.</summary>
    public const int PageItems = 200;

    /// <summary>Characters of a reason given with a change.</summary>
    public const int ReasonLength = 500;

    /// <summary>Faults reported for one request: enough to fix a form in one go, bounded against abuse.</summary>
    public const int Faults = 100;

    /// <summary>Characters of a channel's subject, such as <c>curated/wgt_main_content.faq</c>.</summary>
    public const int SubjectLength = 255;

    /// <summary>Characters of a channel's name, such as <c>live</c>; an OCI tag has at most 128.</summary>
    public const int ChannelNameLength = 128;
}
