do $$
declare
    part text;
begin
    foreach part in array array['webhook', 'webhook_secret', 'webhook_delivery'] loop
        execute format('alter table platform.%I enable row level security', part);
        execute format('alter table platform.%I force row level security', part);
        execute format('drop policy if exists of_owner on platform.%I', part);
        execute format(
            'create policy of_owner on platform.%I to platen_app
                using (owner = platform.current_owner()) with check (owner = platform.current_owner())',
            part);
    end loop;
end
$$;

grant select, insert, delete on platform.webhook, platform.webhook_delivery to platen_app;
grant update (url, description, types, status, disabled_reason, failing_since, revision, updated_at) on platform.webhook to platen_app;
grant update (status, attempts, tries, response_code, error, duration_ms, last_attempt_at, next_attempt_at, finished_at)
    on platform.webhook_delivery to platen_app;

-- Who serves requests writes secrets, and sees all of them but the secret itself.
grant select (owner, webhook_id, id, made_at, ends_at), insert, delete on platform.webhook_secret to platen_app;
grant update (ends_at) on platform.webhook_secret to platen_app;

-- The worker signs, and removes what is old.
drop policy if exists to_sign on platform.webhook_secret;
create policy to_sign on platform.webhook_secret for select to platen_worker using (true);
comment on policy to_sign on platform.webhook_secret is 'every owner: the worker signs the messages of all';
grant select on platform.webhook_secret to platen_worker;
drop policy if exists old_ones on platform.webhook_delivery;
create policy old_ones on platform.webhook_delivery to platen_worker using (finished_at is not null);
comment on policy old_ones on platform.webhook_delivery is 'every owner: sweeping looks at the time alone';
grant select (owner, id, finished_at), delete on platform.webhook_delivery to platen_worker;
