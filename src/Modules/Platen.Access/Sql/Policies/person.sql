-- Two may act on these rows: the server itself while it signs somebody in (its own actor id), and a person on their own. A
-- request for a workspace acts as a person or a key and so sees no other person's secrets, whatever its SQL says.
do $$
declare
    part record;
begin
    for part in
        select * from (values
            ('person', 'id'), ('person_secret', 'person_id'), ('passkey', 'person_id'),
            ('outside_identity', 'person_id'), ('person_session', 'person_id'), ('mailed_link', null),
            ('setup_link', null), ('sign_in_failure', null), ('passkey_ceremony', null), ('protection_key', null)
        ) as parts (name, person)
    loop
        execute format('alter table access.%I enable row level security', part.name);
        execute format('alter table access.%I force row level security', part.name);
        execute format('drop policy if exists by_server on access.%I', part.name);
        execute format(
            'create policy by_server on access.%I to platen_app
                using (platform.current_actor() = ''00000000-0000-0000-0000-000000000002'')
                with check (platform.current_actor() = ''00000000-0000-0000-0000-000000000002'')',
            part.name);
        execute format('drop policy if exists by_oneself on access.%I', part.name);
        if part.person is not null then
            execute format(
                'create policy by_oneself on access.%I to platen_app
                    using (%I = platform.current_actor()) with check (%I = platform.current_actor())',
                part.name, part.person, part.person);
        end if;
    end loop;
end
$$;

-- A key that somebody lent is looked up together with whether they are still there: access.find_key.
drop policy if exists for_lookup on access.person;
create policy for_lookup on access.person for select to platen_view using (true);
grant select (id, disabled_at, deleted_at) on access.person to platen_view;

grant select, insert on access.person, access.person_secret, access.passkey, access.outside_identity,
    access.person_session, access.mailed_link, access.setup_link, access.sign_in_failure, access.passkey_ceremony,
    access.protection_key to platen_app;
grant update (display_name, email, normalized_email, email_confirmed_at, disabled_at, deleted_at) on access.person to platen_app;
grant update (password_hash, password_changed_at, security_stamp) on access.person_secret to platen_app;
grant update (name, sign_count, is_user_verified, is_backed_up, last_used_at) on access.passkey to platen_app;
grant delete on access.person_secret, access.passkey, access.outside_identity, access.sign_in_failure, access.passkey_ceremony,
    access.mailed_link, access.person_session to platen_app;
grant update (last_seen_at, ended_at) on access.person_session to platen_app;
grant update (used_at) on access.mailed_link to platen_app;
grant update (token_hash, created_at, used_at, person_id) on access.setup_link to platen_app;
grant update (failures, last_at, locked_until) on access.sign_in_failure to platen_app;
-- Locking a row asks for the right to update one of its columns.
grant update (expires_at) on access.passkey_ceremony to platen_app;
