-- Which of these blobs can be read in a repository: those that a manifest there refers to, and those pushed there. The config
-- {} that artifacts share is part of every repository that has a manifest.
create or replace function platform.repository_blobs(p_subject text, p_digests text[])
returns table (digest platform.digest, size_bytes bigint)
language plpgsql
stable
security invoker
set search_path = ''
-- The plan for any number of digests serves; made anew for each call it takes ten times as long as what it finds.
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
    return query
    select b.digest, b.size_bytes
    from platform.blob b
    where b.owner = platform.current_owner()
        and b.digest = any (p_digests)
        and (
            exists (
                select from platform.repository_blob p
                where p.owner = b.owner and p.subject = p_subject and p.digest = b.digest
            )
            or exists (
                select from platform.release_blob f
                join platform.release r
                    on r.owner = f.owner and r.subject = f.subject and r.digest = f.release_digest
                where f.owner = b.owner and f.subject = p_subject and f.blob_digest = b.digest
                    and r.withdrawn_at is null
            )
            or (
                b.digest = 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'
                and exists (
                    select from platform.release r
                    where r.owner = b.owner and r.subject = p_subject and r.withdrawn_at is null
                )
            )
        );
end
$$;

comment on function platform.repository_blobs(text, text[]) is
    'Which of the given blobs can be read in a repository of the session''s owner, and their sizes';

-- Forgets uploads that the blob store has swept by now.
create or replace function platform.remove_old_uploads(older_than interval) returns integer
language sql
volatile
security invoker
set search_path = ''
as $$
    with gone as (
        delete from platform.repository_upload u where u.started_at < clock_timestamp() - older_than returning 1
    )
    select count(*)::integer from gone
$$;

comment on function platform.remove_old_uploads(interval) is 'Removes the rows of uploads begun longer ago than that';
