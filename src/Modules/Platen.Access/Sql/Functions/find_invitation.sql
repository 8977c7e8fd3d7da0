-- A presented token names its invitation, so it must be found before any owner is known: one row, by the hash of 190 random bits.
create or replace function access.find_invitation(p_token_hash bytea)
returns table (owner uuid, id uuid)
language sql
stable
security definer
set search_path = ''
as $$
    select i.owner, i.id from access.invitation i where i.token_hash = p_token_hash
$$;

alter function access.find_invitation(bytea) owner to platen_view;
revoke all on function access.find_invitation(bytea) from public;
grant execute on function access.find_invitation(bytea) to platen_app;
