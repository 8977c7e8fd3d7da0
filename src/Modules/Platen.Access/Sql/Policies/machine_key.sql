alter table access.machine_key enable row level security;
alter table access.machine_key force row level security;

drop policy if exists machine_key_of_owner on access.machine_key;
create policy machine_key_of_owner on access.machine_key to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
grant select, insert, delete on access.machine_key to platen_app;
grant update (revoked_at, revoked_by_name, expires_at) on access.machine_key to platen_app;

drop policy if exists machine_key_for_lookup on access.machine_key;
create policy machine_key_for_lookup on access.machine_key for select to platen_view using (true);
grant select on access.machine_key to platen_view;

-- When keys were last used is written for all of them at once, every half minute.
drop policy if exists machine_key_last_use on access.machine_key;
create policy machine_key_last_use on access.machine_key to platen_worker using (true) with check (true);
comment on policy machine_key_last_use on access.machine_key is 'every owner: one statement notes the last use of many keys';
grant select (owner, id, last_used_at), update (last_used_at) on access.machine_key to platen_worker;
