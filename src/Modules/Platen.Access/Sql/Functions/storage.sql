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

-- Holds room for what an upload brings, before it comes: from p_least bytes up to p_most, as far as there is room; held is null when
-- there is too little. An upload never loses what it holds, and no more is held for one that is gone. The upload's row is locked before the
-- counter's, as by the commit that records the blob and forgets the upload.
create or replace function access.hold_storage(p_upload uuid, p_least bigint, p_most bigint)
returns table (held bigint, used bigint, allowed bigint)
language plpgsql
set search_path = ''
as $$
#variable_conflict use_column
declare
    v_owner constant uuid := platform.current_owner();
    v_allowed constant bigint := access.allowed('storage-bytes');
    v_held bigint;
    v_used bigint;
begin
    select u.held_bytes into v_held from platform.repository_upload u
        where u.owner = v_owner and u.id = p_upload for update;
    if v_held is null or v_held >= p_most then
        return query select greatest(v_held, p_most), 0::bigint, v_allowed;
        return;
    end if;
    if v_allowed is null then
        update platform.repository_upload u set held_bytes = greatest(p_least, v_held) where u.owner = v_owner and u.id = p_upload;
        return query select 9223372036854775807, 0::bigint, v_allowed;
        return;
    end if;
    insert into access.usage as u (owner, name) values (v_owner, 'storage-bytes') on conflict do nothing;
    perform from access.usage u where u.owner = v_owner and u.name = 'storage-bytes' for update;
    v_used := access.used('storage-bytes');
    if v_used - v_held + p_least > v_allowed then
        return query select null::bigint, v_used, v_allowed;
        return;
    end if;
    v_held := greatest(v_held, least(p_most, v_allowed - v_used + v_held));
    update platform.repository_upload u set held_bytes = v_held where u.owner = v_owner and u.id = p_upload;
    return query select v_held, v_used, v_allowed;
end
$$;
revoke all on function access.hold_storage(uuid, bigint, bigint) from public;
grant execute on function access.hold_storage(uuid, bigint, bigint) to platen_app;

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
