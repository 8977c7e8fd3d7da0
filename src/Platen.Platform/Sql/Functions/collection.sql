-- Whether nobody can come back to a release: it was withdrawn before the grace period; or it is of a kind that only its channels
-- keep, was made before the grace period, and was never live, or no channel points at it, none of the last moves or of those within the
-- retention names it, it was not made within that either, and no index lists it; or it is a
-- snapshot on its way from one stage to another, which nothing needs once it was taken in or the grace period is over, unless a channel
-- holds it for a cut-over to come.
-- Only what has files or manifests to let go of is.
create or replace function platform.is_collectable(
    p_owner uuid, p_subject text, p_digest text, p_retention interval, p_keep integer, p_grace interval
) returns boolean
language sql
stable
security invoker
set search_path = ''
as $$
    select
        (
            exists (
                select from platform.release_blob f
                where f.owner = r.owner and f.subject = r.subject and f.release_digest = r.digest
            )
            or exists (
                select from platform.release_child k
                where k.owner = r.owner and k.subject = r.subject and k.release_digest = r.digest
            )
        )
        and not exists (
            select from platform.channel c
            where c.owner = r.owner and c.subject = r.subject and r.digest in (c.release_digest, c.candidate_digest)
        )
        and not exists (
            select from platform.release_child k
            join platform.release parent
                on parent.owner = k.owner and parent.subject = k.subject and parent.digest = k.release_digest
            where k.owner = r.owner and k.subject = r.subject and k.child_digest = r.digest
                and parent.withdrawn_at is null
        )
        and case
            when r.withdrawn_at is not null then r.withdrawn_at < clock_timestamp() - p_grace
            when r.artifact_type = 'application/vnd.platen.widget-snapshot.v1'
                then greatest(r.created_at, r.pushed_at) < clock_timestamp() - p_grace
            when r.artifact_type <> 'application/vnd.platen.widget.v1' then false
            else
                greatest(r.created_at, r.pushed_at) < clock_timestamp() - p_grace
                and (
                    greatest(r.created_at, r.pushed_at) < clock_timestamp() - p_retention
                    or not exists (
                        select from platform.channel_move m
                        where m.owner = r.owner and m.subject = r.subject
                            and r.digest in (m.to_digest, m.from_digest, m.candidate_digest)
                    )
                )
                and not exists (
                    select from platform.channel_move m
                    where m.owner = r.owner and m.subject = r.subject
                        and r.digest in (m.to_digest, m.from_digest, m.candidate_digest)
                        and m.at >= clock_timestamp() - p_retention
                )
                and not exists (
                    select from platform.channel c
                    cross join lateral (
                        select m.to_digest from platform.channel_move m
                        where m.owner = c.owner and m.subject = c.subject and m.name = c.name
                        order by m.revision desc limit p_keep
                    ) recent
                    where c.owner = r.owner and c.subject = r.subject and recent.to_digest = r.digest
                )
        end
    from platform.release r
    where r.owner = p_owner and r.subject = p_subject and r.digest = p_digest
$$;

comment on function platform.is_collectable(uuid, text, text, interval, integer, interval) is
    'Whether a release''s files may be removed';

-- Withdraws releases nobody can come back to and lets go of their files; the manifests stay, as history. Looks at p_limit releases after
-- the given one, in the order of their keys, so that a step takes as long however many there are.
create or replace function platform.collect_releases(
    p_retention interval, p_keep integer, p_grace interval, p_owner uuid, p_subject text, p_digest text, p_limit integer
) returns table (owner uuid, subject text, digest platform.digest, created_at timestamptz, was_withdrawn boolean, lists boolean)
language plpgsql
volatile
security invoker
set search_path = ''
as $$
#variable_conflict use_column
declare
    v_owners uuid[];
    v_subjects text[];
    v_digests platform.digest[];
