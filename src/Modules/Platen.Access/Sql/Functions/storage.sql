-- Bytes are counted where every part of the server records them, so that no way of storing some goes uncounted. What a transaction adds is
-- summed up while it runs and counted as it commits: the counter is the last row that is locked, and held for no longer than that.
create or replace function access.note_storage() returns trigger
    language plpgsql
    set search_path = ''
as $$
declare
    v_bytes bigint;
begin
    select coalesce(sum(a.size_bytes), 0) into v_bytes from added a;
    if v_bytes > 0 then
        perform set_config('platen.stored',
            (coalesce(nullif(current_setting('platen.stored', true), ''), '0')::bigint + v_bytes)::text, true);
    end if;
    return null;
end
$$;

create or replace function access.use_storage() returns trigger
    language plpgsql
    set search_path = ''
as $$
declare
    v_bytes constant bigint := coalesce(nullif(current_setting('platen.stored', true), ''), '0')::bigint;
    v_allowed bigint;
    v_used bigint;
begin
    -- The first blob of a transaction counts for all of them.
    if v_bytes = 0 then
        return null;
    end if;
    perform set_config('platen.stored', '0', true);
    insert into access.usage as u (owner, name, used) values (new.owner, 'storage-bytes', v_bytes)
    on conflict (owner, name) do update set used = u.used + excluded.used
    returning u.used into v_used;
    v_allowed := access.allowed('storage-bytes');
    if v_used > v_allowed then
        raise exception using errcode = 'PLT20',
            message = format('%s bytes more are too many: %s are used, and the limit is %s', v_bytes, v_used - v_bytes, v_allowed),
            hint = format('storage-bytes %s %s', v_used - v_bytes, v_allowed);
    end if;
    return null;
end
$$;

-- Whoever collects garbage sees no counters: this runs as the owner of the table.
create or replace function access.free_storage() returns trigger
    language plpgsql
    security definer
    set search_path = ''
as $$
begin
    update access.usage u set used = greatest(0, u.used - g.bytes)
    from (select r.owner, sum(r.size_bytes) as bytes from removed r group by r.owner order by r.owner) g
    where u.owner = g.owner and u.name = 'storage-bytes';
    return null;
end
$$;
revoke all on function access.free_storage() from public;

drop trigger if exists note_storage on platform.blob;
create trigger note_storage after insert on platform.blob
    referencing new table as added for each statement execute function access.note_storage();
drop trigger if exists use_storage on platform.blob;
create constraint trigger use_storage after insert on platform.blob
    deferrable initially deferred for each row execute function access.use_storage();
drop trigger if exists free_storage on platform.blob;
create trigger free_storage after delete on platform.blob
    referencing old table as removed for each statement execute function access.free_storage();
