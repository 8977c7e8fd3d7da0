alter table access.machine_key enable row level security;
alter table access.machine_key force row level security;

drop policy if exists machine_key_of_owner on access.machine_key;
create policy machine_key_of_owner on access.machine_key to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
grant select, insert on access.machine_key to platen_app;
grant update (revoked_at) on access.machine_key to platen_app;

drop policy if exists machine_key_for_lookup on access.machine_key;
create policy machine_key_for_lookup on access.machine_key for select to platen_view using (true);
grant select on access.machine_key to platen_view;