begin
    select array_agg(found.owner), array_agg(found.subject), array_agg(found.digest)
    into v_owners, v_subjects, v_digests
    from platform.preview_releases(p_retention, p_keep, p_grace, p_owner, p_subject, p_digest, p_limit) found;
    select array_agg(held.owner), array_agg(held.subject), array_agg(held.digest)
    into v_owners, v_subjects, v_digests
    from (
        select r.owner, r.subject, r.digest
        from unnest(v_owners, v_subjects, v_digests) as h (owner, subject, digest)
        join platform.release r on r.owner = h.owner and r.subject = h.subject and r.digest = h.digest
        for update of r skip locked
    ) held;
    if v_owners is null then
        return;
    end if;
    -- Looked at again with the rows held: whoever pointed a channel at one of them before has committed, and whoever wants to
    -- now waits, and finds it withdrawn.
    return query
    with doomed as materialized (
        select r.owner, r.subject, r.digest, r.created_at, r.withdrawn_at,
            exists (
                select from platform.release_child k
                where k.owner = r.owner and k.subject = r.subject and k.release_digest = r.digest
            ) as lists
        from unnest(v_owners, v_subjects, v_digests) as h (owner, subject, digest)
        join platform.release r on r.owner = h.owner and r.subject = h.subject and r.digest = h.digest
        where platform.is_collectable(r.owner, r.subject, r.digest, p_retention, p_keep, p_grace)
    ), files as (
        delete from platform.release_blob f using doomed d
        where f.owner = d.owner and f.subject = d.subject and f.release_digest = d.digest
    ), children as (
        delete from platform.release_child k using doomed d
        where k.owner = d.owner and k.subject = d.subject and k.release_digest = d.digest
    ), withdrawn as (
        update platform.release r set withdrawn_at = coalesce(r.withdrawn_at, clock_timestamp())
        from doomed d
        where r.owner = d.owner and r.subject = d.subject and r.digest = d.digest
    )
    select d.owner, d.subject, d.digest, d.created_at, d.withdrawn_at is not null, d.lists from doomed d;
end
$$;

comment on function platform.collect_releases(interval, integer, interval, uuid, text, text, integer) is
    'Lets go of the files of releases nobody can come back to';

-- Forgets blobs that no release refers to and nobody pushed within the grace period, of the p_limit after the given one. Their bytes are
-- the caller's to remove, after the commit.
create or replace function platform.collect_blobs(p_grace interval, p_owner uuid, p_digest text, p_limit integer)
returns table (owner uuid, digest platform.digest, size_bytes bigint, created_at timestamptz)
language plpgsql
volatile
security invoker
set search_path = ''
as $$
#variable_conflict use_column
declare
    v_owners uuid[];
    v_digests platform.digest[];
begin
    select array_agg(held.owner), array_agg(held.digest) into v_owners, v_digests
    from (
        select b.owner, b.digest
        from (
            select l.owner, l.digest from platform.blob l
            where (l.owner, l.digest) > (p_owner, p_digest)
            order by l.owner, l.digest
            limit p_limit
        ) looked_at
        join platform.blob b on b.owner = looked_at.owner and b.digest = looked_at.digest
        where b.created_at < clock_timestamp() - p_grace
            -- The config {} that every artifact shares.
            and b.digest <> 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'
            and not exists (
                select from platform.release_blob f where f.owner = b.owner and f.blob_digest = b.digest
            )
            and not exists (
                select from platform.repository_blob p
                where p.owner = b.owner and p.digest = b.digest and p.pushed_at >= clock_timestamp() - p_grace
            )
        for update of b skip locked
    ) held;
    if v_owners is null then
        return;
    end if;
    -- Again, with the rows held: a release that was recorded meanwhile has committed, and one that is recorded now waits and
    -- then writes the row anew.
    return query
    delete from platform.blob b
    using unnest(v_owners, v_digests) as h (owner, digest)
    where b.owner = h.owner and b.digest = h.digest
        and not exists (
            select from platform.release_blob f where f.owner = b.owner and f.blob_digest = b.digest
        )
        and not exists (
            select from platform.repository_blob p
            where p.owner = b.owner and p.digest = b.digest and p.pushed_at >= clock_timestamp() - p_grace
        )
    returning b.owner, b.digest, b.size_bytes, b.created_at;
