-- The keys that the session's actor has lent to terminals and that still stand, newest first. It leads out of the session's scope, since a
-- person lends what they have in many workspaces, and tells nobody anything but their own. A workspace's name is told to its members.
create or replace function access.list_terminals(p_most integer)
returns table (
    owner uuid, workspace text, id uuid, name text, scopes text[], created_at timestamptz, expires_at timestamptz,
    last_used_at timestamptz
)
language sql
stable
security definer
set search_path = ''
as $$
    select k.owner, case when m.role is not null then w.name end, k.id, k.name, k.scopes, k.created_at, k.expires_at,
        k.last_used_at
    from access.machine_key k
    left join access.workspace w on w.owner = k.owner
    left join access.member m on m.owner = k.owner and m.person_id = k.lent_by
    where k.lent_by = platform.current_actor() and k.revoked_at is null
        and (k.expires_at is null or k.expires_at > clock_timestamp())
    order by k.created_at desc, k.id desc
    limit p_most
$$;

alter function access.list_terminals(integer) owner to platen_view;
revoke all on function access.list_terminals(integer) from public;
grant execute on function access.list_terminals(integer) to platen_app;

-- Whose a key is that the session's actor has lent, whether or not it still stands.
create or replace function access.owner_of_terminal(p_id uuid)
returns uuid
language sql
stable
security definer
set search_path = ''
as $$
    select k.owner from access.machine_key k where k.id = p_id and k.lent_by = platform.current_actor()
$$;

alter function access.owner_of_terminal(uuid) owner to platen_view;
revoke all on function access.owner_of_terminal(uuid) from public;
grant execute on function access.owner_of_terminal(uuid) to platen_app;
