using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using Platen.Access;
using Platen.Kernel;
using Platen.Kernel.Templates;
using Platen.Kernel.Versions;
using Platen.Platform.Blobs;
using Platen.Platform.Postgres;
using Platen.Platform.Releases;

namespace Platen.Templates;

/// <summary>
/// Makes a version of files whose bytes are stored: everything is checked first, without a lock; then one transaction records
/// release, version and files, and moves the channels that follow versions. The same content again changes nothing.
/// </summary>
internal sealed class CommitVersion(PostgresPools pools, IBlobStore blobs, StoreBlobs store)
{
    /// <summary>What the releases of templates are.</summary>
    public const string ArtifactType = "application/vnd.platen.template.v1";

    /// <param name="Manifest">The bundle's manifest, each artifact with digest and sizeBytes.</param>
    /// <param name="Status">draft or stable; null is stable.</param>
    public sealed record Body(JsonElement Manifest, string? Status = null);

    public sealed record Outcome(bool Created, bool Changed, TemplateVersion Version, List<TemplateArtifact> Artifacts);

    public async Task<Outcome> RunAsync(
        Caller caller,
        TemplateName name,
        SemVer version,
        Body body,
        Precondition precondition,
        CancellationToken ct
    )
    {
        var status = body.Status ?? VersionStatus.Stable;
        var manifest = Read(body.Manifest, name, version, status);
        var artifacts = await CompleteAsync(caller, manifest, ct);
        var release = MakeRelease(name, version, artifacts);
        var bytes = release.ToCanonicalBytes();
        await blobs.PutBytesAsync(caller.Owner, ReleaseManifest.EmptyConfig, ct);
        await blobs.PutBytesAsync(caller.Owner, bytes, ct);

        await using var session = await pools.OpenAsync(caller.Operation($"push {name} {version}"), ct);
        await SaveTemplate.InsertAsync(session, name, manifest.Description ?? "", enabled: true, ct);
        var template = (await Template.LockAsync(session, name, ct))!;
        var digest = Digest.Of(bytes);
        var before = await TemplateVersion.FindAsync(session, name, version, ct);
        if (before?.Release == digest && (before.Status == status || before.Status != VersionStatus.Draft))
            return new Outcome(false, false, before, artifacts);
        if (before is not null && before.Release != digest && before.Status != VersionStatus.Draft)
            throw Immutable(before, await TemplateVersion.ArtifactsAsync(session, name, version, ct), artifacts);
        precondition.Check(before?.Tag);

        await ReleaseStore.RecordAsync(session, name.Subject, release, bytes, ct);
        await WriteAsync(session, name, version, digest, status, manifest.Changelog, before, ct);
        if (before?.Release != digest)
            await WriteFilesAsync(session, name, version, artifacts, ct);
        await DescribeAsync(session, template, manifest.Description, ct);
        await VersionChannels.PointAsync(session, name, version.ToString(), digest, ct);
        await VersionChannels.FollowAsync(session, name, ct);
        await Template.TouchAsync(
            session,
            name,
            TemplateEvents.VersionPushed,
            new
            {
                version = version.ToString(),
                release = digest,
                status,
            },
            ct,
            before?.Release,
            digest
        );
        var saved = (await TemplateVersion.FindAsync(session, name, version, ct))!;
        await session.CommitAsync(ct);
        return new Outcome(before is null, true, saved, artifacts);
    }

    private static TemplateManifest Read(JsonElement json, TemplateName name, SemVer version, string status)
    {
        var faults = new List<Fault>();
        if (status is not (VersionStatus.Draft or VersionStatus.Stable))
            faults.Add(new Fault("/status", "draft or stable; a version is deprecated after it was stable."));
        if (!TemplateManifest.TryRead(json, out var manifest, out var found))
            faults.AddRange(found.Select(f => f with { Pointer = "/manifest" + f.Pointer }));
        else
        {
            if (manifest.Template is { } other && other != name)
                faults.Add(new Fault("/manifest/template", $"The address says '{name}'."));
            if (manifest.Version is { } stated && stated != version)
                faults.Add(new Fault("/manifest/version", $"The address says '{version}'."));
            foreach (var (index, artifact) in manifest.Artifacts.Index())
            {
                if (artifact.Digest is null)
                    faults.Add(new Fault($"/manifest/artifacts/{index}/digest", "The digest of its bytes."));
                if (artifact.SizeBytes is null)
                    faults.Add(new Fault($"/manifest/artifacts/{index}/sizeBytes", "The number of its bytes."));
            }
        }
        return faults.Count == 0 ? manifest! : throw Invalid(faults);
    }

