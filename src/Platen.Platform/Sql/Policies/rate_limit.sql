alter table platform.rate_limit enable row level security;
alter table platform.rate_limit force row level security;
drop policy if exists rate_limit_of_everybody on platform.rate_limit;
create policy rate_limit_of_everybody on platform.rate_limit to platen_app using (true) with check (true);
grant select, insert, update, delete on platform.rate_limit to platen_app;
