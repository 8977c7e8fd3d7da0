-- The stage is read by all and bound by the server itself, at start.
alter table widgets.stage enable row level security;
alter table widgets.stage force row level security;
drop policy if exists everybody_reads on widgets.stage;
create policy everybody_reads on widgets.stage for select to platen_app using (true);
drop policy if exists server_binds on widgets.stage;
create policy server_binds on widgets.stage for update to platen_app
    using (platform.current_actor() = '00000000-0000-0000-0000-000000000002')
    with check (platform.current_actor() = '00000000-0000-0000-0000-000000000002');
grant select on widgets.stage to platen_app;
grant update (profile, bound_at) on widgets.stage to platen_app;

alter table widgets.user_instance_id enable row level security;
alter table widgets.user_instance_id force row level security;
drop policy if exists of_owner on widgets.user_instance_id;
create policy of_owner on widgets.user_instance_id to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
drop policy if exists for_lookup on widgets.user_instance_id;
create policy for_lookup on widgets.user_instance_id for select to platen_view using (true);
grant select, insert on widgets.user_instance_id to platen_app;
grant select on widgets.user_instance_id to platen_view;

alter table widgets.widget_instances enable row level security;
alter table widgets.widget_instances force row level security;
drop policy if exists of_owner on widgets.widget_instances;
create policy of_owner on widgets.widget_instances to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
grant select, insert, delete on widgets.widget_instances to platen_app;
grant update (widget_type, status, base_locale, config, config_digest, allowed_origins, access, revision, published_revision, updated_at,
    updated_by, updated_by_name, deleted_at, purge_at) on widgets.widget_instances to platen_app;

create or replace trigger keep_version after insert or update of revision on widgets.widget_instances
    for each row execute function widgets.keep_version();

-- History is added to and read. Only that of a user instance goes, with the instance; the platform's stays.
alter table widgets.instance_version enable row level security;
alter table widgets.instance_version force row level security;
drop policy if exists of_owner on widgets.instance_version;
create policy of_owner on widgets.instance_version to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
grant select, insert, delete on widgets.instance_version to platen_app;
