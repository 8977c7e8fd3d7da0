using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Platen.Client;
using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Kernel.Versions;

namespace Platen.Cli.Commands;

/// <summary><c>platen templates</c>: what there is, and which version is live where.</summary>
internal static class TemplatesCommand
{
    /// <summary>Of every command about templates.</summary>
    public static readonly Option<string?> Workspace = new("--workspace", "-w")
    {
        Description = "Whose templates: a workspace's slug or id. Else those of the key's owner.",
        HelpName = "WORKSPACE",
        Recursive = true,
    };

    private static readonly Argument<string> Name = new("name")
    {
        Description = "The template's name.",
        HelpName = "NAME",
    };

    private static readonly Argument<string> Version = new("version")
    {
        Description = "A version.",
        HelpName = "SEMVER",
    };

    private static readonly Argument<string?> OptionalVersion = new("version")
    {
        Description = "The version. Left out, only shows.",
        HelpName = "SEMVER",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private static readonly Argument<string> From = new("from")
    {
        Description = "The older version.",
        HelpName = "FROM",
    };

    private static readonly Argument<string> To = new("to") { Description = "The newer version.", HelpName = "TO" };

    private static readonly Argument<string?> Channel = new("channel")
    {
        Description = "A channel. Left out, shows all.",
        HelpName = "CHANNEL",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private static readonly Argument<string> Request = new("request")
    {
        Description = "The request's id, as 'platen templates requests' shows it.",
        HelpName = "ID",
    };

    private static readonly Option<string?> Search = new("--search")
    {
        Description = "Only templates with this in their name, description or changelogs.",
        HelpName = "TEXT",
    };

    private static readonly Option<string?> Reason = new("--reason")
    {
        Description = "Why, in a few words; kept.",
        HelpName = "TEXT",
    };

    private static readonly Option<string?> Successor = new("--successor")
    {
        Description = "The version to use instead.",
        HelpName = "SEMVER",
    };

    private static readonly Option<DateTimeOffset?> Sunset = new("--sunset")
    {
        Description = "When it may stop being served, such as 2027-01-31T00:00:00Z.",
        HelpName = "TIME",
    };

    private static readonly Option<string?> Candidate = new("--candidate")
    {
        Description = "A version to try beside it.",
        HelpName = "SEMVER",
    };

    private static readonly Option<int?> Percentage = new("--percentage")
    {
        Description =
            "The share of keys that get the candidate, 0 to 100. Else what it is while the candidate stays, and 10 for another.",
        HelpName = "N",
    };

    private static readonly Option<string?> Guard = new("--guard")
    {
        Description =
            "A metric: the candidate goes when its mean is clearly worse. Left out, the candidate keeps the guard it has.",
        HelpName = "METRIC",
    };

    private static readonly Option<double?> GuardTolerance = new("--guard-tolerance")
    {
        Description = "How much worse is still good, in the metric's unit. Else what it is, and 0 for another metric.",
        HelpName = "N",
    };

    private static readonly Option<int?> GuardMinimum = new("--guard-minimum")
    {
        Description =
            "Outcomes that each side has before anything is decided. Else what it is, and 50 for another metric.",
        HelpName = "N",
    };

    private static readonly Option<bool?> HigherIsBetter = new("--higher-is-better")
    {
        Description =
            "Whether a higher mean is better, such as of a score. Else what it is, and false for another metric.",
        HelpName = "BOOL",
    };

    private static readonly Option<bool> NoGuard = new("--no-guard")
    {
        Description = "Take the candidate's guard away.",
    };

    private static readonly Argument<string?> OptionalName = new("name")
    {
        Description = "The template's name. Left out, all of them.",
        HelpName = "NAME",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private static readonly Argument<string> OneChannel = new("channel")
    {
        Description = "The channel, such as default.",
        HelpName = "CHANNEL",
    };

    private static readonly Argument<string?> Place = new("environment")
    {
        Description = "Where, such as production; '*' for everywhere. Left out, the pins are shown.",
        HelpName = "ENVIRONMENT",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private static readonly Option<bool> Remove = new("--remove") { Description = "End the pin." };

    private static readonly Option<int?> DraftsOlderThan = new("--drafts-older-than")
    {
        Description = "Remove drafts that nobody changed for so many days.",
        HelpName = "DAYS",
    };

    private static readonly Option<int?> UnusedOlderThan = new("--unused-older-than")
    {
        Description =
            "Remove stable and deprecated versions that are so many days old and that no channel, pin, trial or successor names. Whoever asks for one by its number is refused then.",
        HelpName = "DAYS",
    };

    private static readonly Option<bool> DryRun = new("--dry-run") { Description = "Only tell what would be removed." };

    private static readonly Option<string?> KeepDrafts = new("--drafts-older-than")
    {
        Description = "Every day, remove drafts that nobody changed for so many days; 'never' for none.",
        HelpName = "DAYS",
    };

    private static readonly Option<string?> KeepUnused = new("--unused-older-than")
    {
        Description =
            "Every day, remove stable and deprecated versions that are so many days old and that no channel, pin, trial or successor names; 'never' for none.",
        HelpName = "DAYS",
    };

    private static readonly Option<bool?> AfterSunset = new("--after-sunset")
    {
        Description = "Every day, remove deprecated versions whose sunset has come: true or false.",
        HelpName = "BOOL",
    };

    private static readonly Option<bool> RetentionDryRun = new("--dry-run")
    {
        Description = "Only tell what the rule would remove now; it is left as it is.",
    };

    public static Command Create() =>
        new Command("templates", "Templates: what there is, and which version is live where.")
        {
            Workspace,
            new Command("list", "List the templates.") { Search }.Runs(ListAsync),
            new Command("show", "Show a template, or one version of it with its files.") { Name, OptionalVersion }.Runs(
                ShowAsync
            ),
            new Command("changelog", "Show what changed with each version, the latest first.") { Name }.Runs(
                ChangelogAsync
            ),
            new Command("diff", "Show what differs between two versions. Exit code 1 when anything does.")
            {
                Name,
                From,
                To,
            }.Runs(DiffAsync),
            new Command("stable", "Make a draft stable.") { Name, Version }.Runs(StableAsync),
            new Command("deprecate", "Warn everybody who uses a version.")
            {
                Name,
                Version,
                Reason,
                Successor,
                Sunset,
            }.Runs(DeprecateAsync),
            new Command("default", "Show or set the version that a resolve without a version takes.")
            {
                Name,
                OptionalVersion,
                Reason,
            }.Runs(DefaultAsync),
            new Command("channels", "Show the channels, or point one at a version, with a candidate beside it.")
            {
                Name,
                Channel,
                OptionalVersion,
                Candidate,
                Percentage,
                Guard,
                GuardTolerance,
                GuardMinimum,
                HigherIsBetter,
                NoGuard,
                Reason,
            }.Runs(ChannelsAsync),
            new Command(
                "pins",
                "Show what environments are held to, or hold one to a version, whatever its callers ask for short of an exact version."
            )
            {
                Name,
                Place,
                OptionalVersion,
                Remove,
                Reason,
            }.Runs(PinsAsync),
            new Command("trials", "Show the trials of a channel, with what was recorded and why each ended.")
            {
                Name,
                OneChannel,
            }.Runs(TrialsAsync),
            new Command("protect", "Let a channel move only when a second person agrees.") { Name, OneChannel }.Runs(
                ProtectAsync
            ),
            new Command("unprotect", "Ask for the end of a channel's protection; a second person decides.")
            {
                Name,
                OneChannel,
            }.Runs(UnprotectAsync),
            new Command("requests", "Show the moves of protected channels that wait for a second person.")
            {
                Name,
            }.Runs(RequestsAsync),
            new Command("approve", "Allow a move that somebody else asked for.") { Name, Request, Reason }.Runs(
                (run, ct) => DecideAsync(run, approve: true, ct)
            ),
            new Command("reject", "Refuse a move that somebody asked for.") { Name, Request, Reason }.Runs(
                (run, ct) => DecideAsync(run, approve: false, ct)
            ),
            new Command(
                "expire",
                "Remove versions that are past their time: deprecated ones after their sunset, and what the options say."
            )
            {
                OptionalName,
                DraftsOlderThan,
                UnusedOlderThan,
                DryRun,
            }.Runs(ExpireAsync),
            new Command(
                "retention",
                "Show which versions go by themselves, or change it: what is past its time then goes at once, and from then on every day."
            )
            {
                KeepDrafts,
                KeepUnused,
                AfterSunset,
                RetentionDryRun,
            }.Runs(RetentionAsync),
            new Command("enable", "Let a template resolve again.") { Name, Reason }.Runs(
                (run, ct) => SwitchAsync(run, enabled: true, ct)
            ),
            new Command("disable", "Stop a template: it resolves to nothing, caches or not.") { Name, Reason }.Runs(
                (run, ct) => SwitchAsync(run, enabled: false, ct)
            ),
        };

    public static TemplateName ReadName(string text) =>
        TemplateName.TryParse(text, out var name)
            ? name
            : throw new CliException(
                ExitCode.Usage,
                "malformed-template-name",
                $"'{text}' is not a template's name.",
                "Lower-case letters and digits joined by single '-', '_' or '.'; 'platen templates list' shows what there is."
            );

    public static CliException NoSuchVersion(TemplateName name, string version) =>
        new(
            ExitCode.No,
            "no-such-version",
            $"'{name}' has no version '{version}'.",
            $"'platen templates show {name}' lists its versions."
        );

    private static SemVer ReadVersion(string text) =>
        TemplateManifest.TryParseVersion(text, out var version)
            ? version
            : throw new CliException(
                ExitCode.Usage,
                "malformed-version",
                $"'{text}' is not a version.",
                "Write it as SemVer 2.0 does, such as 1.4.0 or 2.0.0-rc.1."
            );

    private static async Task<int> ListAsync(Invocation run, CancellationToken ct)
    {
        var documents = new JsonArray();
        var rows = new List<string[]>();
        await foreach (var template in run.Client.ListTemplatesAsync(run.Value(Search), ct))
        {
            documents.Add(
                new JsonObject
                {
                    ["name"] = template.Name,
                    ["description"] = template.Description,
                    ["enabled"] = template.Enabled,
                    ["versions"] = template.Versions,
                    ["defaultVersion"] = template.DefaultVersion,
                    ["stableVersion"] = template.StableVersion,
                    ["latestVersion"] = template.LatestVersion,
                }
            );
            rows.Add([
                template.Name,
                template.DefaultVersion ?? "",
                template.LatestVersion ?? "",
                template.Versions.ToString(CultureInfo.InvariantCulture),
                template.Enabled ? "on" : "off",
                template.UpdatedAt.ToString("u", CultureInfo.InvariantCulture),
            ]);
        }
        run.Output.Document(new JsonObject { ["items"] = documents });
        run.Output.Table(["template", "default", "latest", "versions", "", "changed"], rows);
        return ExitCode.Ok;
    }

    private static async Task<int> ShowAsync(Invocation run, CancellationToken ct)
    {
        var name = ReadName(run.Value(Name));
        if (run.Optional(OptionalVersion) is { } text)
        {
            var version = (
                await run.Client.FindTemplateVersionAsync(name, ReadVersion(text), ct)
                ?? throw NoSuchVersion(name, text)
            ).Value;
            run.Output.Document(JsonSerializer.SerializeToNode(version, JsonSerializerOptions.Web)!);
            run.Output.Line(
                $"{name} {version.Version}: {version.Status}, {version.Release}, by {version.CreatedBy} at {version.CreatedAt:u}"
            );
            if (version.Deprecation is { } deprecation)
                run.Output.Line($"deprecated: {deprecation.Reason} (successor: {deprecation.Successor ?? "none"})");
            if (version.Changelog is not null)
                run.Output.Line(version.Changelog);
            run.Output.Table(
                ["kind", "role", "locale", "path", "bytes", "variables"],
                [
                    .. version.Artifacts.Select(a =>
                        (string[])
                            [
                                a.Kind,
                                a.Role ?? "",
                                a.Locale ?? "",
                                a.Path,
                                a.SizeBytes.ToString(CultureInfo.InvariantCulture),
                                string.Join(' ', (a.Variables.IsDefault ? [] : a.Variables).Select(v => v.Name)),
                            ]
                    ),
                ]
            );
            return ExitCode.Ok;
        }
        var template = (await FindAsync(run, name, ct)).Value;
        run.Output.Document(JsonSerializer.SerializeToNode(template, JsonSerializerOptions.Web)!);
        var about = template.Description.Length == 0 ? "" : ", " + template.Description;
        run.Output.Line($"{name}: {(template.Enabled ? "on" : "switched off")}{about}");
        foreach (var channel in template.Channels)
        {
            var tried = channel.Candidate is null ? "" : $", {channel.Candidate} on {channel.Percentage} %";
            run.Output.Line($"{channel.Name} → {channel.Version}{tried}");
        }
        run.Output.Table(
            ["version", "status", "pushed", "by", "release"],
            [
                .. template.Versions.Select(v =>
                    (string[])
                        [
                            v.Version,
                            v.Status,
                            v.CreatedAt.ToString("u", CultureInfo.InvariantCulture),
                            v.CreatedBy ?? "",
                            v.Release.ToString(),
                        ]
                ),
            ]
        );
        return ExitCode.Ok;
    }

    private static async Task<int> ChangelogAsync(Invocation run, CancellationToken ct)
    {
        var name = ReadName(run.Value(Name));
        var documents = new JsonArray();
        await foreach (var version in run.Client.ListTemplateVersionsAsync(name, ct))
        {
            documents.Add(
                new JsonObject
                {
                    ["version"] = version.Version,
                    ["status"] = version.Status,
                    ["createdAt"] = version.CreatedAt.ToString("O", CultureInfo.InvariantCulture),
                    ["createdBy"] = version.CreatedBy,
                    ["changelog"] = version.Changelog,
                }
            );
            run.Output.Line(
                $"{version.Version} ({version.Status}), {version.CreatedAt:yyyy-MM-dd}, {version.CreatedBy}"
            );
            foreach (var line in (version.Changelog ?? "no changelog").Split('\n'))
                run.Output.Line("  " + line);
        }
        run.Output.Document(new JsonObject { ["items"] = documents });
        return ExitCode.Ok;
    }

    private static async Task<int> DiffAsync(Invocation run, CancellationToken ct)
    {
        var name = ReadName(run.Value(Name));
        var diff = await run.Client.DiffTemplateVersionsAsync(
            name,
            ReadVersion(run.Value(From)),
            ReadVersion(run.Value(To)),
            ct
        );
        run.Output.Document(JsonSerializer.SerializeToNode(diff, JsonSerializerOptions.Web)!);
        foreach (var change in diff.Changes)
        {
            var mark =
                change.From is null ? '+'
                : change.To is null ? '-'
                : '~';
            run.Output.Line($"{mark} {change.Path}{(change.What is null ? "" : $" ({change.What})")}");
        }
        return diff.Changes.IsEmpty ? ExitCode.Ok : ExitCode.No;
    }

    private static Task<int> StableAsync(Invocation run, CancellationToken ct) =>
        ChangeAsync(run, new TemplateVersionChange("stable"), ct);

    private static Task<int> DeprecateAsync(Invocation run, CancellationToken ct) =>
        ChangeAsync(
            run,
            new TemplateVersionChange("deprecated", run.Value(Reason), run.Value(Successor), run.Value(Sunset)),
            ct
        );

    private static async Task<int> ChangeAsync(Invocation run, TemplateVersionChange change, CancellationToken ct)
    {
        var name = ReadName(run.Value(Name));
        var version = ReadVersion(run.Value(Version));
        var before =
            await run.Client.FindTemplateVersionAsync(name, version, ct)
            ?? throw NoSuchVersion(name, version.ToString());
        var after = await run.Client.ChangeTemplateVersionAsync(name, version, change, before.Tag.StillCurrent(), ct);
        run.Output.Document(JsonSerializer.SerializeToNode(after.Value, JsonSerializerOptions.Web)!);
        run.Output.Line($"{name} {version} is {after.Value.Status} now");
        return ExitCode.Ok;
    }

    private static async Task<int> ExpireAsync(Invocation run, CancellationToken ct)
    {
        var names = run.Optional(OptionalName) is { } one ? [ReadName(one)] : await NamesAsync(run, ct);
        var order = new TemplateExpiryOrder(run.Value(DraftsOlderThan), run.Value(UnusedOlderThan), run.Value(DryRun));
        run.Output.Document(new JsonObject { ["items"] = await ExpireAsync(run, names, order, ct) });
        return ExitCode.Ok;
    }

    private static async Task<int> RetentionAsync(Invocation run, CancellationToken ct)
    {
        var current = await run.Client.GetTemplateRetentionAsync(ct);
        var rule = new TemplateRetention(
            run.Value(KeepDrafts) is { } drafts ? ReadDays(drafts) : current.Value.DraftsOlderThanDays,
            run.Value(KeepUnused) is { } unused ? ReadDays(unused) : current.Value.UnusedOlderThanDays,
            run.Value(AfterSunset) ?? current.Value.AfterSunset
        );
        var isDryRun = run.Value(RetentionDryRun);
        if (rule != current.Value && !isDryRun)
        {
            rule = await run.Client.SetTemplateRetentionAsync(
                rule,
                new Precondition.OneOf([current.Tag!.ToString()]),
                ct
            );
        }
        run.Output.Table(
            ["versions", "removed"],
            [
                ["drafts that nobody changes", After(rule.DraftsOlderThanDays)],
                ["stable and deprecated ones that nothing names", After(rule.UnusedOlderThanDays)],
                ["deprecated ones", rule.AfterSunset ? "after their sunset" : "never"],
            ]
        );
        var document = JsonSerializer.SerializeToNode(rule, JsonSerializerOptions.Web)!.AsObject();
        if (isDryRun)
        {
            var order = new TemplateExpiryOrder(
                rule.DraftsOlderThanDays,
                rule.UnusedOlderThanDays,
                DryRun: true,
                rule.AfterSunset
            );
            document["items"] = await ExpireAsync(run, await NamesAsync(run, ct), order, ct);
        }
        run.Output.Document(document);
        return ExitCode.Ok;

        static string After(int? days) =>
            days is null ? "never" : string.Create(CultureInfo.InvariantCulture, $"after {days} days");
    }

    private static int? ReadDays(string text) =>
        text == "never" ? null
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var days) ? days
        : throw new CliException(
            ExitCode.Usage,
            "usage",
            $"'{text}' is not a number of days.",
            "Write a number such as 30, or never."
        );

    private static async Task<List<TemplateName>> NamesAsync(Invocation run, CancellationToken ct)
    {
        var names = new List<TemplateName>();
        await foreach (var template in run.Client.ListTemplatesAsync(null, ct))
            names.Add(TemplateName.Parse(template.Name));
        return names;
    }

    private static async Task<JsonArray> ExpireAsync(
        Invocation run,
        List<TemplateName> names,
        TemplateExpiryOrder order,
        CancellationToken ct
    )
    {
        var documents = new JsonArray();
        var removed = 0;
        foreach (var name in names)
        {
            TemplateExpiry done;
            do
            {
                done = await run.Client.ExpireTemplateVersionsAsync(name, order, ct);
                removed += done.Removed.Length;
                foreach (var line in done.Removed)
                    run.Output.Line(
                        $"{name} {line.Version}: {(order.DryRun ? "would be " : "")}removed, {line.Because}"
                    );
                var document = JsonSerializer.SerializeToNode(done, JsonSerializerOptions.Web)!;
                document["template"] = name.Value;
                documents.Add(document);
            } while (done.HasMore && !order.DryRun);
            foreach (var line in done.Kept)
                run.Output.Line($"{name} {line.Version}: stays, {line.Because} names it");
            if (done.HasMore)
                run.Output.Line($"{name}: and more than a dry run tells");
        }
        var what = order.DryRun ? "would be removed" : "removed, their bytes with the next garbage collection";
        run.Output.Line($"{removed} {(removed == 1 ? "version" : "versions")} {what}");
        return documents;
    }

    private static async Task<int> DefaultAsync(Invocation run, CancellationToken ct)
    {
        var name = ReadName(run.Value(Name));
        if (run.Optional(OptionalVersion) is not { } version)
        {
            var now = await run.Client.FindTemplateChannelAsync(name, "default", ct);
            run.Output.Document(new JsonObject { ["template"] = name.Value, ["default"] = now?.Value.Version });
            run.Output.Line(now?.Value.Version ?? $"{name} has no default; the channel 'stable' is taken instead");
            return now is null ? ExitCode.No : ExitCode.Ok;
        }
        _ = ReadVersion(version);
        var said = await TemplatePush.PointAsync(run, name, "default", version, run.Value(Reason) ?? "set default", ct);
        run.Output.Document(
            new JsonObject
            {
                ["template"] = name.Value,
                ["default"] = version,
                ["outcome"] = said,
            }
        );
        run.Output.Line(said);
        return ExitCode.Ok;
    }

    private static async Task<int> ChannelsAsync(Invocation run, CancellationToken ct)
    {
        var name = ReadName(run.Value(Name));
        if (run.Optional(Channel) is not { } channel)
        {
            var all = await run.Client.ListTemplateChannelsAsync(name, ct);
            run.Output.Document(
                new JsonObject { ["items"] = JsonSerializer.SerializeToNode(all, JsonSerializerOptions.Web) }
            );
            run.Output.Table(
                ["channel", "version", "candidate", "%", "", "moved"],
                [
                    .. all.Select(c =>
                        (string[])
                            [
                                c.Name,
                                c.Version ?? "",
                                c.Candidate?.Version ?? "",
                                c.Candidate?.Percentage.ToString(CultureInfo.InvariantCulture) ?? "",
                                c.Protected ? "protected" : "",
                                c.MovedAt?.ToString("u", CultureInfo.InvariantCulture) ?? "",
                            ]
                    ),
                ]
            );
            return ExitCode.Ok;
        }
        var now = await run.Client.FindTemplateChannelAsync(name, channel, ct);
        if (run.Optional(OptionalVersion) is not { } version)
            return await ShowChannelAsync(run, name, channel, now?.Value, ct);
        return await MoveAsync(run, name, channel, version, now, ct);
    }

    private static async Task<int> ShowChannelAsync(
        Invocation run,
        TemplateName name,
        string channel,
        TemplateChannel? now,
        CancellationToken ct
    )
    {
        if (now is null)
        {
            throw new CliException(
                ExitCode.No,
                "not-found",
                $"'{name}' has no channel '{channel}'.",
                $"'platen templates channels {name} {channel} SEMVER' makes it."
            );
        }
        run.Output.Document(JsonSerializer.SerializeToNode(now, JsonSerializerOptions.Web)!);
        run.Output.Line($"{channel} → {now.Version}");
        if (now.Candidate is { } tried)
            run.Output.Line(Describe(tried));
        var versions = new Dictionary<Digest, string>();
        await foreach (var version in run.Client.ListTemplateVersionsAsync(name, ct))
            versions[version.Release] = version.Version;
        run.Output.Table(
            ["move", "version", "candidate", "%", "at", "by", "reason"],
            [
                .. now.Moves.Select(m =>
                    (string[])
                        [
                            m.Revision.ToString(CultureInfo.InvariantCulture),
                            VersionOf(m.To),
                            VersionOf(m.Candidate),
                            m.Candidate is null ? "" : m.Percentage.ToString(CultureInfo.InvariantCulture),
                            m.At.ToString("u", CultureInfo.InvariantCulture),
                            m.By ?? "",
                            m.Reason ?? "",
                        ]
                ),
            ]
        );
        return ExitCode.Ok;

        // One that is past its time may be gone: its release is then all that is known of it.
        string VersionOf(Digest? release) =>
            release is { } known ? versions.GetValueOrDefault(known, known.ToString()) : "";
    }

    private static async Task<int> MoveAsync(
        Invocation run,
        TemplateName name,
        string channel,
        string version,
        Versioned<TemplateChannel>? now,
        CancellationToken ct
    )
    {
        _ = ReadVersion(version);
        var candidate = ReadCandidate(run, now?.Value.Candidate);
        var moved = await run.Client.MoveTemplateChannelAsync(
            name,
            channel,
            new TemplateChannelOrder(version, candidate, run.Value(Reason)),
            now is null || now.Tag.IsNone ? new Precondition.Absent() : now.Tag.StillCurrent(),
            ct
        );
        if (moved.Request is { } request)
        {
            run.Output.Document(JsonSerializer.SerializeToNode(request, JsonSerializerOptions.Web)!);
            run.Output.Line($"{channel} is protected: request {request.Id} waits for a second person");
            return ExitCode.Ok;
        }
        run.Output.Document(JsonSerializer.SerializeToNode(moved.Channel, JsonSerializerOptions.Web)!);
        run.Output.Line($"{channel} → {moved.Channel!.Version} (move {moved.Channel.Revision})");
        if (moved.Channel.Candidate is { } trying)
            run.Output.Line(Describe(trying));
        return ExitCode.Ok;
    }

    /// <summary>What is not said of a candidate that is being tried stays as it is.</summary>
    private static TemplateCandidateOrder? ReadCandidate(Invocation run, TemplateCandidate? now)
    {
        if (run.Value(Candidate) is not { } version)
        {
            var left = run.Value(Percentage) is null && !SaysOfGuard(run) && !run.Value(NoGuard);
            return left ? null : throw Usage("A percentage and a guard are a candidate's: name it with --candidate.");
        }
        var before = now?.Version == version ? now : null;
        return new TemplateCandidateOrder(
            version,
            run.Value(Percentage) ?? before?.Percentage ?? 10,
            ReadGuard(run, before?.Guard)
        );
    }

    private static TemplateGuard? ReadGuard(Invocation run, TemplateGuard? before)
    {
        if (run.Value(NoGuard))
            return SaysOfGuard(run) ? throw Usage("--no-guard goes with no other option about a guard.") : null;
        if ((run.Value(Guard) ?? before?.Metric) is not { } metric)
            return SaysOfGuard(run) ? throw Usage("There is no guard yet: name its metric with --guard.") : null;
        var guard = before?.Metric == metric ? before : new TemplateGuard(metric);
        return guard with
        {
            LowerIsBetter = run.Value(HigherIsBetter) is { } higher ? !higher : guard.LowerIsBetter,
            Tolerance = run.Value(GuardTolerance) ?? guard.Tolerance,
            MinimumOutcomes = run.Value(GuardMinimum) ?? guard.MinimumOutcomes,
        };
    }

    private static bool SaysOfGuard(Invocation run) =>
        run.Value(Guard) is not null
        || run.Value(GuardTolerance) is not null
        || run.Value(GuardMinimum) is not null
        || run.Value(HigherIsBetter) is not null;

    private static CliException Usage(string what) =>
        new(ExitCode.Usage, "usage", what, "'platen templates channels --help' explains the options.");

    private static string Describe(TemplateCandidate tried) =>
        $"trying {tried.Version} on {tried.Percentage} % of the keys, {(tried.Guard is { } guard ? Describe(guard) : "without a guard")}";

    private static string Describe(TemplateGuard guard) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"guarded by {guard.Metric} ({(guard.LowerIsBetter ? "lower" : "higher")} is better, tolerance {guard.Tolerance:0.######}, after {guard.MinimumOutcomes} outcomes of each side)"
        );

    private static async Task<int> PinsAsync(Invocation run, CancellationToken ct)
    {
        var name = ReadName(run.Value(Name));
        var pins = await run.Client.ListTemplatePinsAsync(name, ct);
        if (run.Optional(Place) is not { } place)
        {
            run.Output.Document(
                new JsonObject { ["items"] = JsonSerializer.SerializeToNode(pins, JsonSerializerOptions.Web) }
            );
            run.Output.Table(
                ["environment", "version", "by", "since", "reason"],
                [
                    .. pins.Select(pin =>
                        (string[])
                            [
                                pin.Environment,
                                pin.Version,
                                pin.SetBy,
                                pin.SetAt.ToString("u", CultureInfo.InvariantCulture),
                                pin.Reason,
                            ]
                    ),
                ]
            );
            return ExitCode.Ok;
        }
        var now = pins.FirstOrDefault(pin => pin.Environment == place);
        if (run.Value(Remove))
        {
            if (now is null)
                throw NoPin(name, place);
            await run.Client.UnpinTemplateAsync(name, place, Seen(now), ct);
            run.Output.Document(new JsonObject { ["environment"] = place, ["version"] = null });
            run.Output.Line($"{place} is held to no version any more");
            return ExitCode.Ok;
        }
        if (run.Optional(OptionalVersion) is { } version)
            now = await run.Client.PinTemplateAsync(
                name,
                place,
                ReadVersion(version),
                run.Value(Reason),
                now is null ? new Precondition.Absent() : Seen(now),
                ct
            );
        if (now is null)
            throw NoPin(name, place);
        run.Output.Document(JsonSerializer.SerializeToNode(now, JsonSerializerOptions.Web)!);
        run.Output.Line($"{place} is held to {now.Version} by {now.SetBy}: {now.Reason}");
        return ExitCode.Ok;
    }

    private static Precondition Seen(TemplatePin pin) =>
        new Precondition.OneOf([string.Create(CultureInfo.InvariantCulture, $"\"{pin.Revision}\"")]);

    private static CliException NoPin(TemplateName name, string place) =>
        new(
            ExitCode.No,
            "not-found",
            $"'{name}' is not pinned in '{place}'.",
            $"'platen templates pins {name} {place} SEMVER' does it."
        );

    private static async Task<int> TrialsAsync(Invocation run, CancellationToken ct)
    {
        var name = ReadName(run.Value(Name));
        var trials = await run.Client.ListTemplateTrialsAsync(name, run.Value(OneChannel)!, ct);
        run.Output.Document(
            new JsonObject { ["items"] = JsonSerializer.SerializeToNode(trials, JsonSerializerOptions.Web) }
        );
        foreach (var trial in trials)
        {
            var guard = trial.Guard is { } rule ? ", " + Describe(rule) : "";
            run.Output.Line(
                $"{trial.CandidateVersion} beside {trial.LiveVersion}: {trial.State} since {trial.EndedAt ?? trial.StartedAt:u}{guard}"
            );
            if (trial.Decision is not null)
                run.Output.Line("  " + trial.Decision);
            foreach (var metric in trial.Metrics.IsDefault ? [] : trial.Metrics)
                run.Output.Line(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"  {metric.Metric} {metric.Side}: {metric.Outcomes:N0} outcomes, mean {metric.Mean:0.####}, deviation {metric.StandardDeviation:0.####}"
                    )
                );
        }
        return ExitCode.Ok;
    }

    private static async Task<int> ProtectAsync(Invocation run, CancellationToken ct)
    {
        var (name, channel) = (ReadName(run.Value(Name)), run.Value(OneChannel)!);
        var isProtected = (await run.Client.ListTemplateChannelsAsync(name, ct)).Any(c =>
            c.Name == channel && c.Protected
        );
        if (!isProtected)
            await run.Client.ProtectTemplateChannelAsync(name, channel, ct);
        run.Output.Document(new JsonObject { ["channel"] = channel, ["protected"] = true });
        run.Output.Line(
            $"{channel} is protected{(isProtected ? " already" : ": a second person agrees to each move")}"
        );
        return ExitCode.Ok;
    }

    private static async Task<int> UnprotectAsync(Invocation run, CancellationToken ct)
    {
        var name = ReadName(run.Value(Name));
        var request = await run.Client.AskToEndProtectionAsync(name, run.Value(OneChannel)!, ct);
        run.Output.Document(JsonSerializer.SerializeToNode(request, JsonSerializerOptions.Web)!);
        run.Output.Line(
            $"request {request.Id} waits for a second person: 'platen templates approve {name} {request.Id}'"
        );
        return ExitCode.Ok;
    }

    private static async Task<int> RequestsAsync(Invocation run, CancellationToken ct)
    {
        var name = ReadName(run.Value(Name));
        var requests = await run.Client.ListMoveRequestsAsync(name, "open", ct);
        run.Output.Document(
            new JsonObject { ["items"] = JsonSerializer.SerializeToNode(requests, JsonSerializerOptions.Web) }
        );
        run.Output.Table(
            ["request", "channel", "asks", "version", "by", "reason"],
            [
                .. requests.Select(r =>
                    (string[])[r.Id.ToString(), r.Channel, r.Asks, r.Move?.Version ?? "", r.RequestedBy ?? "", r.Reason]
                ),
            ]
        );
        return ExitCode.Ok;
    }

    private static async Task<int> DecideAsync(Invocation run, bool approve, CancellationToken ct)
    {
        var name = ReadName(run.Value(Name));
        if (!Guid.TryParse(run.Value(Request), out var id))
        {
            throw new CliException(
                ExitCode.Usage,
                "usage",
                $"'{run.Value(Request)}' is not a request's id.",
                $"'platen templates requests {name}' shows what waits."
            );
        }
        var decided = await run.Client.DecideMoveRequestAsync(name, id, approve, run.Value(Reason), ct);
        run.Output.Document(JsonSerializer.SerializeToNode(decided, JsonSerializerOptions.Web)!);
        run.Output.Line($"{decided.Channel}: {decided.State}");
        return ExitCode.Ok;
    }

    private static async Task<int> SwitchAsync(Invocation run, bool enabled, CancellationToken ct)
    {
        var name = ReadName(run.Value(Name));
        var before = await FindAsync(run, name, ct);
        var after = await run.Client.PutTemplateAsync(
            name,
            new TemplateContent(null, enabled, run.Value(Reason)),
            before.Tag.StillCurrent(),
            ct
        );
        run.Output.Document(new JsonObject { ["template"] = name.Value, ["enabled"] = after.Value.Enabled });
        run.Output.Line($"{name} is {(after.Value.Enabled ? "on" : "switched off: it resolves to nothing")}");
        return ExitCode.Ok;
    }

    private static async Task<Versioned<TemplateDetail>> FindAsync(
        Invocation run,
        TemplateName name,
        CancellationToken ct
    ) =>
        await run.Client.FindTemplateAsync(name, ct)
        ?? throw new CliException(
            ExitCode.No,
            "not-found",
            $"The server has no template '{name}'.",
            "'platen templates list' shows what there is; 'platen push' makes one."
        );
}
