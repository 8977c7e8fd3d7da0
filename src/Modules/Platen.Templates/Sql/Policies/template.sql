grant usage on schema templates to platen_app;

alter table templates.template enable row level security;
alter table templates.template force row level security;
drop policy if exists of_owner on templates.template;
create policy of_owner on templates.template to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
grant select, insert on templates.template to platen_app;
grant update (description, enabled, revision, versions, updated_at, updated_by_name) on templates.template to platen_app;

alter table templates.template_version enable row level security;
alter table templates.template_version force row level security;
drop policy if exists of_owner on templates.template_version;
create policy of_owner on templates.template_version to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
grant select, insert, delete on templates.template_version to platen_app;
grant update (release_digest, status, changelog, deprecated_at, deprecation_reason, successor, sunset_at, revision, updated_at)
    on templates.template_version to platen_app;

alter table templates.removed_version enable row level security;
alter table templates.removed_version force row level security;
drop policy if exists of_owner on templates.removed_version;
create policy of_owner on templates.removed_version to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
grant select, insert on templates.removed_version to platen_app;
grant update (removed_by, removed_by_name, removed_at) on templates.removed_version to platen_app;

-- Files change only by replacing those of a draft.
alter table templates.artifact enable row level security;
alter table templates.artifact force row level security;
drop policy if exists of_owner on templates.artifact;
create policy of_owner on templates.artifact to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
grant select, insert, delete on templates.artifact to platen_app;

alter table templates.prompt enable row level security;
alter table templates.prompt force row level security;
drop policy if exists of_owner on templates.prompt;
create policy of_owner on templates.prompt to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
grant select, insert on templates.prompt to platen_app;

alter table templates.pin enable row level security;
alter table templates.pin force row level security;
drop policy if exists of_owner on templates.pin;
create policy of_owner on templates.pin to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
grant select, insert, delete on templates.pin to platen_app;
grant update (semver, reason, revision, set_by, set_by_name, set_at) on templates.pin to platen_app;

alter table templates.ended_pin enable row level security;
alter table templates.ended_pin force row level security;
drop policy if exists of_owner on templates.ended_pin;
create policy of_owner on templates.ended_pin to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
grant select, insert, delete on templates.ended_pin to platen_app;
grant update (ended_at) on templates.ended_pin to platen_app;

-- templates.is_pinned and templates.pin_ended_at tell the platform that somebody has pinned a version of it, or had, and not who.
drop policy if exists for_lookup on templates.pin;
create policy for_lookup on templates.pin for select to platen_view using (true);
grant select on templates.pin to platen_view;
drop policy if exists for_lookup on templates.ended_pin;
create policy for_lookup on templates.ended_pin for select to platen_view using (true);
grant select on templates.ended_pin to platen_view;
grant usage on schema templates to platen_view;

alter table templates.protected_channel enable row level security;
alter table templates.protected_channel force row level security;
drop policy if exists of_owner on templates.protected_channel;
create policy of_owner on templates.protected_channel to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
grant select, insert, delete on templates.protected_channel to platen_app;

alter table templates.move_request enable row level security;
alter table templates.move_request force row level security;
drop policy if exists of_owner on templates.move_request;
create policy of_owner on templates.move_request to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
grant select, insert on templates.move_request to platen_app;
grant update (state, decided_by, decided_by_name, decided_at, decision_reason) on templates.move_request to platen_app;

alter table templates.trial enable row level security;
alter table templates.trial force row level security;
drop policy if exists of_owner on templates.trial;
create policy of_owner on templates.trial to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
grant select, insert on templates.trial to platen_app;
grant update (guard, state, decision, ended_at) on templates.trial to platen_app;

alter table templates.outcome enable row level security;
alter table templates.outcome force row level security;
drop policy if exists of_owner on templates.outcome;
create policy of_owner on templates.outcome to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
grant select, insert, delete on templates.outcome to platen_app;

alter table templates.outcome_sum enable row level security;
alter table templates.outcome_sum force row level security;
drop policy if exists of_owner on templates.outcome_sum;
create policy of_owner on templates.outcome_sum to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
grant select, insert on templates.outcome_sum to platen_app;
grant update (outcomes, total, total_of_squares) on templates.outcome_sum to platen_app;
