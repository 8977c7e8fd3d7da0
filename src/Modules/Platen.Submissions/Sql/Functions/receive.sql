-- Keeps a submission unless it is here already: under its id, which follows from an idempotency key, or with the same content within the
-- window. Whoever sends the same content at the same moment waits for the first, and then sees it: each statement here has its own view
-- of what is committed.
create or replace function submissions.receive(
    p_id uuid, p_public_id text, p_widget_type text, p_release_digest text, p_locale text, p_fields jsonb, p_content_hash text,
    p_window interval
) returns table (outcome text, id uuid, received_at timestamptz)
    language plpgsql
    set search_path = ''
as $$
declare
    v_since timestamptz := clock_timestamp() - p_window;
begin
    return query
        select 'known', s.id, s.received_at from submissions.submission s
        where s.owner = platform.current_owner() and s.content_hash = p_content_hash and s.received_at > v_since limit 1;
    if found then
        return;
    end if;
    perform pg_catalog.pg_advisory_xact_lock(
        pg_catalog.hashtextextended(platform.current_owner()::text || p_content_hash, 1397050440));
    return query
        select 'known', s.id, s.received_at from submissions.submission s
        where s.owner = platform.current_owner() and s.content_hash = p_content_hash and s.received_at > v_since limit 1;
    if found then
        return;
    end if;
    return query
        insert into submissions.submission as s (
            owner, id, public_id, widget_type, release_digest, locale, fields, content_hash
        ) values (
            platform.current_owner(), p_id, p_public_id, p_widget_type, p_release_digest, p_locale, p_fields, p_content_hash
        )
        on conflict do nothing
        returning 'kept', s.id, s.received_at;
    if found then
        return;
    end if;
    return query
        select case when s.content_hash = p_content_hash then 'known' else 'reused' end, s.id, s.received_at
        from submissions.submission s where s.owner = platform.current_owner() and s.id = p_id;
end
$$;

comment on function submissions.receive(uuid, text, text, text, text, jsonb, text, interval) is
    'Keeps a submission once';
revoke all on function submissions.receive(uuid, text, text, text, text, jsonb, text, interval) from public;
grant execute on function submissions.receive(uuid, text, text, text, text, jsonb, text, interval) to platen_app;
