using System.Collections.Frozen;
using Microsoft.AspNetCore.Http;
using Platen.Platform.Http;

namespace Platen.Submissions;

/// <summary>
/// What a visitor is told of a form that was sent when its page cannot be shown again: the token that opened the page has expired since, or there
/// is none that opens it.
/// </summary>
/// <param name="status">What became of it: 200, it was kept; 422, something was not filled in; 401 or 403, it may not be sent.</param>
/// <param name="locale">The language of the page that it was sent from; null or empty when it did not say.</param>
internal sealed class OutcomePage(int status, string? locale) : IResult
{
    private static readonly FrozenDictionary<string, Pages> pages = new[]
    {
        Words(
            "en",
            "Thank you",
            "What you wrote has arrived.",
            "That was not sent",
            "Something was not filled in as the form asks, and the page that you sent it from has ended. Reload the page, and send it again.",
            "You may not send this form from here, or the page that you sent it from has ended. Nothing was stored. Reload the page, and send it again."
        ),
        Words(
            "de",
            "Danke",
            "Ihre Nachricht ist angekommen.",
            "Das wurde nicht gesendet",
            "Etwas war nicht so ausgefüllt, wie das Formular es verlangt, und die Seite, von der Sie es gesendet haben, ist abgelaufen. Laden Sie die "
                + "Seite neu, und senden Sie es noch einmal.",
            "Von hier dürfen Sie dieses Formular nicht senden, oder die Seite, von der Sie es gesendet haben, ist abgelaufen. Es wurde nichts gespeichert. "
                + "Laden Sie die Seite neu, und senden Sie es noch einmal."
        ),
        Words(
            "fr",
            "Merci",
            "Votre message est bien arrivé.",
            "L’envoi n’a pas eu lieu",
            "Un champ n’était pas rempli comme le formulaire le demande, et la page d’où vous l’avez envoyé a expiré. Rechargez la page et envoyez-le de "
                + "nouveau.",
            "Ce formulaire ne peut pas être envoyé d’ici, ou la page d’où vous l’avez envoyé a expiré. Rien n’a été enregistré. Rechargez la page et "
                + "envoyez-le de nouveau."
        ),
        Words(
            "es",
            "Gracias",
            "Su mensaje ha llegado.",
            "No se ha enviado",
            "Algo no estaba rellenado como pide el formulario, y la página desde la que lo envió ha caducado. Vuelva a cargar la página y envíelo de nuevo.",
            "Este formulario no se puede enviar desde aquí, o la página desde la que lo envió ha caducado. No se ha guardado nada. Vuelva a cargar la "
                + "página y envíelo de nuevo."
        ),
        Words(
            "ar",
            "شكرًا لك",
            "لقد وصل ما كتبته.",
            "لم يتم الإرسال",
            "لم تُملأ إحدى الخانات كما يطلب النموذج، وانتهت صلاحية الصفحة التي أرسلته منها. أعد تحميل الصفحة وأرسله مرة أخرى.",
            "لا يمكن إرسال هذا النموذج من هنا، أو انتهت صلاحية الصفحة التي أرسلته منها. لم يُحفظ شيء. أعد تحميل الصفحة وأرسله مرة أخرى."
        ),
    }.ToFrozenDictionary(one => one.Kept.Language, StringComparer.Ordinal);

    public Task ExecuteAsync(HttpContext httpContext)
    {
        var words = pages[StandInPage.LanguageOf(httpContext.Request, locale)];
        httpContext.Response.StatusCode = status;
        var page = status switch
        {
            StatusCodes.Status200OK => words.Kept,
            StatusCodes.Status422UnprocessableEntity => words.Failed,
            _ => words.Refused,
        };
        return page.WriteAsync(httpContext);
    }

    private static Pages Words(
        string language,
        string thanks,
        string arrived,
        string sorry,
        string again,
        string notFromHere
    ) =>
        new(
            new StandInPage(language, "submit", thanks, arrived),
            new StandInPage(language, "error", sorry, again),
            new StandInPage(language, "error", sorry, notFromHere)
        );

    private sealed record Pages(StandInPage Kept, StandInPage Failed, StandInPage Refused);
}
