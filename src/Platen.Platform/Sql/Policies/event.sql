-- Facts are added and never changed: requests may only insert and read events. The worker removes old ones.
alter table platform.stream enable row level security;
alter table platform.stream force row level security;
drop policy if exists owner_only on platform.stream;
create policy owner_only on platform.stream to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
drop policy if exists every_owner on platform.stream;
create policy every_owner on platform.stream to platen_worker using (true) with check (true);

alter table platform.event enable row level security;
alter table platform.event force row level security;
drop policy if exists owner_only on platform.event;
create policy owner_only on platform.event to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
drop policy if exists every_owner on platform.event;
create policy every_owner on platform.event to platen_worker using (true) with check (true);

alter table platform.event_cursor enable row level security;
alter table platform.event_cursor force row level security;
drop policy if exists every_consumer on platform.event_cursor;
create policy every_consumer on platform.event_cursor to platen_worker using (true) with check (true);

grant select, insert on platform.stream to platen_app;
grant update (revision, xid) on platform.stream to platen_app;
grant select, insert on platform.event to platen_app;
grant select, insert on platform.stream, platform.event to platen_worker;
grant update (revision, xid, removed_through) on platform.stream to platen_worker;
grant delete on platform.event to platen_worker;
grant select, insert, update on platform.event_cursor to platen_worker;
grant execute on function platform.append_event(text, text, jsonb) to platen_app, platen_worker;
revoke execute on function platform.remove_old_events(interval, integer) from public;
grant execute on function platform.remove_old_events(interval, integer) to platen_worker;
