-- A presented key names its owner, so it must be found before any owner is known. The function sees one row, by the hash of
-- 190 random bits, and runs as the role of the public views, which may read this table; callers may not. The keys of a
-- workspace that is being deleted open nothing, nor do those that somebody lent who is no member any more.
drop function if exists access.find_key(bytea);
create or replace function access.find_key(p_hash bytea)
returns table (owner uuid, id uuid, name text, scopes text[], expires_at timestamptz, stage text, lenders_role text)
language sql
stable
security definer
set search_path = ''
as $$
    select k.owner, k.id, k.name, k.scopes, k.expires_at, k.stage, m.role
    from access.machine_key k
    left join access.person p on p.id = k.lent_by and p.disabled_at is null
    left join access.member m on m.owner = k.owner and m.person_id = p.id
    where k.hash = p_hash and k.revoked_at is null and (k.lent_by is null or m.role is not null)
        and not exists (select from access.workspace w where w.owner = k.owner and w.status <> 'active')
$$;

alter function access.find_key(bytea) owner to platen_view;
revoke all on function access.find_key(bytea) from public;
grant execute on function access.find_key(bytea) to platen_app;
