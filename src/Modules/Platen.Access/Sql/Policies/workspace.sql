-- What is a workspace's is seen in its scope only. Finding one's way into a scope goes through functions that belong to
-- platen_view: find_workspace, list_workspaces, find_invitation, find_key.
do $$
declare
    part text;
begin
    foreach part in array array['workspace', 'held_slug', 'member', 'invitation', 'entitlement', 'usage', 'used_token'] loop
        execute format('alter table access.%I enable row level security', part);
        execute format('alter table access.%I force row level security', part);
        execute format('drop policy if exists of_owner on access.%I', part);
        execute format(
            'create policy of_owner on access.%I to platen_app
                using (owner = platform.current_owner()) with check (owner = platform.current_owner())',
            part);
    end loop;
    foreach part in array array['workspace', 'held_slug', 'member', 'invitation'] loop
        execute format('drop policy if exists for_lookup on access.%I', part);
        execute format('create policy for_lookup on access.%I for select to platen_view using (true)', part);
        execute format('grant select on access.%I to platen_view', part);
    end loop;
end
$$;

grant select, insert, delete on access.workspace, access.member, access.invitation, access.held_slug, access.entitlement,
    access.usage, access.used_token to platen_app;
grant update (slug, name, plan, status, revision, updated_at, deleted_at, purge_at) on access.workspace to platen_app;
grant update (until) on access.held_slug to platen_app;
grant update (role, revision) on access.member to platen_app;
grant update (email, role, token_hash, expires_at, sent_at, times_sent, accepted_at, accepted_by, revoked_at) on access.invitation to platen_app;
grant update (allowed) on access.entitlement to platen_app;
grant update (used) on access.usage to platen_app;

-- Bytes that a garbage collection removes are counted down by a function of the table's owner.
drop policy if exists storage on access.usage;
create policy storage on access.usage to platen_owner using (name = 'storage-bytes') with check (name = 'storage-bytes');

-- The worker sweeps what has expired.
drop policy if exists expired on access.used_token;
create policy expired on access.used_token to platen_worker using (true);
comment on policy expired on access.used_token is 'every owner: sweeping looks at the time alone';
grant select, delete on access.used_token to platen_worker;

alter table access.plan enable row level security;
alter table access.plan force row level security;
drop policy if exists everybody_reads on access.plan;
create policy everybody_reads on access.plan for select to platen_app using (true);
alter table access.plan_entitlement enable row level security;
alter table access.plan_entitlement force row level security;
drop policy if exists everybody_reads on access.plan_entitlement;
create policy everybody_reads on access.plan_entitlement for select to platen_app using (true);
grant select on access.plan, access.plan_entitlement to platen_app;

-- Only the server itself signs: a session that acts as a person or a key sees no secret, whatever its SQL says.
alter table access.signing_key enable row level security;
alter table access.signing_key force row level security;
drop policy if exists by_server on access.signing_key;
create policy by_server on access.signing_key to platen_app
    using (platform.current_actor() = '00000000-0000-0000-0000-000000000002')
    with check (platform.current_actor() = '00000000-0000-0000-0000-000000000002');
grant select, insert, delete on access.signing_key to platen_app;
grant update (verifies_until) on access.signing_key to platen_app;

-- Members see who their fellows are; sign-in's own policies stand in person.sql.
drop policy if exists by_fellow on access.person;
create policy by_fellow on access.person for select to platen_app
    using (exists (select from access.member m where m.owner = platform.current_owner() and m.person_id = person.id));
