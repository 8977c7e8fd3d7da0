alter table templates.retention enable row level security;
alter table templates.retention force row level security;
drop policy if exists of_owner on templates.retention;
create policy of_owner on templates.retention to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
grant select, insert, delete on templates.retention to platen_app;
grant update (drafts_older_than_days, unused_older_than_days, after_sunset, revision, updated_at, updated_by_name)
    on templates.retention to platen_app;
