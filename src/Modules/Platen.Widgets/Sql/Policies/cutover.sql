do $$
declare
    part text;
begin
    foreach part in array array['curated_origin', 'cutover', 'preview_link'] loop
        execute format('alter table widgets.%I enable row level security', part);
        execute format('alter table widgets.%I force row level security', part);
        execute format('drop policy if exists of_owner on widgets.%I', part);
        execute format(
            'create policy of_owner on widgets.%I to platen_app
                using (owner = platform.current_owner()) with check (owner = platform.current_owner())',
            part);
    end loop;
end
$$;
grant select, insert on widgets.curated_origin, widgets.cutover to platen_app;
grant update (stage, version, snapshot_digest, release_digest, taken_in_at, taken_in_by_name) on widgets.curated_origin
    to platen_app;
grant update (state, result, problem, finished_at) on widgets.cutover to platen_app;
grant select, insert, delete on widgets.preview_link to platen_app;
drop policy if exists for_lookup on widgets.preview_link;
create policy for_lookup on widgets.preview_link for select to platen_view using (true);
grant select on widgets.preview_link to platen_view;
