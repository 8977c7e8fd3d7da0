-- Ends one token of an instance of the session's owner, or with the nil UUID all that were made by now, and returns when; null when so many
-- are ended singly that the caller has to end all. Every node is told at commit.
create or replace function platform.revoke_embed_tokens(p_public_id text, p_token uuid, p_most integer) returns timestamptz
    language plpgsql
    set search_path = ''
as $$
declare
    v_at timestamptz;
begin
    -- What ended longer ago than any token lives is forgotten with the next that ends, so that it takes nobody's share; of owners of whom none
    -- ends any more it is swept every hour.
    delete from platform.embed_revocation r
    where r.owner = platform.current_owner() and r.revoked_at < clock_timestamp() - interval '25 hours';
    if p_token = '00000000-0000-0000-0000-000000000000' then
        delete from platform.embed_revocation r where r.owner = platform.current_owner() and r.public_id = p_public_id;
    elsif (select count(*) from platform.embed_revocation r
            where r.owner = platform.current_owner() and r.public_id = p_public_id and r.token <> p_token) >= p_most
        -- Every node keeps them all: an owner has a share of it, however many instances they have.
        or (select count(*) from platform.embed_revocation r
            where r.owner = platform.current_owner() and r.token <> p_token) >= 10 * p_most then
        return null;
    end if;
    insert into platform.embed_revocation as r (owner, public_id, token)
    values (platform.current_owner(), p_public_id, p_token)
    on conflict (owner, public_id, token) do update set revoked_at = greatest(r.revoked_at, excluded.revoked_at)
    returning r.revoked_at into v_at;
    perform pg_notify('platen_event', format('%s 0 embed-tokens/%s', platform.current_owner(), p_public_id));
    return v_at;
end
$$;

revoke all on function platform.revoke_embed_tokens(text, uuid, integer) from public;
grant execute on function platform.revoke_embed_tokens(text, uuid, integer) to platen_app;
