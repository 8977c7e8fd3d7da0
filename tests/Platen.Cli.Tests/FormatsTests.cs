using System.Text.Json;

namespace Platen.Cli.Tests;

/// <summary><c>platen json</c>, <c>version</c> and <c>language</c>.</summary>
public sealed class FormatsTests
{
    [Theory]
    [InlineData()]
    [InlineData("--json")]
    public async Task Canonical_json_is_printed_byte_for_byte(params string[] options)
    {
        using var run = new CommandRun();
        run.Write("a.json", "{ \"b\": 1.0,\n \"a\": \"\\u00e9\\u0085\" }\n");

        (await run.RunAsync(["json", "canonical", "a.json", .. options])).ShouldBe(ExitCode.Ok);

        run.Out.ShouldBe("{\"a\":\"é\u0085\",\"b\":1}");
        run.Error.ShouldBeEmpty();
    }

    [Fact]
    public async Task Standard_input_has_a_canonical_form_too()
    {
        using var run = new CommandRun { Input = "[ 1E2 ]" };

        (await run.RunAsync("json", "canonical", "-")).ShouldBe(ExitCode.Ok);

        run.Out.ShouldBe("[100]");
    }

    [Fact]
    public async Task The_digest_is_that_of_the_canonical_form()
    {
        // printf '{}' | sha256sum
        const string digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        using var plain = new CommandRun { Input = " { } " };
        using var json = new CommandRun { Input = "{}" };

        (await plain.RunAsync("json", "digest", "-")).ShouldBe(ExitCode.Ok);
        (await json.RunAsync("json", "digest", "-", "--json")).ShouldBe(ExitCode.Ok);

        plain.Out.ShouldBe(digest + Environment.NewLine);
        JsonElement.Parse(json.Out).GetProperty("digest").GetString().ShouldBe(digest);
    }

    [Theory]
    [InlineData("canonical")]
    [InlineData("digest")]
    public async Task What_has_no_canonical_form_ends_with_2_and_says_where(string command)
    {
        using var run = new CommandRun();
        run.Write("a.json", "{\n  \"é\": 1, \"é\": 2\n}");

        (await run.RunAsync("json", command, "a.json")).ShouldBe(ExitCode.Usage);

        run.Out.ShouldBeEmpty();
        run.Error.ShouldContain("a.json:2:11: ");
        run.Error.ShouldContain("→");
    }

    [Theory]
    [InlineData("json", "canonical", "no-such-file.json")]
    [InlineData("json", "digest", "no-such-file.json")]
    [InlineData("version", "satisfies", "latest", "1.0.0")]
    [InlineData("version", "satisfies", "^1", "1.0")]
    [InlineData("version", "satisfies", "^1")]
    [InlineData("version", "sort", "1.0.0", "v2")]
    [InlineData("version", "max", "^1", "x")]
    [InlineData("language", "lookup", "_", "de")]
    [InlineData("language", "lookup", "de", "d")]
    [InlineData("language", "canonical", "de", "")]
    public async Task What_cannot_be_read_ends_with_2(params string[] args)
    {
        using var run = new CommandRun();

        (await run.RunAsync(args)).ShouldBe(ExitCode.Usage);

        run.Out.ShouldBeEmpty();
        run.Error.ShouldContain("→");
    }

    [Fact]
    public async Task Versions_in_the_range_end_with_0()
    {
        using var run = new CommandRun();

        (await run.RunAsync("version", "satisfies", "^1.2 || 3.0.0-rc.1", "1.4.0", "3.0.0-rc.1")).ShouldBe(ExitCode.Ok);

        run.Out.ShouldBe($"1.4.0: yes{Environment.NewLine}3.0.0-rc.1: yes{Environment.NewLine}");
    }

