-- Closes the session's owner: the public views leave it out from the commit on, and every node is told.
create or replace function platform.close_owner() returns void
    language plpgsql
    set search_path = ''
as $$
begin
    insert into platform.closed_owner (owner) values (platform.current_owner()) on conflict (owner) do nothing;
    perform pg_notify('platen_event', platform.current_owner() || ' 0 owner/closed');
end
$$;

-- Opens it again; false when its rows are being removed already.
create or replace function platform.reopen_owner() returns boolean
    language plpgsql
    set search_path = ''
as $$
begin
    delete from platform.closed_owner c where c.owner = platform.current_owner() and c.purging_since is null;
    if exists (select from platform.closed_owner c where c.owner = platform.current_owner()) then
        return false;
    end if;
    perform pg_notify('platen_event', platform.current_owner() || ' 0 owner/open');
    return true;
end
$$;

-- From here on its rows may be removed. Doing it again changes nothing.
create or replace function platform.begin_purge() returns void
    language plpgsql
    set search_path = ''
as $$
begin
    insert into platform.closed_owner as c (owner, purging_since) values (platform.current_owner(), clock_timestamp())
    on conflict (owner) do update set purging_since = coalesce(c.purging_since, excluded.purging_since);
end
$$;

-- Whose rows this transaction is removing; null in every transaction but a purge's.
create or replace function platform.purged_owner() returns uuid
    language sql stable
    set search_path = ''
as $$
    select c.owner from platform.closed_owner c
    where c.owner = nullif(current_setting('platen.purged', true), '')::uuid and c.purging_since is not null
$$;

-- Every table whose rows go with their owner, those that refer to others before these. A table with an owner is one of them unless its
-- comment says "kept after purge: " and why; so none can be forgotten.
create or replace function platform.purge_order() returns table (place integer, name text, refers_to_itself boolean)
    language plpgsql stable
    set search_path = ''
as $$
declare
    v_left oid[];
    v_next oid[];
    v_place integer := 0;
begin
    select array_agg(c.oid) into v_left
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = 'owner' and a.attnotnull and not a.attisdropped
        and a.atttypid = 'pg_catalog.uuid'::regtype
    where c.relkind in ('r', 'p') and not c.relispartition and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
        and coalesce(pg_catalog.obj_description(c.oid, 'pg_class'), '') !~ '^no owner: |kept after purge: .';
    while cardinality(v_left) > 0 loop
        select array_agg(t.oid order by t.oid::regclass::text) into v_next
        from unnest(v_left) as t (oid)
        where not exists (
            select from pg_catalog.pg_constraint f
            where f.contype = 'f' and f.confrelid = t.oid and f.conrelid <> t.oid and f.conrelid = any (v_left));
        if v_next is null then
            raise exception 'these tables refer to each other in a circle, so none can be emptied first: %', v_left::regclass[];
        end if;
        return query
            select v_place + t.place::integer, t.oid::regclass::text, exists (
                select from pg_catalog.pg_constraint f where f.contype = 'f' and f.confrelid = t.oid and f.conrelid = t.oid)
            from unnest(v_next) with ordinality as t (oid, place);
        v_place := v_place + cardinality(v_next);
        v_left := array(select t.oid from unnest(v_left) as t (oid) where t.oid <> all (v_next));
    end loop;
end
$$;

-- Removes up to some rows of an owner that is being purged, but for the job that does it; 0 when none is left. It runs as the owner of
-- the tables, whom the policy "purged" lets at rows of that owner and no other.
create or replace function platform.purge_owner(p_owner uuid, p_most integer, p_job uuid) returns integer
    language plpgsql
    security definer
    set search_path = ''
as $$
declare
    part record;
    v_gone integer;
    v_total integer := 0;
begin
    perform set_config('platen.purged', p_owner::text, true);
    if platform.purged_owner() is null then
        raise exception using errcode = 'PLT13', message = format('%s is not being purged', p_owner);
    end if;
    for part in select o.name, o.refers_to_itself from platform.purge_order() o order by o.place loop
        if part.refers_to_itself then
            -- Which row comes first is known by the statement's end only.
            execute format('delete from %s where owner = $1', part.name) using p_owner;
        else
            execute format(
                'delete from %s where ctid = any (array(select t.ctid from %s t where t.owner = $1 %s limit $2))',
                part.name, part.name, case part.name when 'platform.job' then 'and t.id <> $3' else '' end)
                using p_owner, p_most - v_total, p_job;
        end if;
        get diagnostics v_gone = row_count;
        v_total := v_total + v_gone;
        exit when v_total >= p_most;
    end loop;
    return v_total;
end
$$;

revoke all on function platform.close_owner(), platform.reopen_owner(), platform.begin_purge(), platform.purge_order(),
    platform.purge_owner(uuid, integer, uuid) from public;
grant execute on function platform.close_owner(), platform.reopen_owner(), platform.begin_purge() to platen_app;
grant execute on function platform.purge_owner(uuid, integer, uuid) to platen_worker;
