-- A presented key names its owner, so it must be found before any owner is known. The function sees one row, by the hash of
-- 190 random bits, and runs as the role of the public views, which may read this table; callers may not.
create or replace function access.find_key(p_hash bytea)
returns table (owner uuid, id uuid, name text, scopes text[], expires_at timestamptz)
language sql
stable
security definer
set search_path = ''
as $$
    select k.owner, k.id, k.name, k.scopes, k.expires_at
    from access.machine_key k
    where k.hash = p_hash and k.revoked_at is null
$$;

alter function access.find_key(bytea) owner to platen_view;
revoke all on function access.find_key(bytea) from public;
grant execute on function access.find_key(bytea) to platen_app;
