-- Releases and blobs are written once and read; channels are moved by platform.move_channel, which runs as the caller.
alter table platform.blob enable row level security;
alter table platform.blob force row level security;
alter table platform.release enable row level security;
alter table platform.release force row level security;
alter table platform.release_blob enable row level security;
alter table platform.release_blob force row level security;
alter table platform.channel enable row level security;
alter table platform.channel force row level security;
alter table platform.channel_move enable row level security;
alter table platform.channel_move force row level security;

drop policy if exists blob_of_owner on platform.blob;
create policy blob_of_owner on platform.blob to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
drop policy if exists release_of_owner on platform.release;
create policy release_of_owner on platform.release to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
drop policy if exists release_blob_of_owner on platform.release_blob;
create policy release_blob_of_owner on platform.release_blob to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
drop policy if exists channel_of_owner on platform.channel;
create policy channel_of_owner on platform.channel to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
drop policy if exists channel_move_of_owner on platform.channel_move;
create policy channel_move_of_owner on platform.channel_move to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());

grant select, insert on platform.blob, platform.release, platform.release_blob, platform.channel_move to platen_app;
grant select, insert, update on platform.channel to platen_app;

-- The public views belong to platen_view, which may read what is published and nothing else may use.
drop policy if exists channel_for_views on platform.channel;
create policy channel_for_views on platform.channel for select to platen_view using (name = 'live');
drop policy if exists release_for_views on platform.release;
create policy release_for_views on platform.release for select to platen_view using (true);
drop policy if exists release_blob_for_views on platform.release_blob;
create policy release_blob_for_views on platform.release_blob for select to platen_view using (true);
drop policy if exists channel_move_for_views on platform.channel_move;
create policy channel_move_for_views on platform.channel_move for select to platen_view using (name = 'live');
grant select on platform.channel, platform.release, platform.release_blob, platform.channel_move to platen_view;

create or replace view platform.edge_channel with (security_barrier) as
select c.owner, c.subject, c.name, c.revision, c.release_digest, r.manifest, c.moved_at
from platform.channel c
left join platform.release r
    on r.owner = c.owner and r.subject = c.subject and r.digest = c.release_digest
where c.name = 'live' and not exists (select from platform.closed_owner o where o.owner = c.owner);
alter view platform.edge_channel owner to platen_view;
grant select on platform.edge_channel to platen_edge;

-- Which blob a path of a subject named, in any release that was live: an address once given out keeps resolving, until the subject is unpublished.
create or replace view platform.edge_artifact with (security_barrier) as
select distinct b.owner, b.subject, b.path, b.blob_digest
from platform.release_blob b
join platform.channel c on c.owner = b.owner and c.subject = b.subject and c.name = 'live'
where c.release_digest is not null and not exists (select from platform.closed_owner o where o.owner = c.owner)
    and exists (
        select from platform.channel_move m
        where m.owner = b.owner and m.subject = b.subject and m.name = 'live' and m.to_digest = b.release_digest
    );
alter view platform.edge_artifact owner to platen_view;
grant select on platform.edge_artifact to platen_edge;