    [Fact]
    public async Task A_version_outside_the_range_ends_with_1()
    {
        using var run = new CommandRun();

        (await run.RunAsync("version", "satisfies", ">=1.2 <2", "1.4.0", "2.0.0-rc.1", "--json")).ShouldBe(ExitCode.No);

        var result = JsonElement.Parse(run.Out);
        result.GetProperty("range").GetString().ShouldBe(">=1.2.0 <2.0.0-0");
        result.GetProperty("satisfied").GetBoolean().ShouldBeFalse();
        result
            .GetProperty("versions")
            .EnumerateArray()
            .Select(item => (item.GetProperty("version").GetString(), item.GetProperty("satisfies").GetBoolean()))
            .ShouldBe([("1.4.0", true), ("2.0.0-rc.1", false)]);
    }

    [Fact]
    public async Task Versions_are_sorted_from_the_lowest()
    {
        using var run = new CommandRun();

        (await run.RunAsync("version", "sort", "1.10.0", "1.9.0", "1.9.0-rc.1")).ShouldBe(ExitCode.Ok);

        run.Out.Split(Environment.NewLine).ShouldBe(["1.9.0-rc.1", "1.9.0", "1.10.0", ""]);
    }

    [Theory]
    [InlineData("1.x", ExitCode.Ok, "1.10.0")]
    [InlineData("2", ExitCode.No, null)]
    public async Task The_highest_version_in_the_range_is_found(string range, int code, string? highest)
    {
        using var plain = new CommandRun();
        using var json = new CommandRun();

        (await plain.RunAsync("version", "max", range, "1.9.0", "1.10.0", "2.0.0-rc.1")).ShouldBe(code);
        (await json.RunAsync("version", "max", range, "1.9.0", "1.10.0", "2.0.0-rc.1", "--json")).ShouldBe(code);

        plain.Out.Trim().ShouldBe(highest ?? "");
        JsonElement.Parse(json.Out).GetProperty("version").GetString().ShouldBe(highest);
    }

    [Theory]
    [InlineData("es-MX", ExitCode.Ok, "es-419")]
    [InlineData("fr-CH, zh-TW;q=0.8, en;q=0.5", ExitCode.Ok, "zh-Hant")]
    [InlineData("*", ExitCode.Ok, "en")]
    [InlineData("fr", ExitCode.No, null)]
    public async Task The_best_available_language_is_found(string wanted, int code, string? best)
    {
        using var plain = new CommandRun();
        using var json = new CommandRun();

        (await plain.RunAsync("language", "lookup", wanted, "en", "es", "es-419", "zh-Hant")).ShouldBe(code);
        (await json.RunAsync("language", "lookup", wanted, "en", "es", "es-419", "zh-Hant", "--json")).ShouldBe(code);

        plain.Out.Trim().ShouldBe(best ?? "");
        JsonElement.Parse(json.Out).GetProperty("best").GetString().ShouldBe(best);
    }

    [Fact]
    public async Task Language_tags_are_printed_in_their_canonical_form()
    {
        using var plain = new CommandRun();
        using var json = new CommandRun();

        (await plain.RunAsync("language", "canonical", "IW", "zh-hant-tw")).ShouldBe(ExitCode.Ok);
        (await json.RunAsync("language", "canonical", "iw-IL", "--json")).ShouldBe(ExitCode.Ok);

        plain.Out.Split(Environment.NewLine).ShouldBe(["he", "zh-Hant-TW", ""]);
        var language = JsonElement.Parse(json.Out).GetProperty("languages")[0];
        language.GetProperty("tag").GetString().ShouldBe("iw-IL");
        language.GetProperty("canonical").GetString().ShouldBe("he-IL");
        language.GetProperty("direction").GetString().ShouldBe("rtl");
        language.GetProperty("script").GetString().ShouldBe("Hebr");
        language
            .GetProperty("fallback")
            .EnumerateArray()
            .Select(step => step.GetString())
            .ShouldBe(["iw-IL", "he-IL", "he"]);
    }
}
