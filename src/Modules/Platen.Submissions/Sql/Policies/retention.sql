alter table submissions.retention enable row level security;
alter table submissions.retention force row level security;
drop policy if exists of_owner on submissions.retention;
create policy of_owner on submissions.retention to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
grant select, insert, delete on submissions.retention to platen_app;
grant update (days, instances, revision, updated_at, updated_by_name) on submissions.retention to platen_app;
