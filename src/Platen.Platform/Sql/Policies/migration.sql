-- Only migrations, which run as the schema's owner, write or read the books; forced row-level security holds the owner
-- to its policy as well.
alter table platform.migration enable row level security;
alter table platform.migration force row level security;
drop policy if exists bookkeeper on platform.migration;
create policy bookkeeper on platform.migration to platen_owner using (true) with check (true);

alter table platform.applied_script enable row level security;
alter table platform.applied_script force row level security;
drop policy if exists bookkeeper on platform.applied_script;
create policy bookkeeper on platform.applied_script to platen_owner using (true) with check (true);
