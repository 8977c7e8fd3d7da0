using Platen.Access;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Kernel.Versions;
using Platen.Platform.Channels;
using Platen.Platform.Postgres;

namespace Platen.Templates;

/// <summary>What a caller wants of a template.</summary>
/// <param name="Version">An exact version, a range, or a channel; null for the default.</param>
/// <param name="Environment">Where it is used, such as <c>production</c>: pins may hold there.</param>
/// <param name="Key">Whose request it is, such as a user's id: decides the side of a trial.</param>
/// <param name="Artifact">Which file; all null for none in particular.</param>
internal sealed record ResolveQuestion(string? Version, string? Environment, string? Key, ArtifactQuery Artifact);

/// <summary>An operator's decision for a place.</summary>
internal sealed record Pin(
    string Environment,
    SemVer Version,
    string Reason,
    long Revision,
    string SetBy,
    DateTimeOffset SetAt
)
{
    public string Tag => Precondition.TagOf(Revision);

    /// <summary>What the audit log has of it.</summary>
    public Digest? ContentDigest =>
        AuditLog.DigestOf(
            new
            {
                environment = Environment,
                version = Version.ToString(),
                reason = Reason,
            }
        );

    public const string Everywhere = "*";
}

/// <summary>
/// Answers which version a caller gets, and why. In this order: an exact version is taken at its word; a pin of the caller's
/// environment; a range; a channel, with its trial. A pin outside a range is passed over, and that is said: a range is what the
/// caller's code can work with.
/// </summary>
internal sealed class ResolveTemplate(PostgresPools pools, TemplateStates states)
{
    public static class Rules
    {
        public const string Exact = "exact";
        public const string Pinned = "pin";
        public const string Range = "range";
        public const string Alias = "alias";
        public const string Default = "default";
        public const string Candidate = "candidate";
    }

    /// <summary>The version that was chosen.</summary>
    /// <param name="Rule">One of <see cref="Rules"/>.</param>
    /// <param name="Explanation">The same in a sentence.</param>
    /// <param name="Channel">The channel it came from, or null.</param>
    /// <param name="Trial">The trial of that channel whose side is the caller's to choose, or null.</param>
    public sealed record Choice(
        TemplateVersion Version,
        string Rule,
        string Explanation,
        Channel? Channel,
        SidedTrial? Trial
    );

    /// <summary>A running trial.</summary>
    /// <param name="Side">live or candidate for the caller's key; null when it gave none.</param>
    public sealed record SidedTrial(Trial? Trial, TemplateVersion Candidate, int Percent, string Salt, string? Side);

    public sealed record Answer(TemplateState State, Choice Choice);

    public async Task<Answer> RunAsync(Caller caller, TemplateName name, ResolveQuestion question, CancellationToken ct)
    {
        if (question.Key?.Length > TrialSide.KeyLength)
            throw KernelProblems
                .Malformed.Because($"A key has at most {TrialSide.KeyLength} characters.")
                .AsException();
        IReadOnlyList<Pin>? pins = null;
        foreach (var context in TemplateRequests.Owners(caller, "resolve template"))
        {
            await using var session = await pools.OpenAsync(context, ct);
            // The caller's own pins hold for the platform's templates too.
            pins ??= await PinTemplate.ListAsync(session, name, ct);
            if (await states.FindAsync(session, name, ct) is not { } state)
                continue;
            if (!state.Template.Enabled)
            {
                throw TemplatesProblems
                    .TemplateDisabled.Because($"'{name}' was switched off by {state.Template.UpdatedBy}.")
                    .AsException();
            }
            return new Answer(state, Choose(state, pins, question));
        }
        throw TemplateRequests.NotFound(name);
    }

