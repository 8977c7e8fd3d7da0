grant usage on schema submissions to platen_app;

-- What was sent is read and removed, never changed.
alter table submissions.submission enable row level security;
alter table submissions.submission force row level security;
drop policy if exists of_owner on submissions.submission;
create policy of_owner on submissions.submission to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
grant select, insert, delete on submissions.submission to platen_app;
