namespace Platen.Testing.Widgets;

/// <summary>
/// Pages that each break one rule of axe-core, named by its id, in a way that markup alone shows. The publish gates and axe-core itself are
/// held against the same pages.
/// </summary>
public static class BrokenPages
{
    /// <summary>A page that breaks none.</summary>
    public const string Sound = """
        <!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sound</title>
        <meta name="viewport" content="width=device-width,initial-scale=1"></head>
        <body><main><h1>Sound</h1><p>Text and <a href="#more">more</a>.</p><section aria-labelledby="more"><h2 id="more">More</h2>
        <ul><li>One</li><li>Two</li></ul><dl><dt>Term</dt><dd>What it means</dd></dl>
        <form method="post" action="/s/x"><label for="a">Name</label><input id="a" name="a" autocomplete="name">
        <label>Colour <select name="c"><option>red</option></select></label><button>Send</button></form>
        <table><caption>Numbers</caption><tr><th scope="col">Year</th><td>1455</td></tr></table>
        <details><summary>Why?</summary><p>Because.</p></details></section></main></body></html>
        """;

    /// <summary>The rule and the page.</summary>
    public static IEnumerable<(string Rule, string Html)> All =>
        [
            ("accesskeys", InMain("<a accesskey=\"k\" href=\"/a\">A</a> <a accesskey=\"k\" href=\"/b\">B</a>")),
            (
                "area-alt",
                InMain(
                    "<img src=\"data:,\" alt=\"Map\" usemap=\"#m\"><map name=\"m\"><area href=\"/a\" shape=\"rect\" coords=\"0,0,9,9\"></map>"
                )
            ),
            ("aria-command-name", InMain("<div role=\"button\" tabindex=\"0\"></div>")),
            ("aria-deprecated-role", InMain("<div role=\"directory\"><p>Text</p></div>")),
            ("aria-dialog-name", InMain("<div role=\"dialog\"><p>Text</p></div>")),
            ("aria-hidden-body", Page("<body aria-hidden=\"true\"><main><h1>Title</h1></main></body>")),
            ("aria-hidden-focus", InMain("<p aria-hidden=\"true\"><a href=\"/a\">A</a></p>")),
            ("aria-input-field-name", InMain("<div role=\"textbox\" tabindex=\"0\"></div>")),
            ("aria-meter-name", InMain("<div role=\"meter\" aria-valuenow=\"3\"></div>")),
            ("aria-progressbar-name", InMain("<div role=\"progressbar\" aria-valuenow=\"3\"></div>")),
            ("aria-required-attr", InMain("<div role=\"slider\" aria-label=\"Size\" tabindex=\"0\"></div>")),
            ("aria-required-children", InMain("<div role=\"list\"><button>A</button></div>")),
            ("aria-required-parent", InMain("<div role=\"tab\" tabindex=\"0\">A</div>")),
            ("aria-roles", InMain("<div role=\"headline\">Text</div>")),
            ("aria-toggle-field-name", InMain("<div role=\"switch\" aria-checked=\"true\" tabindex=\"0\"></div>")),
            ("aria-tooltip-name", InMain("<div role=\"tooltip\"></div>")),
            (
                "aria-treeitem-name",
                InMain("<div role=\"tree\" aria-label=\"T\"><div role=\"treeitem\" tabindex=\"0\"></div></div>")
            ),
            ("aria-valid-attr", InMain("<p aria-labeled=\"x\">Text</p>")),
            ("aria-valid-attr-value", InMain("<button aria-expanded=\"maybe\">A</button>")),
            ("autocomplete-valid", InMain("<label>Mail <input autocomplete=\"e-mail-address\"></label>")),
            ("blink", InMain("<blink>Text</blink>")),
            ("button-name", InMain("<button></button>")),
            ("definition-list", InMain("<dl><dt>A</dt><dd>B</dd><p>C</p></dl>")),
            ("dlitem", InMain("<dt>A</dt>")),
            (
                "document-title",
                "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"></head><body><main><h1>A</h1></main></body></html>"
            ),
            ("empty-heading", InMain("<h2></h2>")),
            ("empty-table-header", InMain("<table><tr><th></th><td>A</td></tr></table>")),
            ("frame-title", InMain("<iframe src=\"about:blank\"></iframe>")),
            ("heading-order", InMain("<h4>Too deep</h4>")),
            (
                "html-has-lang",
                "<!doctype html><html><head><meta charset=\"utf-8\"><title>T</title></head><body><main><h1>A</h1></main></body></html>"
            ),
            (
                "html-lang-valid",
                "<!doctype html><html lang=\"anglais_\"><head><meta charset=\"utf-8\"><title>T</title></head><body><main><h1>A</h1></main></body></html>"
            ),
            ("image-alt", InMain("<img src=\"data:,\">")),
            ("input-button-name", InMain("<input type=\"button\">")),
            ("input-image-alt", InMain("<input type=\"image\" src=\"data:,\">")),
            ("label", InMain("<input name=\"a\">")),
            ("label-title-only", InMain("<input name=\"a\" title=\"Name\">")),
            ("landmark-banner-is-top-level", InMain("<div role=\"banner\">Text</div>")),
            ("landmark-contentinfo-is-top-level", InMain("<div role=\"contentinfo\">Text</div>")),
            (
                "landmark-main-is-top-level",
                Page("<body><nav aria-label=\"All\"><div role=\"main\"><h1>Title</h1></div></nav></body>")
            ),
            (
                "landmark-no-duplicate-banner",
                Page("<body><header>A</header><header>B</header><main><h1>Title</h1></main></body>")
            ),
            (
                "landmark-no-duplicate-contentinfo",
                Page("<body><main><h1>Title</h1></main><footer>A</footer><footer>B</footer></body>")
            ),
            ("landmark-no-duplicate-main", Page("<body><main><h1>Title</h1></main><div role=\"main\">B</div></body>")),
            ("landmark-one-main", Page("<body><nav><h1>Title</h1></nav></body>")),
            ("landmark-unique", InMain("<nav>A</nav><nav>B</nav>")),
            ("link-name", InMain("<a href=\"/a\"></a>")),
            ("list", InMain("<ul><p>A</p></ul>")),
            ("listitem", InMain("<li>A</li>")),
            ("marquee", InMain("<marquee>Text</marquee>")),
            (
                "meta-refresh",
                Page("<body><main><h1>Title</h1></main></body>", "<meta http-equiv=\"refresh\" content=\"600\">")
            ),
            (
                "meta-viewport",
                Page(
                    "<body><main><h1>Title</h1></main></body>",
                    "<meta name=\"viewport\" content=\"width=device-width,user-scalable=no\">"
                )
            ),
            ("nested-interactive", InMain("<div role=\"button\" tabindex=\"0\">A <a href=\"/a\">B</a></div>")),
            ("object-alt", InMain("<object data=\"data:text/plain,a\" width=\"9\" height=\"9\"></object>")),
            ("page-has-heading-one", Page("<body><main><h2>Title</h2></main></body>")),
            ("region", Page("<body><p>Outside</p><main><h1>Title</h1></main></body>")),
            ("role-img-alt", InMain("<span role=\"img\"></span>")),
            ("scope-attr-valid", InMain("<table><tr><th scope=\"colum\">A</th><td>B</td></tr></table>")),
            ("select-name", InMain("<select><option>A</option></select>")),
            ("summary-name", InMain("<details><summary></summary><p>A</p></details>")),
            ("svg-img-alt", InMain("<svg role=\"img\" width=\"9\" height=\"9\"><path d=\"M0 0h9v9z\"/></svg>")),
            ("tabindex", InMain("<a tabindex=\"3\" href=\"/a\">A</a>")),
            (
                "td-headers-attr",
                InMain("<table><tr><th id=\"h\">A</th></tr><tr><td headers=\"nothing\">B</td></tr></table>")
            ),
            ("valid-lang", InMain("<p lang=\"klingonisch_\">Text</p>")),
        ];

    private static string InMain(string markup) =>
        Page($"<body><main><h1>Title</h1><p>Text.</p>{markup}</main></body>");

    private static string Page(string body, string head = "") =>
        $"<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Title</title>{head}</head>{body}</html>";
}
