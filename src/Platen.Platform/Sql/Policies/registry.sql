alter table platform.release_child enable row level security;
alter table platform.release_child force row level security;
drop policy if exists release_child_of_owner on platform.release_child;
create policy release_child_of_owner on platform.release_child to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
grant select, insert on platform.release_child to platen_app;

alter table platform.repository_blob enable row level security;
alter table platform.repository_blob force row level security;
drop policy if exists repository_blob_of_owner on platform.repository_blob;
create policy repository_blob_of_owner on platform.repository_blob to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
grant select, insert, delete on platform.repository_blob to platen_app;
grant update (pushed_at) on platform.repository_blob to platen_app;

alter table platform.repository_upload enable row level security;
alter table platform.repository_upload force row level security;
drop policy if exists repository_upload_of_owner on platform.repository_upload;
create policy repository_upload_of_owner on platform.repository_upload to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
drop policy if exists every_owner on platform.repository_upload;
create policy every_owner on platform.repository_upload to platen_worker using (true) with check (true);
grant select, insert, delete, update (held_bytes) on platform.repository_upload to platen_app;
grant select, delete on platform.repository_upload to platen_worker;

-- A manifest is withdrawn and brought back; nothing else of it ever changes.
grant update (withdrawn_at, pushed_at) on platform.release to platen_app;

revoke all on function platform.repository_blobs(text, text[]) from public;
grant execute on function platform.repository_blobs(text, text[]) to platen_app;
revoke all on function platform.remove_old_uploads(interval) from public;
grant execute on function platform.remove_old_uploads(interval) to platen_worker;