end
$$;

comment on function platform.collect_blobs(interval, uuid, text, integer) is 'Forgets blobs that nothing refers to';

-- What collect_releases would let go of, found without holding or changing a row.
create or replace function platform.preview_releases(
    p_retention interval, p_keep integer, p_grace interval, p_owner uuid, p_subject text, p_digest text, p_limit integer
) returns table (owner uuid, subject text, digest platform.digest, created_at timestamptz, was_withdrawn boolean, lists boolean)
language sql
stable
security invoker
set search_path = ''
as $$
    select r.owner, r.subject, r.digest, r.created_at, r.withdrawn_at is not null, false
    from (
        select l.owner, l.subject, l.digest, l.created_at, l.withdrawn_at from platform.release l
        where (l.owner, l.subject, l.digest) > (p_owner, p_subject, p_digest)
        order by l.owner, l.subject, l.digest
        limit p_limit
    ) r
    where platform.is_collectable(r.owner, r.subject, r.digest, p_retention, p_keep, p_grace)
$$;

comment on function platform.preview_releases(interval, integer, interval, uuid, text, text, integer) is
    'Releases whose files a collection would let go of';

-- What collect_blobs would forget once the releases nobody can come back to had let go of their files.
create or replace function platform.preview_blobs(
    p_retention interval, p_keep integer, p_grace interval, p_owner uuid, p_digest text, p_limit integer
) returns table (owner uuid, digest platform.digest, size_bytes bigint, created_at timestamptz)
language sql
stable
security invoker
set search_path = ''
as $$
    select b.owner, b.digest, b.size_bytes, b.created_at
    from (
        select l.owner, l.digest, l.size_bytes, l.created_at from platform.blob l
        where (l.owner, l.digest) > (p_owner, p_digest)
        order by l.owner, l.digest
        limit p_limit
    ) b
    where b.created_at < clock_timestamp() - p_grace
        and b.digest <> 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'
        and not exists (
            select from platform.release_blob f
            where f.owner = b.owner and f.blob_digest = b.digest
                and not platform.is_collectable(f.owner, f.subject, f.release_digest, p_retention, p_keep, p_grace)
        )
        and not exists (
            select from platform.repository_blob p
            where p.owner = b.owner and p.digest = b.digest and p.pushed_at >= clock_timestamp() - p_grace
        )
$$;

comment on function platform.preview_blobs(interval, integer, interval, uuid, text, integer) is
    'Blobs that a collection would forget';

-- Which of these digests of an owner nothing in the database knows: neither a blob nor a manifest that can still be read.
create or replace function platform.unknown_digests(p_owner uuid, p_digests text[]) returns setof text
language sql
stable
security invoker
set search_path = ''
as $$
    select d.digest
    from unnest(p_digests) as d (digest)
    where not exists (select from platform.blob b where b.owner = p_owner and b.digest = d.digest)
        and not exists (
            select from platform.release r
            where r.owner = p_owner and r.digest = d.digest and r.withdrawn_at is null
        )
$$;

comment on function platform.unknown_digests(uuid, text[]) is 'Digests that are stored and that nothing knows';

-- The same once the releases nobody can come back to were withdrawn.
create or replace function platform.preview_unknown_digests(
    p_owner uuid, p_digests text[], p_retention interval, p_keep integer, p_grace interval
) returns setof text
language sql
stable
security invoker
set search_path = ''
as $$
    select d.digest
    from unnest(p_digests) as d (digest)
    where not exists (select from platform.blob b where b.owner = p_owner and b.digest = d.digest)
        and not exists (
            select from platform.release r
            where r.owner = p_owner and r.digest = d.digest and r.withdrawn_at is null
                and not platform.is_collectable(r.owner, r.subject, r.digest, p_retention, p_keep, p_grace)
        )
$$;

comment on function platform.preview_unknown_digests(uuid, text[], interval, integer, interval) is
    'Digests that are stored and that nothing would know after a collection';
