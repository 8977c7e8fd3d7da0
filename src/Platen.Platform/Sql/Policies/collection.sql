alter table platform.collection enable row level security;
alter table platform.collection force row level security;
-- The operator asks and reads; the worker answers.
drop policy if exists collection_of_platform on platform.collection;
create policy collection_of_platform on platform.collection to platen_app
    using (platform.current_owner() = '00000000-0000-0000-0000-000000000001')
    with check (platform.current_owner() = '00000000-0000-0000-0000-000000000001');
drop policy if exists every_owner on platform.collection;
create policy every_owner on platform.collection to platen_worker using (true) with check (true);
grant select, insert on platform.collection to platen_app;
grant select, update (finished_at, report) on platform.collection to platen_worker;

-- The collector sees what every owner keeps, and removes what nothing refers to.
drop policy if exists every_owner on platform.blob;
create policy every_owner on platform.blob to platen_worker using (true) with check (true);
drop policy if exists every_owner on platform.release;
create policy every_owner on platform.release to platen_worker using (true) with check (true);
drop policy if exists every_owner on platform.release_blob;
create policy every_owner on platform.release_blob to platen_worker using (true) with check (true);
drop policy if exists every_owner on platform.release_child;
create policy every_owner on platform.release_child to platen_worker using (true) with check (true);
drop policy if exists every_owner on platform.repository_blob;
create policy every_owner on platform.repository_blob to platen_worker using (true) with check (true);
drop policy if exists every_owner on platform.channel;
create policy every_owner on platform.channel for select to platen_worker using (true);
drop policy if exists every_owner on platform.channel_move;
create policy every_owner on platform.channel_move for select to platen_worker using (true);

grant select on platform.blob, platform.release, platform.release_blob, platform.release_child, platform.repository_blob,
    platform.channel, platform.channel_move to platen_worker;
grant delete on platform.blob, platform.release_blob, platform.release_child, platform.repository_blob to platen_worker;
-- To lock a row takes the right to update some column of it.
grant update (created_at) on platform.blob to platen_worker, platen_app;
grant update (withdrawn_at) on platform.release to platen_worker;

revoke execute on function platform.is_collectable(uuid, text, text, interval, integer, interval),
    platform.collect_releases(interval, integer, interval, uuid, text, text, integer),
    platform.collect_blobs(interval, uuid, text, integer),
    platform.preview_releases(interval, integer, interval, uuid, text, text, integer),
    platform.preview_blobs(interval, integer, interval, uuid, text, integer),
    platform.unknown_digests(uuid, text[]),
    platform.preview_unknown_digests(uuid, text[], interval, integer, interval) from public;
grant execute on function platform.is_collectable(uuid, text, text, interval, integer, interval),
    platform.collect_releases(interval, integer, interval, uuid, text, text, integer),
    platform.collect_blobs(interval, uuid, text, integer),
    platform.preview_releases(interval, integer, interval, uuid, text, text, integer),
    platform.preview_blobs(interval, integer, interval, uuid, text, integer),
    platform.unknown_digests(uuid, text[]),
    platform.preview_unknown_digests(uuid, text[], interval, integer, interval) to platen_worker;
