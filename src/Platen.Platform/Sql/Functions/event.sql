-- Appends to a stream of the session's owner and returns the revision. The lock on the stream's row is held until the
-- transaction ends: append to several streams in the order of their ids, or risk a deadlock (which PostgreSQL ends).
create or replace function platform.append_event(stream_id text, type text, data jsonb) returns bigint
    language plpgsql volatile
as $$
declare
    head platform.stream;
begin
    insert into platform.stream as s (owner, stream_id, revision, xid)
    values (platform.current_owner(), append_event.stream_id, 1, pg_current_xact_id())
    on conflict on constraint stream_pkey do update
        set revision = s.revision + 1, xid = greatest(s.xid, excluded.xid)
    returning * into head;
    insert into platform.event (owner, stream_id, revision, type, data, xid, actor)
    values (head.owner, head.stream_id, head.revision, append_event.type, append_event.data, head.xid,
            platform.current_actor());
    perform pg_notify('platen_event', format('%s %s %s', head.owner, head.revision, head.stream_id));
    return head.revision;
end
$$;

comment on function platform.append_event(text, text, jsonb) is
    'Appends an event in the transaction of its fact and returns its revision';

-- Removes events older than the given age that every consumer has passed; the newest of a stream always stays.
-- Returns how many went: fewer than the limit means there is nothing left to remove.
create or replace function platform.remove_old_events(older_than interval, most integer) returns integer
    language plpgsql volatile
as $$
declare
    removed integer;
begin
    if not pg_try_advisory_xact_lock(hashtextextended('platform.remove_old_events', 0)) then
        return 0;
    end if;
    with old as (
        select e.owner, e.stream_id, e.revision
          from platform.event e
          join platform.stream s on s.owner = e.owner and s.stream_id = e.stream_id
         where e.at < clock_timestamp() - older_than
           and e.revision < s.revision
           -- Only a prefix: removing from the middle would be a gap.
           and not exists (select from platform.event f
                            where f.owner = e.owner and f.stream_id = e.stream_id and f.revision < e.revision
                              and f.at >= clock_timestamp() - older_than)
           and e.xid < pg_snapshot_xmin(pg_current_snapshot())
           and not exists (select from platform.event_cursor c
                            where (c.xid, c.owner, c.stream_id, c.revision)
                                < (e.xid, e.owner, e.stream_id, e.revision))
         order by e.xid, e.owner, e.stream_id, e.revision
         limit most
    ), gone as (
        delete from platform.event e using old
         where e.owner = old.owner and e.stream_id = old.stream_id and e.revision = old.revision
        returning e.owner, e.stream_id, e.revision
    ), marked as (
        update platform.stream s set removed_through = greatest(s.removed_through, g.revision)
          from (select owner, stream_id, max(revision) as revision from gone group by owner, stream_id) g
         where s.owner = g.owner and s.stream_id = g.stream_id
    )
    select count(*) into removed from gone;
    return removed;
end
$$;

comment on function platform.remove_old_events(interval, integer) is
    'Removes events past their retention that every consumer has passed';
