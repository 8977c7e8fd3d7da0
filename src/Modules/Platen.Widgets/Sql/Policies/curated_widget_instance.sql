grant usage on schema widgets to platen_app, platen_view;

-- Everybody may read curated instances; the database itself asks for a publisher credential, and for a stage that takes curated
-- content this way, before it writes one.
alter table widgets.curated_widget_instances enable row level security;
alter table widgets.curated_widget_instances force row level security;
drop policy if exists curated_is_readable on widgets.curated_widget_instances;
create policy curated_is_readable on widgets.curated_widget_instances for select to platen_app using (true);
drop policy if exists curated_is_created_by_publisher on widgets.curated_widget_instances;
create policy curated_is_created_by_publisher on widgets.curated_widget_instances for insert to platen_app
    with check (widgets.takes_curated());
drop policy if exists curated_is_changed_by_publisher on widgets.curated_widget_instances;
create policy curated_is_changed_by_publisher on widgets.curated_widget_instances for update to platen_app
    using (widgets.takes_curated()) with check (widgets.takes_curated());
grant select, insert on widgets.curated_widget_instances to platen_app;
grant update (widget_type, status, base_locale, config, config_digest, allowed_origins, revision, published_revision, updated_at,
    updated_by, updated_by_name) on widgets.curated_widget_instances to platen_app;

create or replace trigger keep_version after insert or update of revision on widgets.curated_widget_instances
    for each row execute function widgets.keep_version();

alter table widgets.widget_instance_locales enable row level security;
alter table widgets.widget_instance_locales force row level security;
drop policy if exists locale_is_readable on widgets.widget_instance_locales;
create policy locale_is_readable on widgets.widget_instance_locales for select to platen_app
    using (scope = 'curated' or owner = platform.current_owner());
drop policy if exists locale_is_written_by_its_scope on widgets.widget_instance_locales;
create policy locale_is_written_by_its_scope on widgets.widget_instance_locales to platen_app
    using (
        (scope = 'curated' and platform.is_publisher() and widgets.takes_curated())
        or (scope = 'user' and owner = platform.current_owner())
    )
    with check (
        (scope = 'curated' and platform.is_publisher() and widgets.takes_curated())
        or (scope = 'user' and owner = platform.current_owner())
    );
grant select, insert, delete on widgets.widget_instance_locales to platen_app;
grant update (ops, base_digest, revision, updated_at, updated_by, updated_by_name)
    on widgets.widget_instance_locales to platen_app;
