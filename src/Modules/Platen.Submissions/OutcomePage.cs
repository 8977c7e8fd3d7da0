using System.Collections.Frozen;
using Microsoft.AspNetCore.Http;
using Platen.Platform.Http;

namespace Platen.Submissions;

/// <summary>
/// What a visitor is told of a form that was sent when its page cannot be shown again: the token that opened the page has ended since.
/// </summary>
/// <param name="wasKept">What became of it.</param>
/// <param name="locale">The language of the page that it was sent from; null when it did not say.</param>
internal sealed class OutcomePage(bool wasKept, string? locale) : IResult
{
    private static readonly FrozenDictionary<string, (StandInPage Kept, StandInPage Failed)> pages = new[]
    {
        Words(
            "en",
            "Thank you",
            "What you wrote has arrived.",
            "That was not sent",
            "Something was not filled in as the form asks, and the page that you sent it from has ended. Reload the page, and send it again."
        ),
        Words(
            "de",
            "Danke",
            "Ihre Nachricht ist angekommen.",
            "Das wurde nicht gesendet",
            "Etwas war nicht so ausgefüllt, wie das Formular es verlangt, und die Seite, von der Sie es gesendet haben, ist abgelaufen. Laden Sie die "
                + "Seite neu, und senden Sie es noch einmal."
        ),
        Words(
            "fr",
            "Merci",
            "Votre message est bien arrivé.",
            "L’envoi n’a pas eu lieu",
            "Un champ n’était pas rempli comme le formulaire le demande, et la page d’où vous l’avez envoyé a expiré. Rechargez la page et envoyez-le de "
                + "nouveau."
        ),
        Words(
            "es",
            "Gracias",
            "Su mensaje ha llegado.",
            "No se ha enviado",
            "Algo no estaba rellenado como pide el formulario, y la página desde la que lo envió ha caducado. Vuelva a cargar la página y envíelo de nuevo."
        ),
        Words(
            "ar",
            "شكرًا لك",
            "لقد وصل ما كتبته.",
            "لم يتم الإرسال",
            "لم تُملأ إحدى الخانات كما يطلب النموذج، وانتهت صلاحية الصفحة التي أرسلته منها. أعد تحميل الصفحة وأرسله مرة أخرى."
        ),
    }.ToFrozenDictionary(one => one.Kept.Language, StringComparer.Ordinal);

    public Task ExecuteAsync(HttpContext httpContext)
    {
        var (kept, failed) = pages[StandInPage.LanguageOf(httpContext.Request, locale)];
        httpContext.Response.StatusCode = wasKept ? StatusCodes.Status200OK : StatusCodes.Status422UnprocessableEntity;
        return (wasKept ? kept : failed).WriteAsync(httpContext);
    }

    private static (StandInPage Kept, StandInPage Failed) Words(
        string language,
        string thanks,
        string arrived,
        string sorry,
        string again
    ) => (new StandInPage(language, "submit", thanks, arrived), new StandInPage(language, "error", sorry, again));
}
