using System.Globalization;
using System.Text.Json;
using Platen.Kernel.Languages;
using Platen.Testing.Servers;
using Platen.Widgets;
using Platen.Widgets.Gates;
using Platen.Widgets.Packages;

namespace Platen.Bench;

/// <summary>What the publish gates cost: once for each locale of a page, on one core, beside the compressing of its three themes.</summary>
internal static class GatesBench
{
    private static readonly TimeSpan AtLeast = TimeSpan.FromMilliseconds(500);

    public static Task RunAsync(CancellationToken ct)
    {
        var widgets = Path.Combine(Build.Repository, "widgets");
        foreach (var id in (string[])["wgt_main_content.faq", "wgt_main_forms.contact", "wgt_main_social.proof"])
        {
            ct.ThrowIfCancellationRequested();
            var sample = JsonElement.Parse(
                File.ReadAllBytes(Path.Combine(Build.Repository, "samples", "widgets", id + ".json"))
            );
            var package = WidgetPackage.Load(
                Path.Combine(widgets, sample.GetProperty("widgetType").GetString()!),
                WidgetPackage.LoadTokens(widgets)
            );
            var config = sample.GetProperty("config");
            var renderer = new PageRenderer(package, id, config, LanguageTag.Parse("en"));
            var page = renderer.Render("auto");
            void Gates() => PublishGates.Check(page, id, "en", renderer.ContentSecurityPolicy, config, "/config");

            Rounds.SecondsPerCall(Gates, AtLeast);
            List<double> times = [.. Enumerable.Range(0, 5).Select(_ => Rounds.SecondsPerCall(Gates, AtLeast))];
            Rounds.Report(
                $"gates of {id}, {page.Length.ToString("N0", CultureInfo.InvariantCulture)} bytes",
                string.Create(CultureInfo.InvariantCulture, $"{Rounds.Median(times) * 1000:F2} ms"),
                "<= 3 ms"
            );
        }
        return Task.CompletedTask;
    }
}
