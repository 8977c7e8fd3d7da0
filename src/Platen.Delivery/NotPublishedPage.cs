using System.Collections.Frozen;
using Platen.Kernel;
using Platen.Platform.Http;

namespace Platen.Delivery;

/// <summary>
/// What a visitor's browser shows instead of a widget. It speaks to the owner of the site, who is the one that can do
/// something. The only text from the request it can hold is a public id, which has no character that HTML minds.
/// </summary>
internal static class NotPublishedPage
{
    private static readonly FrozenDictionary<string, Pages> pages = NotPublishedWords
        .All.Select(Pages.Of)
        .ToFrozenDictionary(one => one.Words.Language, StringComparer.Ordinal);

    /// <summary>The page for a status; <paramref name="id"/> is null when the address has none.</summary>
    public static StandInPage For(int status, PublicId? id, string language)
    {
        var own = pages[language];
        return status switch
        {
            404 when id is not null => Page(
                own.Words,
                own.Words.NotFound,
                $"`{id}`",
                $"`platen status {id}`",
                $"`platen publish {id}`"
            ),
            404 => own.Malformed,
            401 or 403 => own.NotPublic,
            406 => own.NotAcceptable,
            503 => own.Unavailable,
            _ => own.Failed,
        };
    }

    private static StandInPage Page(NotPublishedWords words, Told told, params ReadOnlySpan<object?> code) =>
        new(
            words.Language,
            "error",
            told.Title,
            string.Format(System.Globalization.CultureInfo.InvariantCulture, told.Text, code)
        );

    /// <summary>Those that say the same to everybody, in one language.</summary>
    private sealed record Pages(
        NotPublishedWords Words,
        StandInPage Malformed,
        StandInPage NotPublic,
        StandInPage Unavailable,
        StandInPage Failed,
        StandInPage NotAcceptable
    )
    {
        public static Pages Of(NotPublishedWords words) =>
            new(
                words,
                Page(words, words.Malformed, "`wgt_main_content.faq`", "`platen status`"),
                Page(words, words.NotPublic, "`POST /v1/instances/…/embed-tokens`"),
                Page(words, words.Unavailable, "`/readyz`"),
                Page(words, words.Failed),
                Page(words, words.NotAcceptable, "`identity`", "`gzip`", "`br`", "`Accept-Encoding`")
            );
    }
}

/// <summary>A page's words.</summary>
/// <param name="Title">What is so.</param>
/// <param name="Text">What to do about it; <c>{0}</c> and so on for what is the same in every language.</param>
internal sealed record Told(string Title, string Text);

