using System.Collections.Frozen;

namespace Platen.Widgets.Gates;

/// <summary>Roles, states and properties of WAI-ARIA 1.2, as far as the gates need them.</summary>
internal static class AriaVocabulary
{
    public static readonly FrozenSet<string> Roles = Set(
        "alert alertdialog application article banner blockquote button caption cell checkbox code columnheader combobox complementary "
            + "contentinfo definition deletion dialog directory document emphasis feed figure form generic grid gridcell group heading img "
            + "insertion link list listbox listitem log main mark marquee math menu menubar menuitem menuitemcheckbox menuitemradio meter "
            + "navigation none note option paragraph presentation progressbar radio radiogroup region row rowgroup rowheader scrollbar "
            + "search searchbox separator slider spinbutton status strong subscript suggestion superscript switch tab table tablist "
            + "tabpanel term textbox time timer toolbar tooltip tree treegrid treeitem"
    );

    private static readonly FrozenSet<string> Flag = Set("true false");
    private static readonly FrozenSet<string> FlagOrNone = Set("true false undefined");
    private static readonly FrozenSet<string> ThreeStates = Set("true false mixed undefined");

    /// <summary>Attributes whose value is one of a few words.</summary>
    public static readonly FrozenDictionary<string, FrozenSet<string>> Words = new Dictionary<string, FrozenSet<string>>
    {
        ["aria-atomic"] = Flag,
        ["aria-busy"] = Flag,
        ["aria-disabled"] = Flag,
        ["aria-modal"] = Flag,
        ["aria-multiline"] = Flag,
        ["aria-multiselectable"] = Flag,
        ["aria-readonly"] = Flag,
        ["aria-required"] = Flag,
        ["aria-expanded"] = FlagOrNone,
        ["aria-grabbed"] = FlagOrNone,
        ["aria-hidden"] = FlagOrNone,
        ["aria-selected"] = FlagOrNone,
        ["aria-checked"] = ThreeStates,
        ["aria-pressed"] = ThreeStates,
        ["aria-autocomplete"] = Set("inline list both none"),
        ["aria-current"] = Set("page step location date time true false"),
        ["aria-haspopup"] = Set("true false menu listbox tree grid dialog"),
        ["aria-invalid"] = Set("true false grammar spelling"),
        ["aria-live"] = Set("off polite assertive"),
        ["aria-orientation"] = Set("horizontal vertical undefined"),
        ["aria-sort"] = Set("ascending descending none other"),
    }.ToFrozenDictionary();

    /// <summary>Attributes that name other elements by their ids.</summary>
    public static readonly FrozenSet<string> References = Set(
        "aria-activedescendant aria-controls aria-describedby aria-details aria-errormessage aria-flowto aria-labelledby aria-owns"
    );

    /// <summary>Attributes whose value is a number.</summary>
    public static readonly FrozenSet<string> Numbers = Set(
        "aria-colcount aria-colindex aria-colspan aria-level aria-posinset aria-rowcount aria-rowindex aria-rowspan aria-setsize "
            + "aria-valuemax aria-valuemin aria-valuenow"
    );

    /// <summary>Every attribute there is.</summary>
    public static readonly FrozenSet<string> Attributes =
    [
        .. Words.Keys,
        .. References,
        .. Numbers,
        .. Set(
            "aria-braillelabel aria-brailleroledescription aria-colindextext aria-description aria-dropeffect aria-keyshortcuts aria-label "
                + "aria-placeholder aria-relevant aria-roledescription aria-rowindextext aria-valuetext"
        ),
    ];

    /// <summary>What a role must say, unless the element itself does.</summary>
    public static readonly FrozenDictionary<string, string[]> Required = new Dictionary<string, string[]>
    {
        ["checkbox"] = ["aria-checked"],
        ["combobox"] = ["aria-expanded"],
        ["heading"] = ["aria-level"],
        ["menuitemcheckbox"] = ["aria-checked"],
        ["menuitemradio"] = ["aria-checked"],
        ["meter"] = ["aria-valuenow"],
        ["radio"] = ["aria-checked"],
        ["scrollbar"] = ["aria-controls", "aria-valuenow"],
        ["slider"] = ["aria-valuenow"],
        ["switch"] = ["aria-checked"],
    }.ToFrozenDictionary();

    /// <summary>The roles that a role stands in.</summary>
    public static readonly FrozenDictionary<string, FrozenSet<string>> Parents = new Dictionary<
        string,
        FrozenSet<string>
    >
    {
        ["cell"] = Set("row"),
        ["columnheader"] = Set("row"),
        ["gridcell"] = Set("row"),
        ["listitem"] = Set("list"),
        ["menuitem"] = Set("menu menubar"),
        ["menuitemcheckbox"] = Set("menu menubar"),
        ["menuitemradio"] = Set("menu menubar"),
        ["option"] = Set("listbox"),
        ["row"] = Set("grid rowgroup table treegrid"),
        ["rowgroup"] = Set("grid table treegrid"),
        ["rowheader"] = Set("row"),
        ["tab"] = Set("tablist"),
        ["treeitem"] = Set("tree"),
    }.ToFrozenDictionary();

    /// <summary>The roles that a role holds.</summary>
    public static readonly FrozenDictionary<string, FrozenSet<string>> Children = new Dictionary<
        string,
        FrozenSet<string>
    >
    {
        ["list"] = Set("listitem"),
        ["listbox"] = Set("option group"),
        ["menu"] = Set("menuitem menuitemcheckbox menuitemradio group separator"),
        ["menubar"] = Set("menuitem menuitemcheckbox menuitemradio group separator"),
        ["row"] = Set("cell columnheader gridcell rowheader"),
        ["rowgroup"] = Set("row"),
        ["table"] = Set("row rowgroup caption"),
        ["grid"] = Set("row rowgroup caption"),
        ["tablist"] = Set("tab"),
        ["tree"] = Set("treeitem group"),
    }.ToFrozenDictionary();

    /// <summary>Roles whose content is read as one, so that nothing in it can be reached.</summary>
    public static readonly FrozenSet<string> Opaque = Set(
        "button checkbox img menuitemcheckbox menuitemradio meter option progressbar radio scrollbar separator slider switch tab"
    );

    /// <summary>Tokens that autocomplete may have for the field (HTML Living Standard 4.10.18.7.1).</summary>
    public static readonly FrozenSet<string> Autofill = Set(
        "name honorific-prefix given-name additional-name family-name honorific-suffix nickname username new-password current-password "
            + "one-time-code organization-title organization street-address address-line1 address-line2 address-line3 address-level4 "
            + "address-level3 address-level2 address-level1 country country-name postal-code cc-name cc-given-name cc-additional-name "
            + "cc-family-name cc-number cc-exp cc-exp-month cc-exp-year cc-csc cc-type transaction-currency transaction-amount language "
            + "bday bday-day bday-month bday-year sex url photo tel tel-country-code tel-national tel-area-code tel-local "
            + "tel-local-prefix tel-local-suffix tel-extension email impp"
    );

    private static FrozenSet<string> Set(string names) => names.Split(' ').ToFrozenSet(StringComparer.Ordinal);
}
