alter table submissions.erasure enable row level security;
alter table submissions.erasure force row level security;
drop policy if exists of_owner on submissions.erasure;
create policy of_owner on submissions.erasure to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
grant select, insert, delete on submissions.erasure to platen_app;
grant update (person, looked_to, looked_at, erased, job, finished_at) on submissions.erasure to platen_app;
