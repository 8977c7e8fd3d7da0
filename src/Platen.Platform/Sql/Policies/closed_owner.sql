alter table platform.closed_owner enable row level security;
alter table platform.closed_owner force row level security;
drop policy if exists of_owner on platform.closed_owner;
create policy of_owner on platform.closed_owner to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
grant select, insert, delete on platform.closed_owner to platen_app;
grant update (purging_since, purged_at) on platform.closed_owner to platen_app;

-- The public views leave closed owners out, and nodes remember which they are.
drop policy if exists for_views on platform.closed_owner;
create policy for_views on platform.closed_owner for select to platen_view using (true);
grant select on platform.closed_owner to platen_view;
create or replace view platform.edge_closed_owner with (security_barrier) as
    select c.owner from platform.closed_owner c
    -- No credential lasts so long that anybody could still ask for one that was purged before.
    where c.purged_at is null or c.purged_at > now() - interval '7 days';
alter view platform.edge_closed_owner owner to platen_view;
grant select on platform.edge_closed_owner to platen_edge;

-- A purge runs as the owner of the tables and asks here whose rows it may remove.
drop policy if exists for_purge on platform.closed_owner;
create policy for_purge on platform.closed_owner for select to platen_owner using (true);
