-- Everything that a person belongs to. It leads into the scope of each, so only the server itself is told, when it disables or deletes them.
create or replace function access.memberships_of(p_person uuid)
returns table (owner uuid, slug text)
language sql
stable
security definer
set search_path = ''
as $$
    select m.owner, w.slug
    from access.member m
    join access.workspace w on w.owner = m.owner
    where m.person_id = p_person and platform.current_actor() = '00000000-0000-0000-0000-000000000002'
    order by m.owner
$$;

alter function access.memberships_of(uuid) owner to platen_view;
revoke all on function access.memberships_of(uuid) from public;
grant execute on function access.memberships_of(uuid) to platen_app;

-- Keys that somebody lent open nothing while they are disabled: every node forgets what it remembers of the workspaces concerned.
create or replace function access.tell_disabled() returns trigger
    language plpgsql
    set search_path = ''
as $$
begin
    perform pg_notify('platen_event', m.owner || ' 0 access/members') from access.memberships_of(new.id) m;
    return null;
end
$$;
drop trigger if exists disabled on access.person;
create trigger disabled after update of disabled_at on access.person
    for each row when (old.disabled_at is distinct from new.disabled_at) execute function access.tell_disabled();

-- Nobody becomes a member while they are being deleted: by the time this runs the foreign key has waited for the deletion to end.
create or replace function access.refuse_deleted_member() returns trigger
    language plpgsql
    security definer
    set search_path = ''
as $$
begin
    if exists (select from access.person p where p.id = new.person_id and p.deleted_at is not null) then
        raise serialization_failure using message = 'the person was deleted meanwhile';
    end if;
    return null;
end
$$;
alter function access.refuse_deleted_member() owner to platen_view;
revoke all on function access.refuse_deleted_member() from public;
-- Its name comes after those of the foreign keys' own triggers, which run in the order of their names.
drop trigger if exists zz_not_deleted on access.member;
create trigger zz_not_deleted after insert on access.member
    for each row execute function access.refuse_deleted_member();