    public static Choice Choose(TemplateState state, IReadOnlyList<Pin> pins, ResolveQuestion question)
    {
        var spec = string.IsNullOrWhiteSpace(question.Version) ? null : question.Version.Trim();
        if (spec is not null && SemVer.TryParse(spec, out var exact))
        {
            return state.Find(exact) is { } version
                ? new Choice(version, Rules.Exact, $"exactly {version.Version}, as asked", null, null)
                : throw NoVersion(state, spec);
        }
        VersionRange? range = null;
        if (spec is not null && !ChannelNames.IsValid(spec) && !VersionRange.TryParse(spec, out range))
            throw NoVersion(state, spec);
        var passedOver = "";
        if (FindPin(pins, question.Environment) is { } pin)
        {
            var place = pin.Environment == Pin.Everywhere ? "everywhere" : $"in {pin.Environment}";
            if (state.Find(pin.Version) is not { } pinned)
                passedOver = $"; the pin {place} names {pin.Version}, which is not there";
            else if (range is not null && !range.Satisfies(pin.Version))
                passedOver = $"; the pin {place} to {pin.Version} is outside the range and was passed over";
            else
            {
                var why = $"pinned to {pin.Version} {place} by {pin.SetBy}: {pin.Reason}";
                return new Choice(pinned, Rules.Pinned, why, null, null);
            }
        }
        var choice = range is not null ? OfRange(state, spec!, range) : OfChannel(state, spec, question.Key);
        return choice with { Explanation = choice.Explanation + passedOver };
    }

    private static Pin? FindPin(IReadOnlyList<Pin> pins, string? environment) =>
        pins.FirstOrDefault(p => p.Environment == environment)
        ?? pins.FirstOrDefault(p => p.Environment == Pin.Everywhere);

    private static Choice OfRange(TemplateState state, string spec, VersionRange range)
    {
        foreach (var status in (string[])[VersionStatus.Stable, VersionStatus.Deprecated])
        {
            var among = state.Versions.Where(v => v.Status == status).Select(v => v.Version);
            if (range.MaxSatisfying(among) is { } highest)
            {
                var why =
                    status == VersionStatus.Stable
                        ? $"the highest stable version in {spec}"
                        : $"the highest version in {spec}, where only deprecated ones are";
                return new Choice(state.Find(highest)!, Rules.Range, $"{highest} is {why}", null, null);
            }
        }
        throw NoVersion(state, spec);
    }

    private static Choice OfChannel(TemplateState state, string? spec, string? key)
    {
        string[] order = spec is null ? [ChannelNames.Default, ChannelNames.Stable, ChannelNames.Latest] : [spec];
        foreach (var name in order)
        {
            if (
                !state.Channels.TryGetValue(name, out var channel) || state.Find(channel.Release!.Value) is not { } live
            )
                continue;
            var rule = spec is null ? Rules.Default : Rules.Alias;
            var why =
                spec is not null ? $"the channel '{name}' points at {live.Version}"
                : name == ChannelNames.Default ? $"no version asked: the default is {live.Version}"
                : $"no version asked and no default set: '{name}' points at {live.Version}";
            if (channel.Candidate is not { } digest || state.Find(digest) is not { } candidate)
                return new Choice(live, rule, why, channel, null);
            var salt = TrialSide.SaltOf(state.Template.Name, name, digest);
            var percent = channel.CandidatePercent;
            var trial = new SidedTrial(state.Trials.GetValueOrDefault(name), candidate, percent, salt, null);
            if (key is null)
            {
                var without = $"{why}; {candidate.Version} is tried on {percent} % of the keys, and no key was given";
                return new Choice(live, rule, without, channel, trial);
            }
            return TrialSide.IsCandidate(salt, key, percent)
                ? new Choice(
                    candidate,
                    Rules.Candidate,
                    $"the key is among the {percent} % on which '{name}' tries {candidate.Version}",
                    channel,
                    trial with
                    {
                        Side = "candidate",
                    }
                )
                : new Choice(
                    live,
                    rule,
                    $"{why}; the key is not among the {percent} % on which {candidate.Version} is tried",
                    channel,
                    trial with
                    {
                        Side = "live",
                    }
                );
        }
        throw NoVersion(state, spec ?? ChannelNames.Default);
    }

    private static ProblemException NoVersion(TemplateState state, string spec) =>
        TemplateRequests.NoSuchVersion(state.Template.Name, spec, state.Versions.Select(v => v.Version));
}