    /// <summary>The files with all that their bytes and their includes say; refuses what is not there or not as declared.</summary>
    private async Task<List<TemplateArtifact>> CompleteAsync(
        Caller caller,
        TemplateManifest manifest,
        CancellationToken ct
    )
    {
        var missing = await store.MissingAsync(caller.Owner, manifest.Artifacts.Select(a => a.Digest!.Value), ct);
        if (missing.Count > 0)
        {
            throw TemplatesProblems
                .MissingBlobs.Because($"The bytes of {missing.Count} artifacts are not there.")
                .With("missing", missing)
                .AsException();
        }
        var complete = new TemplateArtifact[manifest.Artifacts.Length];
        var faults = new List<Fault>[manifest.Artifacts.Length];
        var includes = manifest.Includes.Select(i => i.Name).ToHashSet(StringComparer.Ordinal);
        await Parallel.ForEachAsync(
            manifest.Artifacts.Index(),
            new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = ct },
            async (one, token) =>
            {
                (complete[one.Index], faults[one.Index]) = await CompleteAsync(
                    caller.Owner,
                    one.Item,
                    one.Index,
                    includes,
                    token
                );
            }
        );
        if (faults.Any(wrong => wrong.Count > 0))
            throw Invalid(faults.SelectMany(wrong => wrong));
        return [.. complete, .. await IncludedAsync(caller, manifest, ct)];
    }

    private async Task<(TemplateArtifact, List<Fault>)> CompleteAsync(
        OwnerId owner,
        ManifestArtifact artifact,
        int index,
        HashSet<string> includes,
        CancellationToken ct
    )
    {
        var at = $"/manifest/artifacts/{index}";
        var faults = new List<Fault>();
        var digest = artifact.Digest!.Value;
        var variables = artifact.Variables ?? [];
        if (artifact.Role is null)
        {
            var stat = await blobs.StatAsync(owner, digest, ct);
            if (stat?.SizeBytes != artifact.SizeBytes)
                faults.Add(new Fault(at + "/sizeBytes", $"{digest} has {stat?.SizeBytes} bytes."));
        }
        else if (
            await blobs.ReadAllAsync(owner, digest, TemplateLimits.PromptBytes, ct) is not ReadOutcome.Read(var bytes)
        )
            faults.Add(
                new Fault(at, $"A prompt has at most {TemplateLimits.PromptBytes} bytes, and they must be readable.")
            );
        else if (bytes.Length != artifact.SizeBytes)
            faults.Add(new Fault(at + "/sizeBytes", $"{digest} has {bytes.Length} bytes."));
        else if (!System.Text.Unicode.Utf8.IsValid(bytes.Span))
            faults.Add(new Fault(at, "A prompt is text: its bytes are not valid UTF-8."));
        else
        {
            var wrong = new List<Fault>();
            variables = artifact.CheckPrompt(Encoding.UTF8.GetString(bytes.Span), includes, wrong);
            faults.AddRange(wrong.Select(fault => fault with { Pointer = at + fault.Pointer }));
        }
        return (
            new TemplateArtifact(
                artifact.Kind,
                artifact.Path,
                artifact.Role,
                artifact.Locale,
                artifact.ContentType,
                digest,
                artifact.SizeBytes ?? 0,
                variables
            ),
            faults
        );
    }

    /// <summary>The files of other bundles, pinned: their digests become part of this release.</summary>
    private async Task<List<TemplateArtifact>> IncludedAsync(
        Caller caller,
        TemplateManifest manifest,
        CancellationToken ct
    )
    {
        if (manifest.Includes.IsEmpty)
            return [];
        var included = new List<TemplateArtifact>();
        var paths = new HashSet<string>(manifest.Artifacts.Select(a => a.Path), StringComparer.OrdinalIgnoreCase);
        var faults = new List<Fault>();
        await using var session = await pools.OpenAsync(caller.Operation("pin includes"), ct);
        foreach (var (index, include) in manifest.Includes.Index())
        {
            var at = $"/manifest/includes/{index}";
            var version = await TemplateVersion.FindAsync(session, include.Template, include.Version, ct);
            if (version is null || version.Status == VersionStatus.Draft)
            {
                faults.Add(new Fault(at, $"There is no stable version {include.Version} of '{include.Template}'."));
                continue;
            }
            var files = (await TemplateVersion.ArtifactsAsync(session, include.Template, include.Version, ct))
                .Where(a => a.Kind == include.Kind && a.IncludedFrom is null)
                .ToList();
            if (files.Count == 0)
                faults.Add(new Fault(at + "/kind", $"{include.Template}@{include.Version} has no '{include.Kind}'."));
            foreach (var file in files)
            {
                var path = $"includes/{include.Name}/{file.Path}";
                if (path.Length > TemplateLimits.PathLength)
                    faults.Add(
                        new Fault(
                            at + "/name",
                            $"'{file.Path}' is included as '{path}', which has {path.Length} characters; a path has at most {TemplateLimits.PathLength}."
                        )
                    );
                if (!paths.Add(path))
                    faults.Add(
                        new Fault(at + "/name", $"Another file has the path '{path}' (upper and lower case are one).")
                    );
                if (file.Variables.Length > 0)
                    faults.Add(
                        new Fault(at, $"'{file.Path}' has variables of its own; only plain parts can be included.")
                    );
                included.Add(file with { Path = path, IncludedFrom = $"{include.Template}@{include.Version}" });
            }
        }
        if (manifest.Artifacts.Length + included.Count > TemplateLimits.Artifacts)
            faults.Add(
                new Fault(
                    "/manifest/includes",
                    $"With what is included there are {manifest.Artifacts.Length + included.Count} files; a version has at most {TemplateLimits.Artifacts}."
                )
            );
        return faults.Count == 0 ? included : throw Invalid(faults.Take(Limits.Faults));
    }

    private static ReleaseManifest MakeRelease(TemplateName name, SemVer version, List<TemplateArtifact> artifacts)
    {
        var empty = ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);
        return new ReleaseManifest(
            ArtifactType,
            [
                .. artifacts.Select(a =>
                {
                    var annotations = empty.Add("dev.platen.kind", a.Kind);
                    if (a.Role is not null)
                        annotations = annotations.Add("dev.platen.role", a.Role);
                    if (a.Locale is not null)
                        annotations = annotations.Add("dev.platen.locale", a.Locale);
                    if (!a.Variables.IsEmpty)
                        annotations = annotations.Add("dev.platen.variables", VariablesJson(a.Variables));
                    if (a.IncludedFrom is not null)
                        annotations = annotations.Add("dev.platen.included-from", a.IncludedFrom);
                    return new ReleaseFile(a.Path, a.Digest, a.ContentType, a.SizeBytes, annotations);
                }),
            ],
            empty.Add("dev.platen.template", name.Value).Add("org.opencontainers.image.version", version.ToString())
        );
    }

    /// <summary>Writes the version's row; the files of a draft that it replaces are removed.</summary>
    /// <exception cref="ProblemException">Something else had the version's name before it was removed.</exception>
    public static async Task WriteAsync(
        Session session,
        TemplateName name,
        SemVer version,
        Digest digest,
        string status,
        string? changelog,
        TemplateVersion? before,
        CancellationToken ct
    )
    {
        try
        {
            if (before is null)
                await InsertAsync(session, name, version, digest, status, changelog, ct);
            else
                await UpdateAsync(session, name, version, digest, status, changelog, before, ct);
        }
        // templates.refuse_other_than_removed
        catch (PostgresException e) when (e.SqlState == "PLT11")
        {
            throw TemplatesProblems.VersionIsImmutable.Because(e.MessageText).AsException();
        }
    }

    private static async Task InsertAsync(
        Session session,
        TemplateName name,
        SemVer version,
        Digest digest,
        string status,
        string? changelog,
        CancellationToken ct
    )
    {
        // Counted with the template locked, so that nobody else adds one meanwhile.
        var made = await session.ExecuteAsync(
            """
            insert into templates.template_version (owner, template, semver, release_digest, status, changelog, created_by, created_by_name)
            select $1, $2, $3, $4, $5, $6, $7, $8
            where (select count(*) from templates.template_version v where v.template = $2) < $9
            """,
            ct,
            Sql.Owner(session.Context.Owner),
            Sql.Text(name.Value),
            Sql.Text(version.ToString()),
            Sql.Digest(digest),
            Sql.Text(status),
            Sql.Text(changelog),
            Sql.Uuid(session.Context.Actor.Id.Value),
            Sql.Text(session.Context.Actor.Name),
            Sql.Int(TemplatesLimits.Versions)
        );
        if (made == 0)
        {
            throw KernelProblems
                .Conflict.Because(
                    $"'{name}' has {TemplatesLimits.Versions} versions, which is the most: remove those that are past their time first."
                )
                .AsException();
        }
    }

    private static async Task UpdateAsync(
        Session session,
        TemplateName name,
        SemVer version,
        Digest digest,
        string status,
        string? changelog,
        TemplateVersion before,
        CancellationToken ct
    )
    {
        // The files of a draft go before it becomes stable, while they may.
        if (before.Release != digest)
            await session.ExecuteAsync(
                "delete from templates.artifact where template = $1 and semver = $2",
                ct,
                Sql.Text(name.Value),
                Sql.Text(version.ToString())
            );
        await session.ExecuteAsync(
            """
            update templates.template_version
            set release_digest = $3, status = $4, changelog = coalesce($5, changelog), revision = revision + 1,
                updated_at = clock_timestamp()
            where template = $1 and semver = $2
            """,
            ct,
            Sql.Text(name.Value),
            Sql.Text(version.ToString()),
            Sql.Digest(digest),
            Sql.Text(status),
            Sql.Text(changelog)
        );
        if (before.Release != digest)
            await TemplateVersion.LetGoAsync(session, name, before.Release, ct);
    }

    public static async Task WriteFilesAsync(
        Session session,
        TemplateName name,
        SemVer version,
        List<TemplateArtifact> artifacts,
        CancellationToken ct
    ) =>
        await session.ExecuteAsync(
            """
            with given as (
                select * from unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::text[], $11::text[], $12::jsonb[])
                    with ordinality
                    as f (path, kind, locale, content_type, sha256, size_bytes, included_from, role, variables, position)
            ), files as (
                insert into templates.artifact (
                    owner, template, semver, path, position, kind, locale, content_type, sha256, size_bytes, included_from)
                select $1, $2, $3, path, position, kind, locale, content_type, sha256, size_bytes, included_from from given
            )
            insert into templates.prompt (owner, template, semver, path, role, variables)
            select $1, $2, $3, path, role, variables from given where role is not null
            """,
            ct,
            Sql.Owner(session.Context.Owner),
            Sql.Text(name.Value),
            Sql.Text(version.ToString()),
            Texts(artifacts.Select(a => a.Path)),
            Texts(artifacts.Select(a => a.Kind)),
            Texts(artifacts.Select(a => a.Locale)),
            Texts(artifacts.Select(a => a.ContentType)),
            Texts(artifacts.Select(a => a.Digest.ToString())),
            new NpgsqlParameter<long[]> { TypedValue = [.. artifacts.Select(a => a.SizeBytes)] },
            Texts(artifacts.Select(a => a.IncludedFrom)),
            Texts(artifacts.Select(a => a.Role)),
            new NpgsqlParameter
            {
                Value = artifacts.Select(a => VariablesJson(a.Variables)).ToArray(),
                NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Jsonb,
            }
        );

    private static async Task DescribeAsync(
        Session session,
        Template template,
        string? description,
        CancellationToken ct
    )
    {
        if (description is null || description == template.Description)
            return;
        await session.ExecuteAsync(
            "update templates.template set description = $2 where name = $1",
            ct,
            Sql.Text(template.Name.Value),
            Sql.Text(description)
        );
    }

    public static ProblemException Immutable(
        TemplateVersion before,
        IEnumerable<TemplateArtifact> from,
        IEnumerable<TemplateArtifact> to
    )
    {
        var changes = TemplateFileChange.Between(from, to);
        var named = string.Join(", ", changes.Take(5).Select(c => c.Path));
        return TemplatesProblems
            .VersionIsImmutable.Because(
                $"Version {before.Version} of '{before.Template}' is {before.Status} as {before.Release}; what was pushed differs in {named}"
                    + (changes.Length > 5 ? $" and {changes.Length - 5} more." : ".")
            )
            .With("release", before.Release)
            .With("changes", changes)
            .AsException();
    }

    private static ProblemException Invalid(IEnumerable<Fault> faults) =>
        KernelProblems.Invalid.Because("The version cannot be made of this.", faults).AsException();

    private static string VariablesJson(ImmutableArray<PromptVariable> variables) =>
        JsonSerializer.Serialize(variables, JsonSerializerOptions.Web);

    private static NpgsqlParameter Texts(IEnumerable<string?> values) =>
        new() { Value = values.ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text };
}