/// <summary>The words of one language.</summary>
internal sealed record NotPublishedWords(
    string Language,
    Told Malformed,
    Told NotFound,
    Told NotPublic,
    Told Unavailable,
    Told Failed,
    Told NotAcceptable
)
{
    /// <summary>One for each of <see cref="StandInPage.Languages"/>.</summary>
    public static readonly NotPublishedWords[] All =
    [
        new(
            "en",
            new(
                "This address names no widget",
                "If this is your site: a widget's address ends with its public id, such as {0}. Copy the embed code again, or ask for it "
                    + "with {1}."
            ),
            new(
                "There is no published widget here",
                "If this is your site: nothing is published under {0}. Compare the id in the embed code with {1}, and publish it with {2}."
            ),
            new(
                "This widget is not public",
                "It is shown to who has a token for it. If this is your site: the token in the embed code may have ended, or be for another "
                    + "site or widget. {0} makes a new one."
            ),
            new(
                "This widget will be back in a moment",
                "The server cannot read it right now. If this is your site: nothing is lost, and {0} names the part that does not answer."
            ),
            new(
                "This widget could not be shown",
                "The server failed. If this is your site: the server's log has the reason."
            ),
            new(
                "There is no version that your program accepts",
                "The request refuses every content coding this is stored in. Allow {0}, {1} or {2} in {3}."
            )
        ),
        new(
            "de",
            new(
                "Diese Adresse nennt kein Widget",
                "Falls das Ihre Website ist: Die Adresse eines Widgets endet mit seiner öffentlichen Kennung, etwa {0}. Kopieren Sie den "
                    + "Einbettungscode erneut, oder fragen Sie danach mit {1}."
            ),
            new(
                "Hier ist kein Widget veröffentlicht",
                "Falls das Ihre Website ist: Unter {0} ist nichts veröffentlicht. Vergleichen Sie die Kennung im Einbettungscode mit {1}, "
                    + "und veröffentlichen Sie mit {2}."
            ),
            new(
                "Dieses Widget ist nicht öffentlich",
                "Es wird denen gezeigt, die ein Token dafür haben. Falls das Ihre Website ist: Das Token im Einbettungscode ist vielleicht "
                    + "abgelaufen oder gilt für eine andere Website oder ein anderes Widget. {0} erzeugt ein neues."
            ),
            new(
                "Dieses Widget ist gleich wieder da",
                "Der Server kann es im Moment nicht lesen. Falls das Ihre Website ist: Es ist nichts verloren, und {0} nennt den Teil, der "
                    + "nicht antwortet."
            ),
            new(
                "Dieses Widget konnte nicht gezeigt werden",
                "Der Server hat versagt. Falls das Ihre Website ist: Der Grund steht im Protokoll des Servers."
            ),
            new(
                "Es gibt keine Fassung, die Ihr Programm annimmt",
                "Die Anfrage lehnt jede Kodierung ab, in der dies vorliegt. Erlauben Sie {0}, {1} oder {2} in {3}."
            )
        ),
        new(
            "fr",
            new(
                "Cette adresse ne désigne aucun widget",
                "Si ce site est le vôtre : l’adresse d’un widget se termine par son identifiant public, par exemple {0}. Copiez de nouveau "
                    + "le code d’intégration, ou demandez-le avec {1}."
            ),
            new(
                "Aucun widget n’est publié ici",
                "Si ce site est le vôtre : rien n’est publié sous {0}. Comparez l’identifiant du code d’intégration avec {1}, puis publiez "
                    + "avec {2}."
            ),
            new(
                "Ce widget n’est pas public",
                "Il est montré à qui possède un jeton. Si ce site est le vôtre : le jeton du code d’intégration a peut-être expiré, ou il vaut "
                    + "pour un autre site ou un autre widget. {0} en crée un nouveau."
            ),
            new(
                "Ce widget revient dans un instant",
                "Le serveur ne peut pas le lire pour le moment. Si ce site est le vôtre : rien n’est perdu, et {0} indique la partie qui ne "
                    + "répond pas."
            ),
            new(
                "Ce widget n’a pas pu être affiché",
                "Le serveur a échoué. Si ce site est le vôtre : la raison se trouve dans le journal du serveur."
            ),
            new(
                "Aucune version n’est acceptée par votre programme",
                "La requête refuse tous les codages dans lesquels ceci est conservé. Autorisez {0}, {1} ou {2} dans {3}."
            )
        ),
        new(
            "es",
            new(
                "Esta dirección no corresponde a ningún widget",
                "Si este sitio es suyo: la dirección de un widget termina con su identificador público, por ejemplo {0}. Copie de nuevo el "
                    + "código de inserción, o pídalo con {1}."
            ),
            new(
                "Aquí no hay ningún widget publicado",
                "Si este sitio es suyo: no hay nada publicado como {0}. Compare el identificador del código de inserción con {1} y publíquelo "
                    + "con {2}."
            ),
            new(
                "Este widget no es público",
                "Se muestra a quien tiene un token. Si este sitio es suyo: puede que el token del código de inserción haya caducado, o que "
                    + "sea de otro sitio o de otro widget. {0} crea uno nuevo."
            ),
            new(
                "Este widget volverá en un momento",
                "El servidor no puede leerlo ahora mismo. Si este sitio es suyo: no se ha perdido nada, y {0} indica la parte que no responde."
            ),
            new(
                "No se pudo mostrar este widget",
                "El servidor falló. Si este sitio es suyo: el motivo está en el registro del servidor."
            ),
            new(
                "No hay ninguna versión que su programa acepte",
                "La petición rechaza todas las codificaciones en que esto se guarda. Permita {0}, {1} o {2} en {3}."
            )
        ),
        new(
            "ar",
            new(
                "هذا العنوان لا يشير إلى أي أداة",
                "إذا كان هذا موقعك: ينتهي عنوان الأداة بمعرّفها العام، مثل {0}. انسخ شيفرة التضمين مرة أخرى، أو اطلبها باستخدام {1}."
            ),
            new(
                "لا توجد أداة منشورة هنا",
                "إذا كان هذا موقعك: لا شيء منشور باسم {0}. قارن المعرّف في شيفرة التضمين باستخدام {1}، ثم انشره باستخدام {2}."
            ),
            new(
                "هذه الأداة ليست عامة",
                "تُعرض لمن لديه رمز وصول لها. إذا كان هذا موقعك: ربما انتهت صلاحية الرمز في شيفرة التضمين، أو أنه لموقع آخر أو لأداة أخرى. ينشئ {0} رمزًا جديدًا."
            ),
            new(
                "ستعود هذه الأداة بعد لحظات",
                "لا يستطيع الخادم قراءتها الآن. إذا كان هذا موقعك: لم يضِع شيء، ويبيّن {0} الجزء الذي لا يستجيب."
            ),
            new("تعذّر عرض هذه الأداة", "حدث خطأ في الخادم. إذا كان هذا موقعك: السبب مذكور في سجل الخادم."),
            new(
                "لا توجد نسخة يقبلها برنامجك",
                "يرفض الطلب كل ترميز حُفظ به هذا المحتوى. اسمح بـ {0} أو {1} أو {2} في {3}."
            )
        ),
    ];
}
