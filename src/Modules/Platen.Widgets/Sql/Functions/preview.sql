-- What a preview link shows, while it holds and its workspace is open.
create or replace function widgets.find_preview(p_token_hash bytea)
    returns table (owner uuid, subject text, release_digest text)
    language sql stable security definer
    set search_path = ''
as $$
    select l.owner, l.subject, l.release_digest
    from widgets.preview_link l
    where l.token_hash = p_token_hash and l.expires_at > clock_timestamp()
        and not exists (select from platform.closed_owner c where c.owner = l.owner)
    order by l.subject
$$;

alter function widgets.find_preview(bytea) owner to platen_view;
revoke all on function widgets.find_preview(bytea) from public;
grant execute on function widgets.find_preview(bytea) to platen_app;
