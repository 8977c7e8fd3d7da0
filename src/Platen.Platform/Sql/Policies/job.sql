alter table platform.job enable row level security;
alter table platform.job force row level security;
drop policy if exists owner_only on platform.job;
create policy owner_only on platform.job to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
drop policy if exists every_owner on platform.job;
create policy every_owner on platform.job to platen_worker using (true) with check (true);

grant select, insert on platform.job to platen_app;
-- What a retry and a handler's own completion write.
grant update (state, run_at, lease_until, finished_at, worker, attempts_forgiven, progress, progress_text)
    on platform.job to platen_app;
grant select, insert, update, delete on platform.job to platen_worker;
revoke execute on function platform.take_jobs(text[], integer[], interval, text),
    platform.remove_old_jobs(interval, interval, integer) from public;
grant execute on function platform.take_jobs(text[], integer[], interval, text),
    platform.remove_old_jobs(interval, interval, integer) to platen_worker;
