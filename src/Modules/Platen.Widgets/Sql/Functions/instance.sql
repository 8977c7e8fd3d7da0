-- Keeps what was just saved. The current version is in it too, so that history needs no other table.
create or replace function widgets.keep_version() returns trigger
    language plpgsql
    set search_path = ''
as $$
begin
    insert into widgets.instance_version (
        owner, public_id, revision, widget_type, status, base_locale, config, config_digest, allowed_origins,
        saved_at, saved_by, saved_by_name
    ) values (
        platform.current_owner(), new.public_id, new.revision, new.widget_type, new.status, new.base_locale, new.config,
        new.config_digest, new.allowed_origins, new.updated_at, new.updated_by, new.updated_by_name
    );
    return null;
end
$$;

comment on function widgets.keep_version() is 'Adds the saved version to the instance''s history';

-- Whose a user instance is; the nil UUID: nobody's, which takes as long to send. Asked before the scope is known; what may be told of it is
-- decided by whoever asks.
create or replace function widgets.find_instance_owner(p_public_id text) returns uuid
    language sql stable security definer
    set search_path = ''
as $$
    select coalesce(
        (select i.owner from widgets.user_instance_id i where i.public_id = p_public_id),
        '00000000-0000-0000-0000-000000000000')
$$;

alter function widgets.find_instance_owner(text) owner to platen_view;
revoke all on function widgets.find_instance_owner(text) from public;
grant execute on function widgets.find_instance_owner(text) to platen_app;
