-- From an actor to the person behind it: a key was made by somebody, who may have been a key. It leads out of the session's scope (an
-- operator makes keys of workspaces), and tells one id. Null: it ends at a key of which nobody knows who made it, or at the server.
create or replace function access.person_behind(p_actor uuid)
returns uuid
language sql
stable
security definer
set search_path = ''
as $$
    with recursive origin (id, depth) as (
        select p_actor, 0
        union all
        select k.created_by, o.depth + 1
        from origin o join access.machine_key k on k.id = o.id
        where k.created_by is not null and o.depth < 32
    ), last as (
        select o.id from origin o order by o.depth desc limit 1
    )
    select l.id from last l
    where l.id <> '00000000-0000-0000-0000-000000000002'
        and not exists (select from access.machine_key k where k.id = l.id)
$$;

alter function access.person_behind(uuid) owner to platen_view;
revoke all on function access.person_behind(uuid) from public;
grant execute on function access.person_behind(uuid) to platen_app;
